//! From the program's process to Squall: its sockets, or the step that failed. Then one byte back: go.
//!
//! A message is one byte and descriptors beside it, or another byte and a [`Failure`] in JSON. It goes over a Unix socket by path, which
//! reaches out of a network namespace.

use std::io::{self, IoSlice, IoSliceMut, Read as _};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use super::failure::Failure;
use super::netlink::Socket;

/// What is handed over.
#[derive(Debug)]
pub struct Sockets {
    /// Where connections to IPv4 addresses arrive.
    pub tcp4: TcpListener,
    /// Where datagrams to port 53 arrive.
    pub dns: OwnedFd,
    /// Changes the rules.
    pub rules: Socket,
    /// Where connections to IPv6 addresses arrive, if the system has IPv6.
    pub tcp6: Option<TcpListener>,
}

/// What comes of it.
#[derive(Debug)]
pub enum Told {
    /// The program may begin.
    Ready(Sockets),
    /// There is none.
    Failed(Failure),
}

/// Hands the sockets over and waits to be let go.
pub fn hand_over(mut to: &UnixStream, sockets: &Sockets) -> io::Result<()> {
    let mut descriptors = vec![sockets.tcp4.as_fd(), sockets.dns.as_fd(), sockets.rules.as_fd()];
    descriptors.extend(sockets.tcp6.iter().map(|socket| socket.as_fd()));
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(to, &[IoSlice::new(&[READY])], &mut ancillary, SendFlags::NOSIGNAL)?;
    to.read_exact(&mut [0])
}

/// Tells what failed.
pub fn fail(to: &UnixStream, failure: &Failure) -> io::Result<()> {
    let mut told = vec![FAILED];
    serde_json::to_writer(&mut told, failure)?;
    sendmsg(to, &[IoSlice::new(&told)], &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives either. `from` must not block for ever.
pub fn receive(from: &UnixStream) -> io::Result<Told> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = vec![0; LARGEST];
    let received = recvmsg(from, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let descriptors: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    match bytes.get(..received.bytes) {
        Some([READY]) => sockets(descriptors).map(Told::Ready),
        Some([FAILED, told @ ..]) => Ok(Told::Failed(serde_json::from_slice(told)?)),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn sockets(descriptors: Vec<OwnedFd>) -> io::Result<Sockets> {
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next().ok_or(io::ErrorKind::InvalidData);
    let (tcp4, dns, rules) = (next()?, next()?, next()?);
    Ok(Sockets { tcp4: tcp4.into(), dns, rules: rules.into(), tcp6: descriptors.next().map(Into::into) })
}

const READY: u8 = b'r';
const FAILED: u8 = b'f';
/// Descriptors in one message.
const MOST: usize = 4;
const LARGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::failure::Step;
    use super::super::netlink::listening;
    use super::*;

    #[test]
    fn sockets_arrive_as_they_were_and_the_other_side_is_let_go() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let tcp4 = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp4.local_addr().unwrap();
        let dns = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into();
        let given = std::thread::spawn(move || {
            let sockets = Sockets { tcp4, dns, rules: listening::socket().unwrap(), tcp6: None };
            hand_over(&theirs, &sockets)
        });
        let Told::Ready(sockets) = receive(&ours).unwrap() else { panic!("it has not failed") };
        assert_eq!(sockets.tcp4.local_addr().unwrap(), address);
        assert!(sockets.tcp6.is_none() && listening::loopback_ports(&sockets.rules).unwrap().contains(&address.port()));
        ours.write_all(b"g").unwrap();
        given.join().unwrap().unwrap();
    }

    #[test]
    fn a_failure_arrives_by_its_step_and_silence_is_no_success() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let failure = Failure::new(Step::Map, "uid_map", &io::Error::from_raw_os_error(1));
        fail(&theirs, &failure).unwrap();
        let Told::Failed(told) = receive(&ours).unwrap() else { panic!("it has failed") };
        assert_eq!(told, failure);
        drop(theirs);
        assert_eq!(receive(&ours).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
