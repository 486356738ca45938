//! `squall iptables`, as clap understands it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use clap::Args;

use super::proxy::parse_mark;
use crate::settings::DEFAULT_PORT;

/// `squall iptables`
#[derive(Args, Clone, Debug)]
pub struct IptablesArgs {
    /// Let pass what this user opens, by name or number: the one that Squall runs as; repeatable.
    #[arg(long, value_name = "USER", value_delimiter = ',', value_parser = parse_user, conflicts_with = "tproxy")]
    pub uid: Vec<String>,
    /// Let pass what bears this mark: the one that Squall sets by its own --mark.
    #[arg(long, value_name = "N|0xN", value_parser = parse_mark, conflicts_with = "tproxy")]
    pub mark: Option<u32>,
    /// The port that Squall listens on.
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Redirect connections to these ports: `80,443`, `8000-8010`, or `all`.
    #[arg(long, value_name = "LIST|all", default_value = "80,443")]
    pub ports: Ports,
    /// Let pass what goes to this address or block (10.0.0.0/8); repeatable.
    #[arg(long, value_name = "ADDR[/BITS]", value_delimiter = ',')]
    pub except: Vec<Block>,
    /// Lead here what passes through this machine instead of what it sends itself, by TPROXY, for `--listen tproxy:`.
    #[arg(long)]
    pub tproxy: bool,
    /// In the language of nft, instead of iptables and ip6tables.
    #[arg(long)]
    pub nft: bool,
    /// Print how to undo it.
    #[arg(long)]
    pub remove: bool,
}

/// Ports of connections that are to be redirected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ports {
    /// Whatever port.
    All,
    /// From one to another, both included.
    Ranges(Vec<(u16, u16)>),
}

/// Addresses with these first bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Block {
    /// One of them.
    pub address: IpAddr,
    /// How many.
    pub bits: u8,
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let range = |part: &str| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
            (0 < from && from <= to).then_some((from, to))
        };
        let ranges = text.split(',').map(range).collect::<Option<Vec<_>>>();
        ranges
            .map(Self::Ranges)
            .ok_or_else(|| "write ports and ranges parted by commas (80,443,8000-8010), or all".to_owned())
    }
}

impl FromStr for Block {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
            (bits <= most).then_some(Self { address, bits })
        };
        parse().ok_or_else(|| "write an address or a block of them, such as 10.0.0.0/8 or fd00::/8".to_owned())
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// It becomes a word of a shell.
fn parse_user(text: &str) -> Result<String, String> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if text.is_empty() || text.starts_with('-') || !text.bytes().all(is_of_name) {
        return Err("write a user's name or number".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_blocks_are_lists_and_ranges_and_nothing_that_a_shell_would_run() {
        assert_eq!("80,443".parse(), Ok(Ports::Ranges(vec![(80, 80), (443, 443)])));
        assert_eq!("8000-8010".parse(), Ok(Ports::Ranges(vec![(8000, 8010)])));
        assert_eq!("all".parse(), Ok(Ports::All));
        for wrong in ["", "0", "80;id", "9-8", "65536"] {
            assert!(wrong.parse::<Ports>().is_err(), "{wrong}");
        }
        assert_eq!("10.0.0.0/8".parse::<Block>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("::1".parse::<Block>().unwrap().to_string(), "::1/128");
        assert!("10.0.0.0/33".parse::<Block>().is_err());
        assert!(parse_user("1337").is_ok() && parse_user("www-data").is_ok());
        assert!(parse_user("$(id)").is_err() && parse_user("-j").is_err());
    }
}
