//! What rules tell about themselves when a run is over: how often each was matched, how often it struck, and why it did not the other
//! times.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{
    RuleName,
    plan::Rule,
    schedule::Per,
    skip::{self, Skip},
    stage::Struck,
    state::RuleState,
};

/// What a rule counted. `matched` is the sum of `fired` and of all it passed over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleTally {
    /// Its name.
    pub rule: RuleName,
    /// Requests that fit its `match`.
    pub matched: u64,
    /// Requests it struck.
    pub fired: u64,
    /// Things counted apart that were forgotten to bound memory, the longest unseen first; they are counted from 1 again.
    pub evicted: u64,
    /// Requests for which it could do only a part of what it says.
    pub partly: u64,
    /// Token buckets that were forgotten; who had them found full ones.
    pub buckets_evicted: u64,
    /// Old answers that were forgotten.
    pub answers_evicted: u64,
    /// Answers that were too large to be kept.
    pub answers_too_large: u64,
    /// Why it passed over how many, in words too; only what happened.
    passed_over: Vec<(Skip, u64, String)>,
    /// Its `match` in words: `dynamodb PutItem in us-east-1`.
    about: String,
    per: Per,
    /// Whether it is about connections, not about requests.
    of_connections: bool,
}

impl RuleTally {
    pub(super) fn of(rule: &Rule, state: &RuleState) -> Self {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let passed_over = Skip::ALL.into_iter().map(|skip| (skip, read(&state.skipped[skip as usize])));
        Self {
            rule: rule.name().clone(),
            matched: read(&state.matched),
            fired: read(&state.struck),
            evicted: read(&state.evicted),
            partly: read(&state.partly),
            buckets_evicted: read(&state.buckets.evicted),
            answers_evicted: read(&state.past.evicted),
            answers_too_large: read(&state.past.too_large),
            passed_over: passed_over
                .filter(|(_, count)| *count > 0)
                .map(|(skip, count)| (skip, count, skip.told(rule)))
                .collect(),
            about: rule.matcher().to_string(),
            per: rule.schedule().per,
            of_connections: rule.struck() == Struck::Tcp,
        }
    }

    /// How many it passed over for this reason.
    pub fn passed_over(&self, reason: Skip) -> u64 {
        self.passed_over.iter().find(|(skip, ..)| *skip == reason).map_or(0, |(_, count, _)| *count)
    }

    /// Why the rule never fired, as the rest of a sentence that begins with its name; nothing if it did fire.
    pub fn why_never(&self) -> Option<String> {
        if self.fired > 0 {
            return None;
        }
        let noun = if self.of_connections { "connection" } else { "request" };
        if self.matched == 0 {
            return Some(match self.about.as_str() {
                "anything" => "no AWS request came".to_owned(),
                about => format!("no {noun} was {about}"),
            });
        }
        let requests = if self.matched == 1 { format!("1 {noun}") } else { format!("{} {noun}s", self.matched) };
        Some(match self.passed_over.as_slice() {
            [(_, _, only)] if self.matched == 1 => format!("matched {requests}, but it {only}"),
            [(_, _, only)] => format!("matched {requests}, but all of them {only}"),
            several => {
                let told: Vec<String> = several.iter().map(|(_, count, reason)| format!("{count} {reason}")).collect();
                format!("matched {requests}, but {}", told.join(", "))
            }
        })
    }

    /// What a rule that fired could not judge, each the rest of a sentence that begins with its name.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let uncounted = self.passed_over(Skip::Uncounted);
        if self.fired > 0 && uncounted > 0 {
            let (lack, per) = (skip::lack(self.per), self.per.as_str());
            remarks.push(format!("passed over {uncounted} that {lack}, which `per: {per}` needs"));
        }
        for skip in [Skip::NothingKept, Skip::NoItems, Skip::NothingThere, Skip::TooLarge]
            .into_iter()
            .filter(|_| self.fired > 0)
        {
            if let Some((_, count, told)) = self.passed_over.iter().find(|(other, ..)| *other == skip) {
                remarks.push(format!("did nothing to {count}, which {told}"));
            }
        }
        if self.partly > 0 {
            remarks.push(format!("could do only a part of what it says to {}", self.partly));
        }
        if self.evicted > 0 {
            let (count, them) = (self.evicted, things(self.per));
            remarks.push(format!("forgot {count} {them} to bound its memory, and counts their requests from 1 again"));
        }
        if self.buckets_evicted > 0 {
            let count = self.buckets_evicted;
            remarks.push(format!("forgot {count} token buckets to bound its memory, and begins with full ones"));
        }
        if self.answers_evicted > 0 {
            let count = self.answers_evicted;
            remarks.push(format!("forgot {count} old answers to bound its memory, and could not give them again"));
        }
        if self.answers_too_large > 0 {
            let count = self.answers_too_large;
            remarks.push(format!("passed over {count} answers, too large to be kept (more than 2 MiB)"));
        }
        remarks
    }
}

fn things(per: Per) -> &'static str {
    match per {
        Per::Client => "clients",
        Per::Invocation => "calls",
        Per::Resource => "resources",
        Per::Rule => "counts",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rule_could_not_judge_is_remarked_on() {
        let mut tally = RuleTally {
            rule: "r".into(),
            matched: 3,
            fired: 1,
            evicted: 0,
            partly: 0,
            buckets_evicted: 0,
            answers_evicted: 0,
            answers_too_large: 0,
            passed_over: vec![(Skip::Uncounted, 2, String::new())],
            about: String::new(),
            per: Per::Invocation,
            of_connections: false,
        };
        let told = "passed over 2 that carried no amz-sdk-invocation-id, which `per: invocation` needs";
        assert_eq!(tally.remarks(), [told]);
        (tally.passed_over, tally.evicted) = (Vec::new(), 5);
        let told = "forgot 5 calls to bound its memory, and counts their requests from 1 again";
        assert_eq!(tally.remarks(), [told]);
        (tally.evicted, tally.partly) = (0, 3);
        tally.passed_over = vec![(Skip::TooLarge, 1, "had a large body".to_owned())];
        assert_eq!(
            tally.remarks(),
            ["did nothing to 1, which had a large body", "could do only a part of what it says to 3"]
        );
        (tally.partly, tally.passed_over) = (0, Vec::new());
        (tally.evicted, tally.buckets_evicted) = (0, 7);
        let told = "forgot 7 token buckets to bound its memory, and begins with full ones";
        assert_eq!(tally.remarks(), [told]);
        (tally.buckets_evicted, tally.answers_evicted, tally.answers_too_large) = (0, 2, 1);
        assert_eq!(
            tally.remarks(),
            [
                "forgot 2 old answers to bound its memory, and could not give them again",
                "passed over 1 answers, too large to be kept (more than 2 MiB)"
            ]
        );
        (tally.answers_evicted, tally.answers_too_large) = (0, 0);
        assert!(tally.remarks().is_empty());
    }
}
