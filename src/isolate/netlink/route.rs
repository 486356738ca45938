//! The network of a new namespace: its loopback interface, up, and every address there is behind it.
//!
//! With a local route for all addresses a connection to any of them stays on this machine, and arrives at whoever listens there or is put
//! there by a rule.

use std::io;
use std::net::Ipv4Addr;

use super::{CREATE, Message, Socket};

/// A socket to say these over.
pub fn socket() -> io::Result<Socket> {
    // NETLINK_ROUTE is 0, and so no protocol.
    Socket::open(None)
}

/// Takes the loopback interface up.
pub fn loopback_up() -> Message {
    // struct ifinfomsg: family, padding, type (u16), index, flags, and which flags are meant.
    let mut header = vec![0; 4];
    header.extend(LOOPBACK.to_ne_bytes());
    header.extend(UP.to_ne_bytes());
    header.extend(UP.to_ne_bytes());
    Message::new(NEW_LINK, 0, &header)
}

/// Gives it this address.
pub fn address(address: Ipv4Addr) -> Message {
    let mut header = vec![V4, 32, 0, SCOPE_UNIVERSE];
    header.extend(LOOPBACK.to_ne_bytes());
    Message::new(NEW_ADDRESS, CREATE, &header).with(IFA_ADDRESS, &address.octets()).with(IFA_LOCAL, &address.octets())
}

/// Makes every IPv4 address local; connections that name none of their own come from `source`.
pub fn all_v4_is_local(source: Ipv4Addr) -> Message {
    all_is_local(V4).with(RTA_PREFSRC, &source.octets())
}

/// Makes every IPv6 address local.
pub fn all_v6_is_local() -> Message {
    all_is_local(V6)
}

fn all_is_local(family: u8) -> Message {
    // struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags.
    let mut header = vec![family, 0, 0, 0, TABLE_LOCAL, PROTOCOL_BOOT, SCOPE_HOST, TYPE_LOCAL];
    header.extend(0_u32.to_ne_bytes());
    Message::new(NEW_ROUTE, CREATE, &header).with(RTA_OIF, &LOOPBACK.to_ne_bytes())
}

/// The kernel gives it this index in each namespace.
const LOOPBACK: u32 = 1;
/// IFF_UP.
const UP: u32 = 1;
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_PREFSRC: u16 = 7;
/// AF_INET and AF_INET6.
const V4: u8 = 2;
const V6: u8 = 10;
const TABLE_LOCAL: u8 = 255;
const PROTOCOL_BOOT: u8 = 3;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_HOST: u8 = 254;
const TYPE_LOCAL: u8 = 2;

#[cfg(test)]
mod tests {
    use super::super::{attribute, received};
    use super::*;

    fn body(message: &Message) -> (u16, Vec<u8>) {
        let mut bytes = Vec::new();
        message.write(1, &mut bytes);
        let read = received(&bytes).next().unwrap();
        (read.kind, read.body.to_vec())
    }

    #[test]
    fn the_link_is_named_by_its_index_and_taken_up() {
        let (kind, body) = body(&loopback_up());
        assert_eq!((kind, body.len()), (16, 16));
        assert_eq!([&body[4..8], &body[8..12], &body[12..16]], [1_u32.to_ne_bytes(); 3]);
    }

    #[test]
    fn routes_cover_everything_and_name_the_source_in_ipv4() {
        let source = Ipv4Addr::new(198, 19, 255, 254);
        let (kind, v4) = body(&all_v4_is_local(source));
        assert_eq!((kind, &v4[..8]), (24, &[2, 0, 0, 0, 255, 3, 254, 2][..]));
        assert_eq!(attribute(&v4[12..], 7), Some(&source.octets()[..]));
        let (_, v6) = body(&all_v6_is_local());
        assert_eq!((v6[0], attribute(&v6[12..], 7)), (10, None));
        assert_eq!(attribute(&v6[12..], 4), Some(&1_u32.to_ne_bytes()[..]));
    }
}
