//! The name server inside the namespaces: answers from whatever address it is asked at.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::libc::in_pktinfo;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest};
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Resolver;

/// A datagram and where it went.
struct Datagram {
    bytes: Vec<u8>,
    from: SockaddrIn,
    to: in_pktinfo,
}

/// Answers datagrams for as long as it is polled. `socket` must say where each was sent to.
pub async fn datagrams(resolver: Arc<Resolver>, socket: OwnedFd) -> io::Result<()> {
    let socket = Arc::new(UdpSocket::from_std(socket.into())?);
    let room = Arc::new(Semaphore::new(MOST_AT_ONCE));
    loop {
        let datagram = match socket.async_io(Interest::READABLE, || receive(&socket)).await {
            Ok(datagram) => datagram,
            Err(e) => {
                tracing::debug!("a question for a name could not be received: {e}");
                continue;
            }
        };
        // An error means that it was closed, which it never is.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
        let (resolver, socket) = (Arc::clone(&resolver), Arc::clone(&socket));
        tokio::spawn(async move {
            let Some(answer) = resolver.answer(&datagram.bytes, false).await else { return };
            if let Err(e) = socket.async_io(Interest::WRITABLE, || send(&socket, &answer, &datagram)).await {
                tracing::debug!("a question for a name could not be answered: {e}");
            }
            drop(place);
        });
    }
}

/// Answers the questions on a connection, one after the other.
pub async fn connection<S: AsyncRead + AsyncWrite + Unpin>(resolver: Arc<Resolver>, mut stream: S) -> io::Result<()> {
    loop {
        let mut length = [0; 2];
        match timeout(IDLE, stream.read_exact(&mut length)).await {
            Ok(Err(e)) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(_) => return Ok(()),
            Ok(read) => read?,
        };
        let mut question = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut question).await?;
        let Some(answer) = resolver.answer(&question, true).await else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), &answer[..]].concat()).await?;
    }
}

fn receive(socket: &UdpSocket) -> io::Result<Datagram> {
    let mut bytes = vec![0; LARGEST_QUESTION];
    let mut space = nix::cmsg_space!(in_pktinfo);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::empty())?;
    let to = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(info),
        _ => None,
    });
    let (Some(from), Some(to), length) = (received.address, to, received.bytes) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    bytes.truncate(length);
    Ok(Datagram { bytes, from, to })
}

fn send(socket: &UdpSocket, answer: &[u8], question: &Datagram) -> io::Result<()> {
    // Clients believe answers from the address they asked, and from no other.
    let from = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: question.to.ipi_addr, ipi_addr: question.to.ipi_addr };
    let control = [ControlMessage::Ipv4PacketInfo(&from)];
    sendmsg(socket.as_raw_fd(), &[IoSlice::new(answer)], &control, MsgFlags::empty(), Some(&question.from))?;
    Ok(())
}

const LARGEST_QUESTION: usize = 4096;
/// Each may wait for the machine's resolver.
const MOST_AT_ONCE: usize = 256;
/// What RFC 7766 calls a few seconds.
const IDLE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::super::Known;
    use super::super::host::Machine;
    use super::super::names::Names;
    use super::*;

    fn resolver() -> Arc<Resolver> {
        let (names, machine) = (Arc::new(Names::default()), Machine::new(Vec::new()));
        Arc::new(Resolver { names, known: Box::new(Aws), machine })
    }

    struct Aws;

    impl Known for Aws {
        fn exists(&self, name: &str) -> bool {
            name.ends_with("amazonaws.com")
        }

        fn is_given(&self, _: &str, _: std::net::Ipv4Addr) {}
    }

    /// A question for the address of `s3.amazonaws.com`.
    const QUESTION: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02s3\x09amazonaws\x03com\x00\x00\x01\x00\x01";

    #[tokio::test]
    async fn a_datagram_is_answered_from_where_it_was_sent_to() {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::Ipv4PacketInfo, &true).unwrap();
        socket.bind(&std::net::SocketAddr::from(([0, 0, 0, 0], 0)).into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        let serving = tokio::spawn(datagrams(resolver(), socket.into()));
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.send_to(QUESTION, ("127.0.0.9", port)).await.unwrap();
        let mut answer = [0; 512];
        let (length, from) = timeout(IDLE, client.recv_from(&mut answer)).await.unwrap().unwrap();
        assert_eq!(from.ip().to_string(), "127.0.0.9");
        assert!(answer[..2] == QUESTION[..2] && answer[..length].ends_with(&[198, 18, 1, 0]));
        serving.abort();
    }

    #[tokio::test]
    async fn a_connection_carries_several_questions() {
        let (mut client, server) = tokio::io::duplex(4096);
        let serving = tokio::spawn(connection(resolver(), server));
        for _ in 0..2 {
            client.write_u16(QUESTION.len().try_into().unwrap()).await.unwrap();
            client.write_all(QUESTION).await.unwrap();
            let mut answer = vec![0; client.read_u16().await.unwrap().into()];
            client.read_exact(&mut answer).await.unwrap();
            assert!(answer.ends_with(&[198, 18, 1, 0]));
        }
        drop(client);
        serving.await.unwrap().unwrap();
    }
}
