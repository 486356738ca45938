//! Who listens on this machine's own loopback: a list of the kernel's, asked for often and cheaply.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::net::netlink;

use super::{Message, Socket};

/// A socket to ask over, in this namespace.
pub fn socket() -> io::Result<Socket> {
    Socket::open(Some(netlink::SOCK_DIAG))
}

/// The TCP ports on which something listens that loopback reaches.
pub fn loopback_ports(socket: &Socket) -> io::Result<BTreeSet<u16>> {
    let mut ports = BTreeSet::new();
    for family in [V4, V6] {
        socket.dump(&request(family), |message| {
            if let Some((address, port)) = listener(message.body)
                && (address.to_canonical().is_loopback() || address.is_unspecified())
            {
                ports.insert(port);
            }
        })?;
    }
    Ok(ports)
}

/// `struct inet_diag_req_v2`: all TCP sockets of the family that listen.
fn request(family: u8) -> Message {
    let mut header = vec![family, TCP, 0, 0];
    header.extend(LISTENING.to_ne_bytes());
    header.resize(REQUEST, 0);
    Message::new(BY_FAMILY, 0, &header)
}

/// Address and port in a `struct inet_diag_msg`.
fn listener(body: &[u8]) -> Option<(IpAddr, u16)> {
    let port = u16::from_be_bytes(*body.get(4..)?.first_chunk()?);
    let address: [u8; 16] = *body.get(8..)?.first_chunk()?;
    let address = match *body.first()? {
        V4 => IpAddr::V4(Ipv4Addr::new(address[0], address[1], address[2], address[3])),
        V6 => IpAddr::V6(Ipv6Addr::from(address)),
        _ => return None,
    };
    Some((address, port))
}

/// SOCK_DIAG_BY_FAMILY.
const BY_FAMILY: u16 = 20;
const TCP: u8 = 6;
/// The state TCP_LISTEN as a bit.
const LISTENING: u32 = 1 << 10;
const REQUEST: usize = 56;
/// AF_INET and AF_INET6.
const V4: u8 = 2;
const V6: u8 = 10;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_seen_from_when_it_listens_until_it_is_gone() {
        let socket = socket().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(loopback_ports(&socket).unwrap().contains(&port));
        drop(listener);
        assert!(!loopback_ports(&socket).unwrap().contains(&port));
    }

    #[test]
    fn what_is_no_answer_names_no_listener() {
        assert_eq!(listener(&[]), None);
        assert_eq!(listener(&[2, 10, 0, 0, 0, 80]), None);
        let mut unix = [0; 72];
        unix[0] = 1;
        assert_eq!(listener(&unix), None);
    }
}
