//! Netlink: messages written and read, and the sockets they go over.
//!
//! [`Message`] writes one, [`received`] and [`attributes`] read what comes back; both are pure. [`Socket`] sends and hears. What is said in
//! them stands beside: [`route`] for links, addresses and routes, [`nftables`] for rules and sets, [`listening`] for who listens.

pub mod listening;
pub mod nftables;
pub mod route;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// A message that is being written.
#[derive(Clone, Debug)]
pub struct Message {
    kind: u16,
    flags: u16,
    body: Attributes,
}

/// A header of fixed form and the attributes behind it, or attributes inside another one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attributes(Vec<u8>);

/// A message that came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Received<'a> {
    /// What it is.
    pub kind: u16,
    /// What follows the header.
    pub body: &'a [u8],
}

/// A netlink socket. It speaks with the network namespace that it was opened in, wherever it is used.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Message {
    /// A request of this kind, to be acknowledged, that begins with `header`.
    pub fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        Self { kind, flags: REQUEST | flags, body: Attributes(header.to_vec()) }
    }

    /// With this attribute.
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        self.body = self.body.with(kind, value);
        self
    }

    /// With an attribute that holds others.
    pub fn with_nested(mut self, kind: u16, inner: &Attributes) -> Self {
        self.body = self.body.with_nested(kind, inner);
        self
    }

    fn write(&self, sequence: u32, out: &mut Vec<u8>) {
        let length = u32::try_from(HEADER + self.body.0.len()).unwrap_or(u32::MAX);
        out.extend(length.to_ne_bytes());
        out.extend(self.kind.to_ne_bytes());
        out.extend(self.flags.to_ne_bytes());
        out.extend(sequence.to_ne_bytes());
        out.extend(0_u32.to_ne_bytes());
        out.extend(&self.body.0);
        out.resize(aligned(out.len()), 0);
    }
}

impl Attributes {
    /// With this attribute.
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(aligned(self.0.len()), 0);
        self
    }

    /// With an attribute that holds others.
    pub fn with_nested(self, kind: u16, inner: &Self) -> Self {
        self.with(kind | NESTED, &inner.0)
    }

    /// With a number, as nf_tables writes them.
    pub fn with_number(self, kind: u16, number: u32) -> Self {
        self.with(kind, &number.to_be_bytes())
    }

    /// With a name and the zero behind it.
    pub fn with_name(self, kind: u16, name: &str) -> Self {
        self.with(kind, &[name.as_bytes(), b"\0"].concat())
    }
}

impl Socket {
    /// A socket of this netlink family, in the network namespace of this thread.
    pub fn open(family: Option<Protocol>) -> io::Result<Self> {
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, family)?;
        Ok(fd.into())
    }

    /// Says `message` and waits for its acknowledgement.
    pub fn request(&self, message: &Message) -> io::Result<()> {
        let mut bytes = Vec::new();
        Message { flags: message.flags | ACK, ..message.clone() }.write(1, &mut bytes);
        self.say(&bytes)?;
        self.acknowledged(1)
    }

    /// Says all of `messages` at once, in this order, `first` and `last` around them: all are done or none. The messages between are
    /// acknowledged, these two are not.
    pub fn transact(&self, first: &Message, messages: &[Message], last: &Message) -> io::Result<()> {
        let mut bytes = Vec::new();
        first.write(0, &mut bytes);
        for (message, sequence) in messages.iter().zip(1..) {
            Message { flags: message.flags | ACK, ..message.clone() }.write(sequence, &mut bytes);
        }
        last.write(0, &mut bytes);
        self.say(&bytes)?;
        self.acknowledged(messages.len())
    }

    /// Asks for a list and tells each of its messages.
    pub fn dump(&self, message: &Message, mut tell: impl FnMut(Received<'_>)) -> io::Result<()> {
        let mut bytes = Vec::new();
        Message { flags: message.flags | DUMP, ..message.clone() }.write(1, &mut bytes);
        self.say(&bytes)?;
        let mut heard = vec![0; LARGEST_ANSWER];
        loop {
            let length = self.hear(&mut heard)?;
            for message in received(&heard[..length]) {
                match message.kind {
                    DONE => return Ok(()),
                    ERROR => error(message.body)?,
                    _ => tell(message),
                }
            }
        }
    }

    fn say(&self, bytes: &[u8]) -> io::Result<()> {
        send(&self.0, bytes, SendFlags::empty())?;
        Ok(())
    }

    fn acknowledged(&self, messages: usize) -> io::Result<()> {
        let (mut heard, mut left) = (vec![0; LARGEST_ANSWER], messages);
        while left > 0 {
            let length = self.hear(&mut heard)?;
            for message in received(&heard[..length]).filter(|message| message.kind == ERROR) {
                if let Err(e) = error(message.body) {
                    self.forget_the_rest();
                    return Err(e);
                }
                left = left.saturating_sub(1);
            }
        }
        Ok(())
    }

    fn hear(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match recv(&self.0, &mut *buffer, RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                heard => return Ok(heard?.0),
            }
        }
    }

    /// What else was answered to a request that failed must not be taken for the answer to the next.
    fn forget_the_rest(&self) {
        let mut buffer = [0; 16];
        while recv(&self.0, &mut buffer[..], RecvFlags::DONTWAIT).is_ok() {}
    }
}

