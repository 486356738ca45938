//! The report for people: a table per operation, then a line for everything that needs saying.

use std::fmt::{self, Write as _};

use super::Hints;
use super::table::{Layout, table, time};
use super::tcp;
use crate::ledger::{InvocationTotals, ItemsLine, RuleLine, Summary};

/// The report, lines ended by `\n`, the last one too.
pub fn text(summary: &Summary, hints: &Hints, layout: Layout) -> String {
    let mut out = String::new();
    // A String takes everything.
    let _: fmt::Result = write(&mut out, summary, hints, layout);
    out
}

fn write(out: &mut String, summary: &Summary, hints: &Hints, layout: Layout) -> fmt::Result {
    head(out, summary)?;
    if !summary.operations.is_empty() {
        writeln!(out, "{}", table(&summary.operations, layout))?;
    }
    tcp::tell(out, &summary.tcp, layout)?;
    calls(out, &summary.invocations)?;
    by_rules(out, summary)?;
    trouble(out, summary)?;
    summary.run.rules.iter().try_for_each(|line| rule(out, line))?;
    passed(out, summary)?;
    let why = hints.why_no_requests(summary);
    if !why.is_empty() {
        writeln!(out, "0 AWS requests seen. Why that may be:")?;
    }
    why.iter().try_for_each(|reason| writeln!(out, "- {reason}"))
}

fn head(out: &mut String, summary: &Summary) -> fmt::Result {
    let run = &summary.run;
    let micros = u64::try_from(run.duration.as_micros()).unwrap_or(u64::MAX);
    let profile = if run.profiles.is_empty() { "none".to_owned() } else { run.profiles.join(", ") };
    writeln!(out, "{} | profile: {profile} | seed: {} | upstream: {}", time(micros), run.seed, run.upstream)
}

fn calls(out: &mut String, totals: &InvocationTotals) -> fmt::Result {
    if totals.seen > 0 {
        let (calls, attempts) = (counted(totals.seen, "SDK call"), counted(totals.attempts, "attempt"));
        match totals.met_fault {
            0 => writeln!(out, "{calls} made {attempts}; none met a fault.")?,
            met => writeln!(out, "{calls} made {attempts}; {met} met a fault:")?,
        }
    }
    for (attempts, number) in &totals.recovered {
        match attempts {
            0 | 1 => writeln!(out, "  {number} went well at the first attempt all the same")?,
            more => writeln!(out, "  {number} recovered after {more} attempts")?,
        }
    }
    for (attempts, number) in &totals.gave_up {
        writeln!(out, "  {number} gave up after {}", counted(u64::from(*attempts), "attempt"))?;
    }
    if totals.in_part > 0 {
        writeln!(out, "  {} went well but for some items of their batches", totals.in_part)?;
    }
    if totals.ended_in_upstream_error > 0 {
        writeln!(out, "  {} ended in an error of the upstream's own", totals.ended_in_upstream_error)?;
    }
    if totals.not_correlatable > 0 {
        let attempts = counted(totals.not_correlatable, "attempt");
        writeln!(out, "{attempts} without an invocation id: what became of those calls cannot be told.")?;
    }
    if totals.evicted > 0 {
        let calls = counted(totals.evicted, "SDK call");
        writeln!(out, "{calls} left memory before the end; of those, attempts that came later count as new calls.")?;
    }
    Ok(())
}

/// What rules did beside answering.
fn by_rules(out: &mut String, summary: &Summary) -> fmt::Result {
    let aws = &summary.aws;
    let lines = [
        (aws.lost, "answer", "of the upstream's thrown away by a rule: what was asked had been done."),
        (aws.copies, "request", "sent once more by a rule."),
        (aws.early, "attempt", "came back sooner than an injected answer had asked for."),
        // Where no AWS request was seen this is told as a reason for it.
        (
            if summary.exchanges.aws > 0 { summary.run.connections.ended } else { 0 },
            "connection",
            "ended by a rule before the first request.",
        ),
    ];
    for (number, what, how) in lines.into_iter().filter(|(number, ..)| *number > 0) {
        writeln!(out, "{} {how}", counted(number, what))?;
    }
    Ok(())
}

