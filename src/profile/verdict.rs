//! What should happen to one request: the effects of all rules that strike it, put together.
//!
//! `Verdict::add` is where the language's sums are: latencies add up, of speeds the lowest holds, of two answers the first. What
//! depends on the answer itself (which of several cuts comes first) is left to whoever has it.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use smallvec::SmallVec;

use super::{RuleName, memo::Memo, state::Holds};
use crate::{
    aws::protocol::event_stream::Break,
    fault::{Breach, Corruption, Down, Dribble, Effect, Instead, Up, partial::Partial},
    units::{Offset, Speed},
};

/// What should happen to one request. The default is: nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// What the client gets in place of the far end's answer, and the rule that gives it.
    pub instead: Option<(RuleName, Instead)>,
    /// Which items of a batch fail, and the rule that says so; never beside `instead`.
    pub partly: Option<(RuleName, Box<Partial>)>,
    /// How long to hold the request (or what comes in its place) back: the sum over all rules.
    pub delay: Duration,
    /// What happens on the way.
    pub shape: Option<Box<Shape>>,
    /// All rules that struck, in file order.
    pub rules: SmallVec<[RuleName; 2]>,
    /// To be kept until the exchange ends.
    pub holds: Holds,
    /// What the far end's answer is to be remembered for.
    pub memo: Option<Arc<Memo>>,
}

/// What happens to a request and its answer on their ways.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// How often the request is sent, and the rule that says so.
    pub send: Option<(RuleName, u32)>,
    /// The most that the request's body takes.
    pub up: Option<Speed>,
    /// How far the service's clock is off, and the first rule that says so.
    pub clock: Option<(RuleName, SignedDuration)>,
    /// How long after the answer the credentials in it expire, and the rule that says so: the one that lets them expire first.
    pub expiration: Option<(RuleName, SignedDuration)>,
    /// How long the answer's head waits.
    pub first_byte: Duration,
    /// How much longer the answer's body takes.
    pub over_body: Duration,
    /// The most that the answer's body takes.
    pub down: Option<Speed>,
    /// The pieces that the answer's body comes in.
    pub dribble: Option<Dribble>,
    /// Where the answer's body breaks off: at the first of these places.
    pub cuts: SmallVec<[(RuleName, Offset, Breach); 1]>,
    /// After how many events the answer's stream breaks off, and the rule that says so: the one that lets fewest pass.
    pub interrupt: Option<(RuleName, u64, Break)>,
    /// What is no longer right in the answer.
    pub corruptions: SmallVec<[(RuleName, Corruption); 1]>,
    /// When an injected answer asks to be asked again.
    pub retry_after: Option<Duration>,
    /// How much later the answer's end comes, and with it the connection's; and the rule that says so.
    pub late_end: Option<(RuleName, Duration)>,
}

impl Verdict {
    /// Whether a rule has already decided who answers; later ones of that kind do not fire.
    pub fn is_settled(&self) -> bool {
        self.instead.is_some() || self.partly.is_some()
    }

    /// Whether the request goes on to the far end, whatever becomes of it there.
    pub fn goes_on(&self) -> bool {
        matches!(self.instead, None | Some((_, Instead::Lost(_))))
    }

    /// Adds what a rule that struck does.
    pub(super) fn add(&mut self, rule: &RuleName, effect: Effect) {
        match effect {
            Effect::Before(delay) => self.delay = self.delay.saturating_add(delay),
            Effect::Instead(instead) => {
                self.instead.get_or_insert_with(|| (rule.clone(), instead));
            }
            Effect::Partly(partial) => {
                self.partly.get_or_insert_with(|| (rule.clone(), partial));
            }
            // Whoever remembers has put something in its place.
            Effect::Recall => {}
            Effect::Up(up) => self.shape().add_up(rule, up),
            Effect::Down(down) => self.shape().add_down(rule, down),
            Effect::Both(up, down) => {
                self.shape().add_up(rule, up);
                self.shape().add_down(rule, down);
            }
            Effect::After(delay) => {
                let late = &mut self.shape().late_end;
                if late.as_ref().is_none_or(|(_, shorter)| delay > *shorter) {
                    *late = Some((rule.clone(), delay));
                }
            }
        }
    }

    fn shape(&mut self) -> &mut Shape {
        self.shape.get_or_insert_default()
    }
}

impl Shape {
    fn add_up(&mut self, rule: &RuleName, up: Up) {
        match up {
            Up::Send(times) => {
                if self.send.as_ref().is_none_or(|(_, fewer)| times > *fewer) {
                    self.send = Some((rule.clone(), times));
                }
            }
            Up::Speed(speed) => self.up = Some(self.up.map_or(speed, |other| other.min(speed))),
        }
    }