impl From<OwnedFd> for Socket {
    fn from(fd: OwnedFd) -> Self {
        // The kernel has answered before `send` returns; this is for what nobody foresaw.
        if let Err(e) = set_socket_timeout(&fd, Timeout::Recv, Some(PATIENCE)) {
            tracing::debug!("a netlink socket without a timeout: {e}");
        }
        Self(fd)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The messages in what was heard; what is cut short ends them.
pub fn received(mut bytes: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
        let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        let body = bytes.get(HEADER..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some(Received { kind, body })
    })
}

/// The attributes in `bytes`, by kind.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
        let value = bytes.get(ATTRIBUTE_HEADER..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((kind & !NESTED, value))
    })
}

/// The attribute of this kind.
pub fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// An acknowledgement is an error with the number 0.
fn error(body: &[u8]) -> io::Result<()> {
    match body.first_chunk().map(|code| i32::from_ne_bytes(*code)) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

const fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// `struct nlmsghdr`.
const HEADER: usize = 16;
/// `struct nlattr`.
const ATTRIBUTE_HEADER: usize = 4;
/// NLA_F_NESTED.
const NESTED: u16 = 0x8000;
/// NLMSG_ERROR and NLMSG_DONE.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP.
const REQUEST: u16 = 0x01;
const ACK: u16 = 0x04;
const DUMP: u16 = 0x300;
/// NLM_F_EXCL and NLM_F_CREATE: it must not be there yet.
pub const CREATE: u16 = 0x600;
/// NLM_F_CREATE and NLM_F_APPEND: behind those that are there.
pub const APPEND: u16 = 0xc00;
/// The kernel writes lists in pieces of this size at most.
const LARGEST_ANSWER: usize = 32 << 10;
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_with_its_padding_left_out() {
        let inner = Attributes::default().with_name(1, "lo").with_number(2, 7);
        let message = Message::new(16, CREATE, &[1, 2, 3, 4]).with(3, b"abc").with_nested(4, &inner);
        let mut bytes = Vec::new();
        message.write(9, &mut bytes);
        message.write(10, &mut bytes);
        assert_eq!(bytes.len() % 4, 0);
        let read: Vec<_> = received(&bytes).collect();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].kind, &read[0].body[..4]), (16, &[1, 2, 3, 4][..]));
        let found: Vec<_> = attributes(&read[1].body[4..]).collect();
        assert_eq!(found[0], (3, &b"abc"[..]));
        assert_eq!(attribute(found[1].1, 1), Some(&b"lo\0"[..]));
        assert_eq!(attribute(found[1].1, 2), Some(&[0, 0, 0, 7][..]));
    }

    #[test]
    fn what_is_cut_short_or_says_a_wrong_length_ends_the_reading() {
        let mut bytes = Vec::new();
        Message::new(16, 0, &[]).with(1, b"value").write(1, &mut bytes);
        for length in 0..bytes.len() {
            assert_eq!(received(&bytes[..length]).count(), 0, "{length}");
        }
        let zero_length = [0, 0, 1, 0];
        assert_eq!(attributes(&zero_length).count(), 0);
        assert_eq!(received(&[0; 16]).count(), 0);
    }

    #[test]
    fn an_acknowledgement_is_the_error_zero() {
        assert!(error(&0_i32.to_ne_bytes()).is_ok());
        let refused = error(&(-1_i32).to_ne_bytes()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        assert!(error(&[]).is_err());
    }
}