/// What went wrong without a rule.
fn trouble(out: &mut String, summary: &Summary) -> fmt::Result {
    let aws = &summary.aws;
    // Where no AWS request was seen these are told as reasons for it.
    let unless_a_reason = |number: u64| if summary.exchanges.aws > 0 { number } else { 0 };
    let unread = unless_a_reason(summary.exchanges.unread);
    let refused = unless_a_reason(summary.run.connections.refused_handshakes);
    let lines = [
        (aws.upstream_failed, "attempt", "broke off at the upstream, before or within its answer."),
        (aws.proxy_failed, "attempt", "got an answer of Squall's own, since the upstream could not be reached."),
        (aws.client_gone, "attempt", "ended as the client left before it had its answer."),
        (unread, "request", "ended unread, leading nowhere or left by the client."),
        (refused, "TLS handshake", "broken off by a client, which may not trust Squall's certificate authority."),
    ];
    for (number, what, how) in lines.into_iter().filter(|(number, ..)| *number > 0) {
        writeln!(out, "{} {how}", counted(number, what))?;
    }
    Ok(())
}

fn rule(out: &mut String, line: &RuleLine) -> fmt::Result {
    let RuleLine { name, matched, fired, why_never, remarks, items } = line;
    match why_never {
        Some(why) => writeln!(out, "Rule {name} never fired: {why}.")?,
        None => writeln!(out, "Rule {name} fired {} ({matched} matched).", times(*fired))?,
    }
    remarks.iter().try_for_each(|remark| writeln!(out, "Rule {name} {remark}."))?;
    items.as_ref().map_or(Ok(()), |items| batches(out, name, items))
}

/// What became of the items that a rule let fail.
fn batches(out: &mut String, rule: &str, line: &ItemsLine) -> fmt::Result {
    let ItemsLine { failed, lost, names, forgotten } = line;
    write!(out, "Rule {rule} let {} fail; ", counted(*failed, "item"))?;
    let told = &names[..names.len().min(MOST_NAMES)];
    match lost {
        0 => write!(out, "all of them were sent again with success")?,
        1 => write!(out, "1 was never sent again with success: {}", told.join(", "))?,
        more => write!(out, "{more} were never sent again with success: {}", told.join(", "))?,
    }
    let unnamed = lost.saturating_sub(told.len() as u64);
    if unnamed > 0 {
        write!(out, " and {unnamed} more")?;
    }
    match forgotten {
        0 => writeln!(out, "."),
        more => writeln!(out, ". Of {more} nothing can be told: too many waited."),
    }
}

/// What was none of our business.
fn passed(out: &mut String, summary: &Summary) -> fmt::Result {
    let tunnels = summary.run.connections.tunnels;
    if tunnels > 0 {
        writeln!(out, "{} to hosts that are not AWS's passed undecrypted.", counted(tunnels, "tunnel"))?;
    }
    if summary.exchanges.foreign > 0 {
        let reasons: Vec<_> = summary.foreign.iter().map(|(reason, number)| format!("{number}: {reason}")).collect();
        let requests = counted(summary.exchanges.foreign, "foreign request");
        writeln!(out, "{requests} passed untouched ({}).", reasons.join("; "))?;
    }
    Ok(())
}

/// A line names so many; the summary more.
const MOST_NAMES: usize = 20;

