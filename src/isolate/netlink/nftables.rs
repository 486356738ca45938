//! The rules that bring every TCP connection of a namespace to two listening sockets, and the sets they look into.
//!
//! As nft(8) would print them, in a chain of the hook prerouting (each address is local, so each connection comes in by the loopback
//! interface):
//!
//! ```text
//! ip daddr . tcp dport @refused counter reject with tcp reset
//! ip daddr 127.0.0.0/8 tcp, socket transparent 0 accept
//! ip6 daddr ::1        tcp, socket transparent 0 accept
//! ip daddr @own        tcp, socket transparent 0 accept
//! ip6 daddr @own6      tcp, socket transparent 0 accept
//! ip daddr 198.19.255.254 tcp accept
//! tcp dport @host      tproxy to :PORT
//! ip daddr 127.0.0.0/8 accept
//! ip6 daddr ::1        accept
//! tcp                  tproxy to :PORT
//! ```
//!
//! `socket transparent 0` finds what the program itself listens on: its own server comes before the machine's. That is asked for
//! addresses of this machine only, or a server on 0.0.0.0:8080 would swallow its calls to port 8080 anywhere. Answers need no rule:
//! `tproxy` leaves the packets of a connection alone that the program holds itself.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use rustix::net::netlink;

use super::{APPEND, Attributes, CREATE, Message, Socket, attribute, attributes};

/// A set that the rules look into.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Set {
    /// TCP ports that are open on the loopback of the machine.
    Host,
    /// IPv4 addresses of the machine.
    Own,
    /// IPv6 addresses of the machine.
    Own6,
    /// Addresses and ports that refuse connections.
    Refused,
}

/// An element of a set, as the kernel keeps it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Key(Vec<u8>);

/// A socket to say these over, in the network namespace of this thread. It may be used from outside for as long as it is open.
pub fn socket() -> io::Result<Socket> {
    Socket::open(Some(netlink::NETFILTER))
}

/// Lays down the rules: everything goes to listeners on `port`, `own` is the program's own address.
pub fn install(socket: &Socket, port: u16, own: Ipv4Addr) -> io::Result<()> {
    let mut messages = vec![table()];
    messages.extend([Set::Host, Set::Own, Set::Own6, Set::Refused].into_iter().map(set));
    messages.push(chain());
    messages.extend(rules(port, own).iter().map(rule));
    transact(socket, &messages)
}

/// Puts these into a set; what is there already is left.
pub fn add(socket: &Socket, set: Set, keys: &[Key]) -> io::Result<()> {
    transact(socket, &elements(NEW_ELEMENT, CREATE_ANYWAY, set, keys))
}

/// Takes these out of a set, in which they must be.
pub fn remove(socket: &Socket, set: Set, keys: &[Key]) -> io::Result<()> {
    transact(socket, &elements(DELETE_ELEMENT, 0, set, keys))
}

/// How many packets each element of [`Set::Refused`] has met: each was a connection that was refused.
pub fn refusals(socket: &Socket) -> io::Result<Vec<(SocketAddrV4, u64)>> {
    let header = [INET, 0, 0, 0];
    let asked = Message::new(GET_ELEMENT, 0, &header).with(1, &text(TABLE)).with(2, &text(Set::Refused.name()));
    let mut found = Vec::new();
    socket.dump(&asked, |message| {
        let listed = message.body.get(header.len()..).and_then(|body| attribute(body, 3)).unwrap_or_default();
        found.extend(attributes(listed).filter_map(|(_, element)| counted(element)));
    })?;
    Ok(found)
}

impl Key {
    /// A port.
    pub fn port(port: u16) -> Self {
        Self(port.to_be_bytes().to_vec())
    }

    /// An address.
    pub fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self(address.octets().to_vec()),
            IpAddr::V6(address) => Self(address.octets().to_vec()),
        }
    }

    /// An address and a port.
    pub fn socket(address: SocketAddrV4) -> Self {
        // Each part of a key fills up four bytes.
        Self([&address.ip().octets()[..], &address.port().to_be_bytes(), &[0, 0]].concat())
    }
}

