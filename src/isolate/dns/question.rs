//! DNS messages: what is asked, and the reply in bytes. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr as _;
use std::sync::Arc;

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message_builder::{AdditionalBuilder, AnswerBuilder, PushError};
use domain::base::{Message, MessageBuilder, Name, ParsedName, Ttl};
use domain::rdata::{A, Aaaa, Ptr};

/// A message that asks one question.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// What it wants to know.
    pub asked: Asked,
    message: Message<&'a [u8]>,
    name: ParsedName<&'a [u8]>,
    kind: Rtype,
}

/// What a question wants to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Asked {
    /// The addresses of a name, or what is given beside them: it is in lower case and has no dot at its end.
    Addresses(String),
    /// The name of an address.
    Name(IpAddr),
    /// Anything else.
    Other,
}

/// What is replied.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// These, as far as they are of the kind that is asked for.
    Addresses(Vec<IpAddr>),
    /// Another name server knows.
    Elsewhere,
    /// It cannot be told now.
    Failed,
    /// This name.
    Name(Arc<str>),
    /// There is no such name.
    NoName,
}

impl<'a> Question<'a> {
    /// Reads it; or what to say to a message that asks no single question, if anything.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Option<Vec<u8>>> {
        let message = Message::from_slice(bytes).map_err(|_| None)?.for_slice_ref();
        let header = message.header();
        if header.qr() {
            return Err(None);
        }
        if header.opcode() != Opcode::QUERY {
            return Err(refusal(&message, Rcode::NOTIMP));
        }
        let Ok(question) = message.sole_question() else { return Err(refusal(&message, Rcode::FORMERR)) };
        let (name, kind) = (*question.qname(), question.qtype());
        let asked = if question.qclass() == Class::IN { asked(&name.to_string(), kind) } else { Asked::Other };
        Ok(Self { asked, message, name, kind })
    }

    /// The message that replies so; none to [`Reply::Elsewhere`].
    pub fn reply(&self, reply: &Reply) -> Option<Vec<u8>> {
        let code = match reply {
            Reply::Addresses(_) | Reply::Name(_) => Rcode::NOERROR,
            Reply::Elsewhere => return None,
            Reply::Failed => Rcode::SERVFAIL,
            Reply::NoName => Rcode::NXDOMAIN,
        };
        let mut answer = started(&self.message, code)?;
        match reply {
            Reply::Addresses(addresses) => {
                let mut wanted = addresses.iter().filter(|address| self.wants(address));
                wanted.try_for_each(|address| self.push(&mut answer, *address)).ok()?;
            }
            Reply::Name(name) => {
                let name = Name::<Vec<u8>>::from_str(name).ok()?;
                answer.push((&self.name, Class::IN, TTL, Ptr::new(name))).ok()?;
            }
            Reply::Elsewhere | Reply::Failed | Reply::NoName => {}
        }
        finished(answer.additional(), &self.message)
    }

    fn wants(&self, address: &IpAddr) -> bool {
        match self.kind {
            Rtype::A => address.is_ipv4(),
            Rtype::AAAA => address.is_ipv6(),
            Rtype::ANY => true,
            _ => false,
        }
    }

    fn push(&self, answer: &mut AnswerBuilder<Vec<u8>>, address: IpAddr) -> Result<(), PushError> {
        match address {
            IpAddr::V4(address) => answer.push((&self.name, Class::IN, TTL, A::new(address))),
            IpAddr::V6(address) => answer.push((&self.name, Class::IN, TTL, Aaaa::new(address))),
        }
    }
}

fn asked(name: &str, kind: Rtype) -> Asked {
    let name = name.to_ascii_lowercase();
    match kind {
        // What has escapes in it is no host's.
        Rtype::A | Rtype::AAAA | Rtype::ANY | Rtype::HTTPS | Rtype::SVCB if !name.contains('\\') => {
            Asked::Addresses(name)
        }
        Rtype::PTR => reversed(&name).map_or(Asked::Other, Asked::Name),
        _ => Asked::Other,
    }
}

/// The address that `4.3.2.1.in-addr.arpa`, or 32 digits before `ip6.arpa`, stands for.
fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(v4) = name.strip_suffix(".in-addr.arpa") {
        return v4.parse::<Ipv4Addr>().ok().map(|address| Ipv4Addr::from_bits(address.to_bits().swap_bytes()).into());
    }
    let digits: String = name.strip_suffix(".ip6.arpa")?.rsplit('.').collect();
    let is_whole = digits.len() == 32 && name.len() == "0.".len() * 32 + "ip6.arpa".len();
    let bits = u128::from_str_radix(&digits, 16).ok().filter(|_| is_whole)?;
    Some(Ipv6Addr::from_bits(bits).into())
}

fn started(message: &Message<&[u8]>, code: Rcode) -> Option<AnswerBuilder<Vec<u8>>> {
    let mut answer = MessageBuilder::new_vec().start_answer(message, code).ok()?;
    answer.header_mut().set_ra(true);
    Some(answer)
}