/// `1 call`, `2 calls`.
pub(super) fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn times(number: u64) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::ledger::{Connections, Entry, Ledger, Mode, Outcome, Run};
    use crate::report::Borders;

    fn exchange(id: Option<&str>, outcome: Outcome, status: u16, total_us: u64) -> Entry {
        let mut entry = Entry::open(1, Timestamp::UNIX_EPOCH, Mode::Connect);
        (entry.service, entry.operation) = (Some("dynamodb"), Some("PutItem"));
        entry.invocation = id.map(Into::into);
        (entry.outcome, entry.status, entry.total_us) = (outcome, Some(status), total_us);
        entry.rules.extend((outcome == Outcome::Injected).then(|| "throttle".into()));
        entry
    }

    fn run(rules: Vec<RuleLine>) -> Run {
        let (profiles, upstream) = (vec!["brownout".to_owned()], "http://127.0.0.1:4566".to_owned());
        Run { seed: 42, profiles, upstream, duration: Duration::from_millis(12_345), rules, ..Run::default() }
    }

    fn busy() -> Summary {
        let ledger = Ledger::open(None).unwrap();
        for (id, outcome, status, total_us) in [
            (Some("a"), Outcome::Injected, 400, 900),
            (Some("a"), Outcome::Answered, 200, 1_200),
            (Some("b"), Outcome::Answered, 200, 1_300),
            (Some("c"), Outcome::Injected, 400, 900),
            (None, Outcome::Answered, 500, 301_000),
        ] {
            ledger.record(exchange(id, outcome, status, total_us));
        }
        let mut list = exchange(None, Outcome::ClientGone, 0, 5);
        (list.service, list.operation, list.status) = (Some("s3"), Some("ListObjectsV2"), None);
        ledger.record(list);
        let throttle = RuleLine { name: "throttle".into(), matched: 5, fired: 2, ..RuleLine::default() };
        let slow =
            RuleLine { name: "slow".into(), why_never: Some("no request was for sqs".into()), ..RuleLine::default() };
        ledger.summary(run(vec![throttle, slow]))
    }

    #[test]
    fn items_that_were_lost_are_named_and_those_that_came_again_are_not() {
        let told = |lost, names: &[&str], forgotten| {
            let names = names.iter().map(|name| (*name).into()).collect();
            let items = Some(ItemsLine { failed: 30, lost, names, forgotten });
            let mut out = String::new();
            rule(&mut out, &RuleLine { name: "r".into(), matched: 1, fired: 1, items, ..RuleLine::default() }).unwrap();
            out.lines().nth(1).unwrap().to_owned()
        };
        assert_eq!(told(0, &[], 0), "Rule r let 30 items fail; all of them were sent again with success.");
        assert_eq!(told(1, &["t/1"], 0), "Rule r let 30 items fail; 1 was never sent again with success: t/1.");
        let many = told(25, &["x"; 25], 4);
        assert!(
            many.contains("25 were never sent") && many.contains("x, x and 5 more. Of 4 nothing can be told"),
            "{many}"
        );
    }

    #[test]
    fn what_a_rule_could_not_judge_is_said_after_what_it_did() {
        let mut summary = busy();
        summary.run.rules[0].remarks = vec!["passed over 2".to_owned()];
        let told = text(&summary, &Hints::default(), Layout::default());
        assert!(told.contains("Rule throttle fired twice (5 matched).\nRule throttle passed over 2.\n"), "{told}");
    }

    #[test]
    fn the_whole_report_reads_as_it_should() {
        let told = text(&busy(), &Hints::default(), Layout::default());
        let want = "\
12.3 s | profile: brownout | seed: 42 | upstream: http://127.0.0.1:4566
| service  | operation     | invocations | attempts | injected | upstream errors |    p50 |    p95 |    p99 |
|----------|---------------|-------------|----------|----------|-----------------|--------|--------|--------|
| dynamodb | PutItem       |           3 |        5 |        2 |               1 | 1.2 ms | 301 ms | 301 ms |
| s3       | ListObjectsV2 |           - |        1 |        0 |               0 |      - |      - |      - |
3 SDK calls made 4 attempts; 2 met a fault:
  1 recovered after 2 attempts
  1 gave up after 1 attempt
2 attempts without an invocation id: what became of those calls cannot be told.
1 attempt ended as the client left before it had its answer.
Rule throttle fired twice (5 matched).
Rule slow never fired: no request was for sqs.
";
        assert_eq!(told, want, "\n{told}");
    }

    #[test]
    fn a_narrow_terminal_gets_a_narrow_table() {
        let layout = Layout { width: Some(72), borders: Borders::Utf8 };
        let told = text(&busy(), &Hints::default(), layout);
        let table: Vec<_> = told.lines().filter(|line| line.contains(['─', '═']) || line.contains("PutItem")).collect();
        assert!(!table.is_empty() && table.iter().all(|line| line.chars().count() <= 72), "{told}");
    }

    #[test]
    fn what_rules_did_beside_answering_is_told() {
        let ledger = Ledger::open(None).unwrap();
        let mut entry = exchange(Some("a"), Outcome::Injected, 500, 900);
        (entry.upstream_status, entry.copies, entry.early_us) = (Some(200), 2, 7);
        ledger.record(entry);
        let connections = Connections { ended: 1, ..Connections::default() };
        let summary = ledger.summary(Run { connections, ..run(Vec::new()) });
        let told = text(&summary, &Hints::default(), Layout::default());
        for line in [
            "1 answer of the upstream's thrown away by a rule: what was asked had been done.\n",
            "2 requests sent once more by a rule.\n",
            "1 attempt came back sooner than an injected answer had asked for.\n",
            "1 connection ended by a rule before the first request.\n",
        ] {
            assert!(told.contains(line), "{line}{told}");
        }
    }

    #[test]
    fn what_was_none_of_our_business_is_counted() {
        let ledger = Ledger::open(None).unwrap();
        let mut entry = Entry::open(1, Timestamp::UNIX_EPOCH, Mode::Absolute);
        entry.foreign = Some("nothing in it speaks of AWS".into());
        ledger.record(entry);
        let connections = Connections { connects: 4, tunnels: 3, refused_handshakes: 1, ended: 2 };
        let summary = ledger.summary(Run { connections, ..run(Vec::new()) });
        let told = text(&summary, &Hints::default(), Layout::default());
        assert!(told.contains("3 tunnels to hosts that are not AWS's passed undecrypted."), "{told}");
        assert!(told.contains("1 foreign request passed untouched (1: nothing in it speaks of AWS)."), "{told}");
        assert!(told.contains("0 AWS requests seen. Why that may be:\n- "), "{told}");
    }

    #[test]
    fn clients_that_do_not_trust_us_are_told_once() {
        let ledger = Ledger::open(None).unwrap();
        let connections = Connections { refused_handshakes: 2, ..Connections::default() };
        let report = |ledger: &Ledger| {
            let summary = ledger.summary(Run { connections, ..run(Vec::new()) });
            text(&summary, &Hints::default(), Layout::default())
        };
        assert_eq!(report(&ledger).matches("TLS handshake").count(), 1);
        ledger.record(exchange(Some("a"), Outcome::Answered, 200, 1_000));
        assert!(report(&ledger).contains("2 TLS handshakes broken off by a client"), "{}", report(&ledger));
    }

    #[test]
    fn a_run_nothing_went_wrong_in_is_short() {
        let ledger = Ledger::open(None).unwrap();
        ledger.record(exchange(Some("a"), Outcome::Answered, 200, 1_000));
        let told = text(&ledger.summary(run(Vec::new())), &Hints::default(), Layout::default());
        assert!(told.ends_with("1 SDK call made 1 attempt; none met a fault.\n"), "{told}");
        assert!(!told.contains("0 AWS requests"), "{told}");
    }

    #[test]
    fn a_call_that_was_only_delayed_is_told_so() {
        let ledger = Ledger::open(None).unwrap();
        let mut entry = exchange(Some("a"), Outcome::Answered, 200, 300_000);
        entry.rules.push("slow".into());
        ledger.record(entry);
        let told = text(&ledger.summary(run(Vec::new())), &Hints::default(), Layout::default());
        assert!(told.contains("  1 went well at the first attempt all the same\n"), "{told}");
    }

    #[test]
    fn times_keep_the_digits_that_matter() {
        let told = [0, 49, 1_249, 99_999, 100_000, 999_999, 1_000_000, 61_500_000, 3_600_000_000].map(time);
        assert_eq!(told, ["0.0 ms", "0.0 ms", "1.2 ms", "99.9 ms", "100 ms", "999 ms", "1.0 s", "61.5 s", "3600 s"]);
    }
}
