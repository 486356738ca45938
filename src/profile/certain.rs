//! What happens to a connection for certain, told before there is one: whoever can close a port outright wants to know ahead.

use std::time::Duration;

use super::plan::{Plan, Rule};
use super::schedule::{Chance, Schedule};
use super::seen::Seen;
use super::stage::Struck;
use crate::fault::Stage;

impl Plan {
    /// Whether any rule may refuse connections.
    pub fn has_refusals(&self) -> bool {
        self.rules().iter().any(Rule::refuses)
    }

    /// Whether a connection to this host is refused at this moment, whichever it is: by a rule of connections that goes by time alone, and
    /// that no rule before it can forestall by chance or by count. Nothing is counted.
    pub fn refuses(&self, seen: &Seen<'_>, now: Duration) -> bool {
        let of_connections = self.rules().iter().filter(|rule| rule.struck() == Struck::Connection);
        let mut striking = of_connections.filter(|rule| rule.schedule().is_due(now) && rule.matcher().fits(seen));
        striking.next().is_some_and(|rule| rule.refuses() && rule.schedule().goes_by_time_alone())
    }
}

impl Rule {
    fn refuses(&self) -> bool {
        self.struck() == Struck::Connection
            && self.faults().iter().any(|fault| fault.stage() == Stage::ConnectOrRequest)
    }
}

impl Schedule {
    fn is_due(&self, now: Duration) -> bool {
        self.between.is_none_or(|between| between.contains(now))
            && self.windows.is_none_or(|windows| windows.contain(now))
    }

    fn goes_by_time_alone(&self) -> bool {
        let Self { probability, calls, per: _, between: _, windows: _, limit, max_active } = self;
        *probability == Chance::ALWAYS && calls.is_none() && limit.is_none() && max_active.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::{Source, load};
    use super::super::seen::tests::seen;
    use super::*;
    use crate::aws::request::AwsRequest;

    fn refuses(rules: &str, host: &str, second: u64) -> bool {
        let source = Source { name: "p.yaml".to_owned(), text: format!("rules: [{rules}]") };
        let plan = load(&[source], Some(1)).unwrap().plan;
        let request = AwsRequest::of_host(host);
        let seen = seen(&request);
        let refuses = plan.refuses(&seen, Duration::from_secs(second));
        assert!(!refuses || plan.has_refusals());
        refuses
    }

    const SQS: &str = "sqs.us-east-1.amazonaws.com";

    #[test]
    fn a_rule_that_goes_by_time_alone_is_certain_while_it_is_due() {
        let rule = "{name: a, match: {service: sqs}, when: {between: 10s..20s}, fault: refuse}";
        assert_eq!([0, 10, 19, 20].map(|second| refuses(rule, SQS, second)), [false, true, true, false]);
        assert!(!refuses(rule, "s3.us-east-1.amazonaws.com", 10));
    }

    #[test]
    fn chance_and_counts_are_not_and_neither_is_what_stands_behind_them() {
        for when in ["{probability: 50%}", "{calls: first 2}", "{limit: 3}", "{max_active: 1}"] {
            let rule = format!("{{name: a, match: {{service: sqs}}, when: {when}, fault: refuse}}");
            assert!(!refuses(&rule, SQS, 0), "{when}");
            assert!(!refuses(&format!("{rule}, {{name: b, fault: refuse}}"), SQS, 0), "{when}");
        }
        assert!(!refuses(
            "{name: a, match: {service: sqs}, fault: {reset: {at: connect}}}, {name: b, fault: refuse}",
            SQS,
            0
        ));
    }

    #[test]
    fn a_rule_that_asks_for_requests_leaves_connections_alone() {
        assert!(!refuses("{name: a, match: {service: sqs, operation: SendMessage}, fault: refuse}", SQS, 0));
    }
}