impl Set {
    fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Own => "own",
            Self::Own6 => "own6",
            Self::Refused => "refused",
        }
    }

    /// The numbers of nft's own types, and the bytes of a key.
    fn key(self) -> (u32, u32) {
        match self {
            Self::Host => (TYPE_PORT, 2),
            Self::Own => (TYPE_V4, 4),
            Self::Own6 => (TYPE_V6, 16),
            Self::Refused => (TYPE_V4 << 6 | TYPE_PORT, 8),
        }
    }
}

/// Expressions, one behind the other.
#[derive(Clone, Debug, Default)]
struct Expressions(Attributes);

fn rules(port: u16, own: Ipv4Addr) -> Vec<Expressions> {
    let v4 = || Expressions::family(V4);
    let v6 = || Expressions::family(V6);
    let loopback4 = |rule: Expressions| rule.load(NETWORK, V4_DESTINATION, 1).equals(&[127]);
    let loopback6 = |rule: Expressions| rule.load(NETWORK, V6_DESTINATION, 16).equals(&V6_LOOPBACK);
    vec![
        v4().tcp().destination_and_port().within(Set::Refused).reset(),
        loopback4(v4()).tcp().has_listener().accept(),
        loopback6(v6()).tcp().has_listener().accept(),
        v4().load(NETWORK, V4_DESTINATION, 4).within(Set::Own).tcp().has_listener().accept(),
        v6().load(NETWORK, V6_DESTINATION, 16).within(Set::Own6).tcp().has_listener().accept(),
        v4().load(NETWORK, V4_DESTINATION, 4).equals(&own.octets()).tcp().accept(),
        v4().tcp().load(TRANSPORT, PORT, 2).within(Set::Host).hand_to(V4, port),
        v6().tcp().load(TRANSPORT, PORT, 2).within(Set::Host).hand_to(V6, port),
        loopback4(v4()).accept(),
        loopback6(v6()).accept(),
        v4().tcp().hand_to(V4, port),
        v6().tcp().hand_to(V6, port),
    ]
}

impl Expressions {
    /// Packets of this family.
    fn family(family: u8) -> Self {
        Self::default().meta(META_FAMILY).equals(&[family])
    }

    fn tcp(self) -> Self {
        self.meta(META_PROTOCOL).equals(&[TCP])
    }

    fn meta(self, key: u32) -> Self {
        self.then("meta", Attributes::default().with_number(1, REGISTER).with_number(2, key))
    }

    /// Loads these bytes of a header.
    fn load(self, base: u32, offset: u32, length: u32) -> Self {
        self.load_into(REGISTER, base, offset, length)
    }

    fn load_into(self, register: u32, base: u32, offset: u32, length: u32) -> Self {
        let load = Attributes::default().with_number(1, register).with_number(2, base);
        self.then("payload", load.with_number(3, offset).with_number(4, length))
    }

    fn destination_and_port(self) -> Self {
        self.load(NETWORK, V4_DESTINATION, 4).load_into(SECOND_WORD, TRANSPORT, PORT, 2)
    }

    /// Goes on if what was loaded is this.
    fn equals(self, value: &[u8]) -> Self {
        let value = Attributes::default().with(1, value);
        self.then("cmp", Attributes::default().with_number(1, REGISTER).with_number(2, 0).with_nested(3, &value))
    }

    /// Goes on if what was loaded is in the set.
    fn within(self, set: Set) -> Self {
        self.then("lookup", Attributes::default().with_name(1, set.name()).with_number(2, REGISTER))
    }

    /// Goes on if a socket that is not one of ours listens there.
    fn has_listener(self) -> Self {
        let transparent = Attributes::default().with_number(1, SOCKET_TRANSPARENT).with_number(2, REGISTER);
        self.then("socket", transparent).equals(&[0])
    }

    fn accept(self) -> Self {
        let verdict = Attributes::default().with_number(1, ACCEPT);
        let data = Attributes::default().with_nested(2, &verdict);
        self.then("immediate", Attributes::default().with_number(1, 0).with_nested(2, &data))
    }

    fn reset(self) -> Self {
        self.then("reject", Attributes::default().with_number(1, REJECT_BY_RESET).with(2, &[0]))
    }

