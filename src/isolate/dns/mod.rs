//! Names inside the namespaces: every name that exists is answered with a synthetic address.
//!
//! [`names`] gives the addresses out, [`question`] reads what is asked and writes answers, [`host`] asks the machine's own resolver whether a
//! name exists, and [`serve`] is the server: datagrams to port 53 of any address, and connections to it.

pub mod host;
pub mod names;
pub mod question;
pub mod serve;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use self::host::{Found, Machine};
use self::names::Names;
use self::question::{Asked, Question, Reply};

/// Answers questions.
pub struct Resolver {
    /// The addresses that were given out.
    pub names: Arc<Names>,
    /// Who knows more of names.
    pub known: Box<dyn Known>,
    /// The machine's own way to resolve names.
    pub machine: Machine,
}

/// What is known of names beside what resolvers say.
pub trait Known: Send + Sync {
    /// Whether a name exists, whatever the machine's resolver would say.
    fn exists(&self, name: &str) -> bool;
    /// A name has just been given this address, and nobody else has been told so yet.
    fn is_given(&self, name: &str, address: Ipv4Addr);
}

impl Resolver {
    /// The reply to a message, if one can be given; `over_tcp` is how it came.
    pub async fn answer(&self, message: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
        let question = match Question::read(message) {
            Ok(question) => question,
            Err(refusal) => return refusal,
        };
        let reply = match &question.asked {
            Asked::Addresses(name) => self.addresses(name).await,
            Asked::Name(address) => match self.names.name(*address) {
                Some(name) => Reply::Name(name),
                None => Reply::Elsewhere,
            },
            Asked::Other => Reply::Elsewhere,
        };
        if reply == Reply::Elsewhere {
            let passed_on = self.machine.pass_on(message, over_tcp).await;
            return passed_on.or_else(|| question.reply(&Reply::Failed));
        }
        question.reply(&reply)
    }

    async fn addresses(&self, name: &str) -> Reply {
        if name == "localhost" || name.ends_with(".localhost") {
            return Reply::Addresses(vec![IpAddr::from([127, 0, 0, 1])]);
        }
        if self.known.exists(name) {
            return self.synthetic(name);
        }
        match self.machine.look_up(name).await {
            Found::Here(addresses) => Reply::Addresses(addresses),
            Found::Elsewhere => self.synthetic(name),
            Found::NoAddress => Reply::Addresses(Vec::new()),
            Found::NoName => Reply::NoName,
            Found::Unknown => Reply::Failed,
        }
    }

    fn synthetic(&self, name: &str) -> Reply {
        let Some((address, is_new)) = self.names.address(name) else { return Reply::Failed };
        if is_new {
            self.known.is_given(name, address);
        }
        Reply::Addresses(vec![address.into()])
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("names", &self.names).finish_non_exhaustive()
    }
}
