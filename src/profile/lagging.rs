//! Which rules of a plan answer out of the past, and what a request is to them.
//!
//! They remember the reads that they match, and hear of every write to their services, whether they match it or not.

use std::{sync::Arc, time::Duration};

use super::{
    memo::{Event, Memo, Read, Write},
    plan::Rule,
    seen::Seen,
    state::RuleStates,
};
use crate::aws::{
    catalog::Service,
    consistency, likeness, made,
    request::{AwsRequest, Reading},
    subject::Subject,
};

/// The rules that answer out of the past; mostly none.
#[derive(Debug)]
pub(super) struct Lagging(Vec<OfRule>);

/// One of them.
#[derive(Debug)]
struct OfRule {
    number: usize,
    lag: Duration,
    /// The services whose writes it hears of, if not all.
    services: Option<Vec<&'static Service>>,
}

impl Lagging {
    pub(super) fn of(rules: &[Rule]) -> Self {
        let of_rule = |(number, rule): (usize, &Rule)| {
            Some(OfRule { number, lag: rule.lag()?, services: rule.matcher().services() })
        };
        Self(rules.iter().enumerate().filter_map(of_rule).collect())
    }

    /// Whether a request is a write of which one hears.
    pub(super) fn hear_of_write(&self, seen: &Seen<'_>) -> bool {
        seen.request.reading().is_some_and(|reading| self.about(reading).next().is_some())
            && consistency::writes(seen.request, &seen.head, seen.body)
    }

    /// Whether only the body says if a request is one.
    pub(super) fn ask_for_body(&self, request: &AwsRequest) -> bool {
        let takes_statements = |reading: &&Reading| consistency::takes_statements(reading);
        request.reading().filter(takes_statements).is_some_and(|reading| self.about(reading).next().is_some())
    }

    /// What a request is to them, if it is anything.
    pub(super) fn event(&self, seen: &Seen<'_>) -> Option<Event> {
        let Seen { request, head, body, .. } = seen;
        let reading = *request.reading()?;
        self.about(&reading).next()?;
        if consistency::reads(&reading) {
            let digest = likeness::digest(request, head, body)?;
            return Some(Event::Read(Arc::new(Read { digest, of: Subject::of(request, head, body), reading })));
        }
        consistency::writes(request, head, body).then(|| {
            let of = Subject::of(request, head, body);
            Event::Write(Arc::new(Write { of, made: made::made(&reading) }))
        })
    }

    /// What is to be remembered of it: a write by all who hear of it, a read by those whose rules turn out to fit it.
    pub(super) fn memo(&self, states: &RuleStates, seen: &Seen<'_>, event: Event) -> Memo {
        let written = seen.request.reading().filter(|_| event.read().is_none());
        let mut memo = Memo::new(event);
        for rule in written.into_iter().flat_map(|reading| self.about(reading)) {
            memo.for_rule(&states.of_rules()[rule.number], rule.lag);
        }
        memo
    }

    /// Those that hear of this service.
    fn about<'a>(&'a self, reading: &'a Reading) -> impl Iterator<Item = &'a OfRule> {
        self.0.iter().filter(|rule| rule.services.as_ref().is_none_or(|services| services.contains(&reading.service)))
    }
}