    fn hand_to(self, family: u8, port: u16) -> Self {
        let value = Attributes::default().with(1, &port.to_be_bytes());
        let load = Attributes::default().with_number(1, REGISTER).with_nested(2, &value);
        let proxy = Attributes::default().with_number(1, u32::from(family)).with_number(3, REGISTER);
        self.then("immediate", load).then("tproxy", proxy)
    }

    fn then(self, name: &str, data: Attributes) -> Self {
        Self(self.0.with_nested(LIST_ELEMENT, &expression(name, &data)))
    }
}

fn expression(name: &str, data: &Attributes) -> Attributes {
    Attributes::default().with_name(1, name).with_nested(2, data)
}

fn table() -> Message {
    of_tables(NEW_TABLE, CREATE).with(1, &text(TABLE))
}

fn chain() -> Message {
    let hook = Attributes::default().with_number(1, PREROUTING).with_number(2, MANGLE.cast_unsigned());
    let named = of_tables(NEW_CHAIN, CREATE).with(1, &text(TABLE)).with(3, &text(CHAIN));
    named.with_nested(4, &hook).with(7, &text("filter"))
}

fn rule(expressions: &Expressions) -> Message {
    let named = of_tables(NEW_RULE, APPEND).with(1, &text(TABLE)).with(2, &text(CHAIN));
    named.with_nested(4, &expressions.0)
}

fn set(set: Set) -> Message {
    let (kind, length) = set.key();
    let number = |number: u32| number.to_be_bytes();
    let named = of_tables(NEW_SET, CREATE).with(1, &text(TABLE)).with(2, &text(set.name()));
    let message = named.with(4, &number(kind)).with(5, &number(length)).with(10, &number(set as u32));
    if set == Set::Refused { message.with_nested(17, &expression("counter", &Attributes::default())) } else { message }
}

/// Messages about elements, none of them too large for the length of an attribute.
fn elements(kind: u16, flags: u16, set: Set, keys: &[Key]) -> Vec<Message> {
    let message = |keys: &[Key]| {
        let list = keys.iter().fold(Attributes::default(), |list, key| {
            let value = Attributes::default().with(1, &key.0);
            list.with_nested(LIST_ELEMENT, &Attributes::default().with_nested(1, &value))
        });
        of_tables(kind, flags).with(1, &text(TABLE)).with(2, &text(set.name())).with_nested(3, &list)
    };
    keys.chunks(MOST_ELEMENTS).map(message).collect()
}

/// An element of [`Set::Refused`], and the packets in its counter.
fn counted(element: &[u8]) -> Option<(SocketAddrV4, u64)> {
    let key = attribute(attribute(element, 1)?, 1)?;
    let address: [u8; 4] = *key.first_chunk()?;
    let port = u16::from_be_bytes(*key.get(4..)?.first_chunk()?);
    let counter = attribute(attribute(element, 7)?, 2)?;
    let packets = u64::from_be_bytes(*attribute(counter, 2)?.first_chunk()?);
    Some((SocketAddrV4::new(address.into(), port), packets))
}

fn transact(socket: &Socket, messages: &[Message]) -> io::Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let edge = |kind| Message::new(kind, 0, &[&[0, 0][..], &SUBSYSTEM.to_be_bytes()].concat());
    socket.transact(&edge(BATCH_BEGIN), messages, &edge(BATCH_END))
}

/// `struct nfgenmsg` before it.
fn of_tables(kind: u16, flags: u16) -> Message {
    Message::new(kind, flags, &[INET, 0, 0, 0])
}

fn text(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}