fn refusal(message: &Message<&[u8]>, code: Rcode) -> Option<Vec<u8>> {
    started(message, code).map(|answer| answer.finish())
}

/// With EDNS, if it is spoken.
fn finished(mut additional: AdditionalBuilder<Vec<u8>>, message: &Message<&[u8]>) -> Option<Vec<u8>> {
    if message.opt().is_some() {
        additional
            .opt(|opt| {
                opt.set_udp_payload_size(LARGEST_DATAGRAM);
                Ok(())
            })
            .ok()?;
    }
    Some(additional.finish())
}

/// Resolvers that keep answers must ask again after the run.
const TTL: Ttl = Ttl::from_secs(1);
/// What is customary since DNS flag day 2020.
const LARGEST_DATAGRAM: u16 = 1232;

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: Rtype) -> Vec<u8> {
        let mut question = MessageBuilder::new_vec().question();
        question.header_mut().set_rd(true);
        question.header_mut().set_id(77);
        question.push((Name::<Vec<u8>>::from_str(name).unwrap(), kind)).unwrap();
        question.finish()
    }

    fn replied(name: &str, kind: Rtype, reply: &Reply) -> (Rcode, Vec<String>) {
        let asked = query(name, kind);
        let bytes = Question::read(&asked).unwrap().reply(reply).unwrap();
        let message = Message::from_octets(bytes).unwrap();
        assert!(message.is_answer(&Message::from_octets(asked).unwrap()) && message.header().ra());
        let records = message.answer().unwrap().map(|record| {
            let record = record.unwrap();
            let record = record.to_any_record::<domain::rdata::AllRecordData<_, _>>().unwrap();
            format!("{} {}", record.owner(), record.data())
        });
        (message.header().rcode(), records.collect())
    }

    #[test]
    fn names_are_read_in_lower_case_and_addresses_backwards() {
        let asked = |name: &str, kind| Question::read(&query(name, kind)).unwrap().asked;
        assert_eq!(asked("S3.Amazonaws.com", Rtype::A), Asked::Addresses("s3.amazonaws.com".into()));
        assert_eq!(asked("db", Rtype::HTTPS), Asked::Addresses("db".into()));
        assert_eq!(asked("7.1.18.198.in-addr.arpa", Rtype::PTR), Asked::Name([198, 18, 1, 7].into()));
        let loopback = format!("1.{}ip6.arpa", "0.".repeat(31));
        assert_eq!(asked(&loopback, Rtype::PTR), Asked::Name(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(asked("1.ip6.arpa", Rtype::PTR), Asked::Other);
        assert_eq!(asked("example.com", Rtype::MX), Asked::Other);
        assert_eq!(asked(r"a\.b.example.com", Rtype::A), Asked::Other);
    }

    #[test]
    fn a_reply_holds_what_was_asked_for_and_no_error_where_there_is_none_of_it() {
        let both = Reply::Addresses(vec![[198, 18, 1, 0].into(), Ipv6Addr::LOCALHOST.into()]);
        let a = (Rcode::NOERROR, vec!["db.example 198.18.1.0".to_owned()]);
        assert_eq!(replied("db.example", Rtype::A, &both), a);
        assert_eq!(replied("db.example", Rtype::AAAA, &both).1, ["db.example ::1"]);
        assert_eq!(replied("db.example", Rtype::HTTPS, &both), (Rcode::NOERROR, Vec::new()));
        assert_eq!(replied("db.example", Rtype::A, &Reply::NoName), (Rcode::NXDOMAIN, Vec::new()));
        assert_eq!(replied("db.example", Rtype::A, &Reply::Failed), (Rcode::SERVFAIL, Vec::new()));
        let name = replied("7.1.18.198.in-addr.arpa", Rtype::PTR, &Reply::Name("db.example".into()));
        assert_eq!(name.1, ["7.1.18.198.in-addr.arpa db.example."]);
    }

    #[test]
    fn what_asks_nothing_is_refused_or_left_unanswered() {
        assert_eq!(Question::read(b"short").unwrap_err(), None);
        let mut answer = query("a", Rtype::A);
        answer[2] |= 0x80;
        assert_eq!(Question::read(&answer).unwrap_err(), None, "an answer is no question");
        let code = |bytes: &[u8]| {
            let refused = Question::read(bytes).unwrap_err().unwrap();
            Message::from_octets(refused).unwrap().header().rcode()
        };
        let cut = query("example.com", Rtype::A);
        assert_eq!(code(&cut[..cut.len() - 3]), Rcode::FORMERR);
        let mut update = cut.clone();
        update[2] |= 5 << 3;
        assert_eq!(code(&update), Rcode::NOTIMP);
        for length in 0..cut.len() {
            let _never_panics = Question::read(&cut[..length]);
        }
    }
}