    fn add_down(&mut self, rule: &RuleName, down: Down) {
        match down {
            Down::Clock(by) => {
                self.clock.get_or_insert_with(|| (rule.clone(), by));
            }
            Down::Corrupt(corruption) => self.corruptions.push((rule.clone(), corruption)),
            Down::Cut(offset, breach) => self.cuts.push((rule.clone(), offset, breach)),
            Down::Dribble(new) => {
                self.dribble =
                    Some(self.dribble.map_or(new, |old| Dribble {
                        chunk: old.chunk.min(new.chunk),
                        every: old.every.max(new.every),
                    }));
            }
            Down::Expiration(after) => {
                if self.expiration.as_ref().is_none_or(|(_, other)| after < *other) {
                    self.expiration = Some((rule.clone(), after));
                }
            }
            Down::FirstByte(delay) => self.first_byte = self.first_byte.saturating_add(delay),
            Down::Interrupt(after, how) => {
                if self.interrupt.as_ref().is_none_or(|(_, other, _)| after < *other) {
                    self.interrupt = Some((rule.clone(), after, how));
                }
            }
            Down::OverBody(delay) => self.over_body = self.over_body.saturating_add(delay),
            Down::RetryAfter(time) => self.retry_after = self.retry_after.max(Some(time)),
            Down::Speed(speed) => self.down = Some(self.down.map_or(speed, |other| other.min(speed))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Scope;

    fn verdict(effects: Vec<Effect>) -> Verdict {
        let mut verdict = Verdict::default();
        for (n, effect) in effects.into_iter().enumerate() {
            verdict.add(&RuleName::from(format!("rule-{n}").as_str()), effect);
        }
        verdict
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn latencies_sum_wherever_they_lie() {
        let twice = |effect: fn(Duration) -> Effect| verdict(vec![effect(ms(100)), effect(ms(200))]);
        assert_eq!(twice(Effect::Before).delay, ms(300));
        assert_eq!(twice(|d| Effect::Down(Down::FirstByte(d))).shape.unwrap().first_byte, ms(300));
        assert_eq!(twice(|d| Effect::Down(Down::OverBody(d))).shape.unwrap().over_body, ms(300));
    }

    #[test]
    fn the_lowest_speed_holds_in_each_direction() {
        let [slow, fast] = ["10KB/s", "20KB/s"].map(|speed| speed.parse().unwrap());
        let shape = verdict(vec![Effect::Down(Down::Speed(fast)), Effect::Both(Up::Speed(fast), Down::Speed(slow))]);
        let shape = shape.shape.unwrap();
        assert_eq!((shape.up, shape.down), (Some(fast), Some(slow)));
    }

    #[test]
    fn the_first_answer_stands_and_corruptions_and_cuts_all_stay() {
        let cut = |offset: &str| Effect::Down(Down::Cut(offset.parse().unwrap(), Breach::Finish));
        let corrupt = |what| Effect::Down(Down::Corrupt(what));
        let verdict = verdict(vec![
            Effect::Instead(Instead::Close),
            Effect::Instead(Instead::Reset(Scope::Stream)),
            cut("50%"),
            cut("1KB"),
            corrupt(Corruption::Etag),
            corrupt(Corruption::Syntax),
        ]);
        assert_eq!(verdict.instead, Some(("rule-0".into(), Instead::Close)));
        let shape = verdict.shape.unwrap();
        assert_eq!((shape.cuts.len(), shape.corruptions.len()), (2, 2));
    }

    #[test]
    fn of_pieces_pauses_times_and_ends_the_harshest_holds() {
        let dribble =
            |chunk: u64, every| Effect::Down(Down::Dribble(Dribble { chunk: chunk.into(), every: ms(every) }));
        let shape = verdict(vec![
            dribble(10, 1),
            dribble(20, 2),
            Effect::Up(Up::Send(3)),
            Effect::Up(Up::Send(2)),
            Effect::After(ms(5)),
            Effect::After(ms(9)),
            Effect::Down(Down::RetryAfter(ms(7))),
            Effect::Down(Down::RetryAfter(ms(6))),
            Effect::Down(Down::Clock(SignedDuration::from_mins(1))),
            Effect::Down(Down::Clock(SignedDuration::from_mins(2))),
            Effect::Down(Down::Expiration(SignedDuration::from_mins(2))),
            Effect::Down(Down::Expiration(SignedDuration::from_mins(-1))),
        ]);
        let shape = shape.shape.unwrap();
        assert_eq!(shape.dribble, Some(Dribble { chunk: 10.into(), every: ms(2) }));
        assert_eq!((shape.send, shape.late_end), (Some(("rule-2".into(), 3)), Some(("rule-5".into(), ms(9)))));
        assert_eq!(shape.retry_after, Some(ms(7)));
        assert_eq!(shape.clock, Some(("rule-8".into(), SignedDuration::from_mins(1))));
        assert_eq!(shape.expiration, Some(("rule-11".into(), SignedDuration::from_mins(-1))));
    }

    #[test]
    fn what_is_lost_goes_on_and_all_else_that_stands_instead_does_not() {
        assert!(Verdict::default().goes_on() && !Verdict::default().is_settled());
        let lost = verdict(vec![Effect::Instead(Instead::Lost(Box::new(Instead::Close)))]);
        assert!(lost.goes_on() && lost.is_settled());
        assert!(!verdict(vec![Effect::Instead(Instead::Hang(None))]).goes_on());
    }
}