const TABLE: &str = "squall";
const CHAIN: &str = "arrive";
/// NFNL_SUBSYS_NFTABLES.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = SUBSYSTEM << 8;
const NEW_CHAIN: u16 = NEW_TABLE | 3;
const NEW_RULE: u16 = NEW_TABLE | 6;
const NEW_SET: u16 = NEW_TABLE | 9;
const NEW_ELEMENT: u16 = NEW_TABLE | 12;
const GET_ELEMENT: u16 = NEW_TABLE | 13;
const DELETE_ELEMENT: u16 = NEW_TABLE | 14;
/// NLM_F_CREATE without NLM_F_EXCL.
const CREATE_ANYWAY: u16 = 0x400;
const LIST_ELEMENT: u16 = 1;
/// An element is written in some 24 bytes, an attribute holds 64 KiB.
const MOST_ELEMENTS: usize = 1024;
/// NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6.
const INET: u8 = 1;
const V4: u8 = 2;
const V6: u8 = 10;
/// NF_INET_PRE_ROUTING, and NF_IP_PRI_MANGLE, where tproxy belongs.
const PREROUTING: u32 = 0;
const MANGLE: i32 = -150;
/// NFT_REG_1, of four words, and the second of these.
const REGISTER: u32 = 1;
const SECOND_WORD: u32 = 9;
const META_FAMILY: u32 = 15;
const META_PROTOCOL: u32 = 16;
const TCP: u8 = 6;
/// NFT_PAYLOAD_NETWORK_HEADER and NFT_PAYLOAD_TRANSPORT_HEADER, and what lies where in them.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;
const V4_DESTINATION: u32 = 16;
const V6_DESTINATION: u32 = 24;
const PORT: u32 = 2;
const V6_LOOPBACK: [u8; 16] = std::net::Ipv6Addr::LOCALHOST.octets();
const SOCKET_TRANSPARENT: u32 = 0;
const ACCEPT: u32 = 1;
const REJECT_BY_RESET: u32 = 1;
/// nft's numbers of its types; the kernel only keeps them.
const TYPE_V4: u32 = 7;
const TYPE_V6: u32 = 8;
const TYPE_PORT: u32 = 13;

#[cfg(test)]
mod tests {
    use super::super::received;
    use super::*;

    fn names(expressions: &Expressions) -> Vec<String> {
        let mut bytes = Vec::new();
        rule(expressions).write(1, &mut bytes);
        let message = received(&bytes).next().unwrap();
        let listed = attribute(&message.body[4..], 4).unwrap();
        let name = |(_, expression)| {
            let name = attribute(expression, 1).unwrap();
            String::from_utf8(name[..name.len() - 1].to_vec()).unwrap()
        };
        attributes(listed).map(name).collect()
    }

    #[test]
    fn what_is_refused_is_asked_first_and_everything_else_goes_to_a_listener_last() {
        let rules = rules(4000, Ipv4Addr::new(198, 19, 255, 254));
        let first = names(&rules[0]);
        assert_eq!(first[..2], ["meta", "cmp"]);
        assert_eq!(first[first.len() - 2..], ["lookup", "reject"]);
        for last in &rules[rules.len() - 2..] {
            assert_eq!(names(last), ["meta", "cmp", "meta", "cmp", "immediate", "tproxy"]);
        }
        let listeners = rules.iter().map(names).filter(|names| names.contains(&"socket".to_owned()));
        assert!(listeners.clone().count() == 4 && listeners.clone().all(|names| names.last().unwrap() == "immediate"));
    }

    #[test]
    fn a_key_of_two_parts_fills_each_up_to_a_word() {
        let key = Key::socket("198.18.1.0:443".parse().unwrap());
        assert_eq!(key.0, [198, 18, 1, 0, 1, 187, 0, 0]);
        assert_eq!(Key::port(443).0, [1, 187]);
    }

    #[test]
    fn many_elements_are_said_in_several_messages() {
        let keys: Vec<_> = (0..3000).map(Key::port).collect();
        assert_eq!(elements(NEW_ELEMENT, 0, Set::Host, &keys).len(), 3);
        assert!(elements(NEW_ELEMENT, 0, Set::Host, &[]).is_empty());
    }

    #[test]
    fn a_counted_element_is_read_and_what_is_none_is_not() {
        let value = Attributes::default().with(1, &Key::socket("198.18.1.7:80".parse().unwrap()).0);
        let counter = Attributes::default().with(1, &160_u64.to_be_bytes()).with(2, &4_u64.to_be_bytes());
        let element = Attributes::default().with_nested(1, &value).with_nested(7, &expression("counter", &counter));
        assert_eq!(counted(&element.0), Some(("198.18.1.7:80".parse().unwrap(), 4)));
        assert_eq!(counted(&Attributes::default().with_nested(1, &value).0), None);
        assert_eq!(counted(&[]), None);
    }
}
