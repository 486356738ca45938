//! `squall iptables`: the rules that lead a machine's connections to Squall, as a script for a shell to run.
//!
//! They stand in a chain (iptables) or table (nft) of their own, so that running the script again changes nothing and removing it
//! leaves everything else as it was. Nothing is run here.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};

use super::told;
use crate::cli::{Block, IptablesArgs, Ports};

/// Prints them.
pub fn main(args: &IptablesArgs) -> ExitCode {
    let printed = print(args, &mut io::stdout().lock());
    told::end_unless_unread(printed.map(|()| ExitCode::SUCCESS))
}

fn print(args: &IptablesArgs, out: &mut dyn Write) -> Result<()> {
    if args.uid.is_empty() && args.mark.is_none() && !args.tproxy && !args.remove {
        bail!(
            "say which connections are Squall's own, or they come back to it: --uid USER (whom Squall runs as), or --mark N (as its own \
             --mark says)"
        );
    }
    writeln!(out, "{}\nset -eu", comment(args))?;
    for line in commands(args) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// What the script does, for who reads it before he runs it.
fn comment(args: &IptablesArgs) -> String {
    let IptablesArgs { port, tproxy, .. } = args;
    let where_from =
        if *tproxy { "that pass through this machine" } else { "that begin on this machine (or in this pod)" };
    if args.remove {
        return format!("# Leads TCP connections {where_from} to Squall no longer.");
    }
    let ports = match &args.ports {
        Ports::All => "all ports".to_owned(),
        Ports::Ranges(ranges) => format!("ports {}", list(ranges, "-")),
    };
    let mut own: Vec<String> = args.uid.iter().map(|user| format!("what the user {user} opens")).collect();
    own.extend(args.mark.map(|mark| format!("what bears the mark {mark:#x}")));
    own.push("what stays on this machine".to_owned());
    own.extend(args.except.iter().map(|block| format!("what goes to {block}")));
    format!(
        "# Leads TCP connections to {ports}, {where_from}, to Squall on port {port}.\n# Left alone: {}.\n# Undone by the same command with \
         --remove; running it twice does no harm.",
        own.join("; ")
    )
}

fn commands(args: &IptablesArgs) -> Vec<String> {
    let mut lines = Vec::new();
    if args.tproxy {
        lines.extend(routes(args.remove));
    }
    if args.nft {
        lines.extend(nft(args));
        return lines;
    }
    for tool in ["iptables", "ip6tables"] {
        let commands = if args.remove { undo(args.tproxy) } else { chain(args, tool == "iptables") };
        let indent = if tool == "iptables" { "" } else { "    " };
        // A kernel without IPv6 has no connections to lead.
        lines.extend((tool == "ip6tables").then(|| IF_IPV6.to_owned()));
        lines.extend(
            commands.into_iter().map(|command| format!("{indent}{}", command.replace("TOOL", &format!("{tool} -w")))),
        );
        lines.extend((tool == "ip6tables").then(|| "fi".to_owned()));
    }
    lines
}

/// What TPROXY marks is delivered here, wherever it was to go.
fn routes(remove: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (family, all) in [("-4", "0.0.0.0/0"), ("-6", "::/0")] {
        let rule = format!("fwmark {TPROXY_MARK} lookup {TABLE}");
        let mut commands = vec![format!("ip {family} rule del {rule} 2>/dev/null || true")];
        if remove {
            commands.push(format!("ip {family} route flush table {TABLE} 2>/dev/null || true"));
        } else {
            commands.push(format!("ip {family} rule add {rule}"));
            commands.push(format!("ip {family} route replace local {all} dev lo table {TABLE}"));
        }
        if family == "-6" {
            lines.push(IF_IPV6.to_owned());
            lines.extend(commands.into_iter().map(|command| format!("    {command}")));
            lines.push("fi".to_owned());
        } else {
            lines.extend(commands);
        }
    }
    lines
}

/// The chain is filled before anything comes to it.
fn chain(args: &IptablesArgs, is_v4: bool) -> Vec<String> {
    let (table, hook) = table_and_hook(args.tproxy);
    let mut commands = vec![format!("TOOL -t {table} -N SQUALL 2>/dev/null || TOOL -t {table} -F SQUALL")];
    let mut add = |rule: String| commands.push(format!("TOOL -t {table} -A SQUALL {rule}"));
    for user in &args.uid {
        add(format!("-m owner --uid-owner {user} -j RETURN"));
    }
    if let Some(mark) = args.mark {
        add(format!("-m mark --mark {mark:#x} -j RETURN"));
    }
    if !args.tproxy {
        add("-o lo -j RETURN".to_owned());
    }
    add("-m addrtype --dst-type LOCAL -j RETURN".to_owned());
    for block in args.except.iter().filter(|block| block.address.is_ipv4() == is_v4) {
        add(format!("-d {block} -j RETURN"));
    }
    let port = args.port;
    let goal = if args.tproxy {
        format!("-j TPROXY --on-port {port} --tproxy-mark {TPROXY_MARK}")
    } else {
        format!("-j REDIRECT --to-ports {port}")
    };
    match &args.ports {
        Ports::All => add(format!("-p tcp {goal}")),
        // A range takes two of the fifteen places that a rule has.
        Ports::Ranges(ranges) => {
            ranges.chunks(7).for_each(|some| add(format!("-p tcp -m multiport --dports {} {goal}", list(some, ":"))));
        }
    }
    commands.push(format!(
        "TOOL -t {table} -C {hook} -p tcp -j SQUALL 2>/dev/null || TOOL -t {table} -A {hook} -p tcp -j SQUALL"
    ));
    commands
}

fn undo(tproxy: bool) -> Vec<String> {
    let (table, hook) = table_and_hook(tproxy);
    ["-D HOOK -p tcp -j SQUALL", "-F SQUALL", "-X SQUALL"]
        .map(|what| format!("TOOL -t {table} {} 2>/dev/null || true", what.replace("HOOK", hook)))
        .into()
}

fn table_and_hook(tproxy: bool) -> (&'static str, &'static str) {
    if tproxy { ("mangle", "PREROUTING") } else { ("nat", "OUTPUT") }
}

fn nft(args: &IptablesArgs) -> Vec<String> {
    if args.remove {
        return vec!["nft delete table inet squall 2>/dev/null || true".to_owned()];
    }
    let dport = match &args.ports {
        Ports::All => "meta l4proto tcp".to_owned(),
        Ports::Ranges(ranges) => format!("tcp dport {{ {} }}", list(ranges, "-").replace(',', ", ")),
    };
    let mut rules = Vec::new();
    rules.extend(args.uid.iter().map(|user| format!("meta skuid \"{user}\" return")));
    rules.extend(args.mark.map(|mark| format!("meta mark {mark:#x} return")));
    rules.extend((!args.tproxy).then(|| "oifname \"lo\" return".to_owned()));
    rules.push("fib daddr type local return".to_owned());
    let family = |block: &Block| if block.address.is_ipv4() { "ip" } else { "ip6" };
    rules.extend(args.except.iter().map(|block| format!("{} daddr {block} return", family(block))));
    let port = args.port;
    let chain = if args.tproxy {
        for (protocol, family) in [("ipv4", "ip"), ("ipv6", "ip6")] {
            let goal = format!("meta mark set {TPROXY_MARK} tproxy {family} to :{port} accept");
            rules.push(format!("meta nfproto {protocol} {dport} {goal}"));
        }
        "type filter hook prerouting priority mangle"
    } else {
        rules.push(format!("{dport} redirect to :{port}"));
        "type nat hook output priority -100"
    };
    // Declared first, so that there is one to delete; all in one transaction.
    let mut lines =
        vec!["nft -f - <<'RULES'".to_owned(), "table inet squall".to_owned(), "delete table inet squall".to_owned()];
    lines.push("table inet squall {".to_owned());
    lines.push("    chain squall {".to_owned());
    lines.push(format!("        {chain}; policy accept;"));
    lines.extend(rules.into_iter().map(|rule| format!("        {rule}")));
    lines.extend(["    }", "}", "RULES"].map(str::to_owned));
    lines
}

/// `80,8000-8010`, with what stands between the ends of a range.
fn list(ranges: &[(u16, u16)], to: &str) -> String {
    let ranges =
        ranges.iter().map(|(from, last)| if from == last { from.to_string() } else { format!("{from}{to}{last}") });
    ranges.collect::<Vec<_>>().join(",")
}

const IF_IPV6: &str = "if [ -e /proc/net/if_inet6 ]; then";
/// Squall's usual port, as a mark and as a routing table: nobody else's, most likely.
const TPROXY_MARK: &str = "0x11e1";
const TABLE: u32 = 4577;

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn printed(arguments: &str) -> Result<String> {
        let cli = Cli::try_parse_from(["squall", "iptables"].into_iter().chain(arguments.split_whitespace()))?;
        let Command::Iptables(args) = cli.command else { unreachable!() };
        let mut out = Vec::new();
        print(&args, &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn rules_without_an_exemption_are_refused() {
        assert!(printed("").unwrap_err().to_string().contains("--uid"));
        assert!(printed("--tproxy").is_ok() && printed("--remove").is_ok());
        assert!(printed("--tproxy --uid 1").is_err());
    }

    #[test]
    fn each_family_gets_its_own_exceptions_and_many_ports_their_own_rules() {
        let text =
            printed("--uid 1337 --except 10.0.0.0/8,fd00::/8 --ports 1-2,3-4,5-6,7-8,9-10,11-12,13-14,15").unwrap();
        assert!(text.contains("\niptables -w -t nat -A SQUALL -d 10.0.0.0/8 -j RETURN\n"), "{text}");
        assert!(text.contains("\n    ip6tables -w -t nat -A SQUALL -d fd00::/8 -j RETURN\n"), "{text}");
        assert!(text.contains("--dports 1:2,3:4,5:6,7:8,9:10,11:12,13:14 -j"), "{text}");
        assert!(text.contains("--dports 15 -j REDIRECT --to-ports 4577\n"), "{text}");
        assert!(!text.contains("ip6tables -w -t nat -A SQUALL -d 10."), "{text}");
    }
}
