//! A TCP connection under the rules that concern it, as long as it lives.
//!
//! Requests are judged once; a connection may outlive what befalls it. [`Course::join`] counts it with every rule that fits, and rolls
//! the dice for each, once: they decide whether the rule may strike this connection at all. [`Course::at`] then says for a moment what
//! happens to it and when that may next be otherwise: a rule strikes when its time comes, be the connection new or old, and lets go of it
//! when its time is over. After a reload, joining again keeps the rules that are the same, and counts it with the others.

use std::{sync::Arc, time::Duration};

use super::{
    Ruling, Seen,
    plan::{Plan, Rule, RuleName},
    schedule::{Chance, Schedule},
    skip::Skip,
    state::{Hold, RuleState, RuleStates},
    tcp::TcpEntry,
};
use crate::fault::{Breach, Dribble, Lag, Way, Ways, Wire};
use crate::units::Speed;

/// The rules that concern one connection.
#[derive(Debug, Default)]
pub struct Course {
    concerns: Vec<Concern>,
    /// All rules that have struck it, in the order in which they did.
    struck: Vec<RuleName>,
    /// Numbers for what happens, never given twice.
    serial: u64,
}

/// What happens to a connection at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// That nothing more comes through, and the rule that says so.
    pub stop: Option<(RuleName, Stop)>,
    /// What happens to bytes from the client.
    pub up: Lane,
    /// What happens to bytes from the far end.
    pub down: Lane,
    /// How long the plan will have been live when something may be otherwise.
    pub next: Option<Duration>,
}

/// What happens to the bytes of one direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lane {
    /// How late they come: the sum of these, each with a number of its own.
    pub lags: Vec<(u64, Lag)>,
    /// How many come in a second at most.
    pub speed: Option<Speed>,
    /// The pieces they come in.
    pub dribble: Option<Dribble>,
    /// After how many of them the connection ends, counted from when its number is first seen.
    pub cuts: Vec<Cut>,
    /// How much later their end comes.
    pub late_end: Duration,
}

/// An end after so many bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// Its own, and no other's.
    pub number: u64,
    /// Who says so.
    pub rule: RuleName,
    /// How many bytes get through; after 0 it ends when the next would come.
    pub after: u64,
    /// How it ends.
    pub breach: Breach,
}

/// How nothing more comes through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// It is closed in good order.
    Close,
    /// Bytes wait, these ways.
    Hang(Ways),
    /// It is reset; nobody listens.
    Refuse,
    /// It is reset.
    Reset,
}

/// One rule and the connection.
#[derive(Debug)]
struct Concern {
    name: RuleName,
    written: u64,
    schedule: Schedule,
    state: Arc<RuleState>,
    wires: Vec<Wire>,
    is_terminal: bool,
    rolled: Option<f64>,
    phase: Phase,
    /// Whether the rule has struck this connection before.
    has_struck: bool,
    hold: Option<Hold>,
    /// Why it has not.
    why: Skip,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// It never will strike this connection.
    Never,
    /// Its time has not come.
    Waiting,
    /// It does not strike this connection while this time of its lasts.
    Passing,
    /// It has struck, at this moment and under this number.
    Striking(Duration, u64),
}

impl Course {
    /// Counts the connection with all rules that fit it and have not counted it yet, and lets go of rules that are no more.
    pub fn join(&mut self, ruling: &Ruling, seen: &Seen<'_>) {
        let mut before = std::mem::take(&mut self.concerns);
        let rules = ruling.plan.rules().iter().zip(ruling.states.of_rules());
        for (rule, state) in rules.filter(|(rule, _)| rule.is_on_wires() && rule.matcher().fits(seen)) {
            let same = |concern: &Concern| (&concern.name, concern.written) == rule.identity();
            let concern = match before.iter().position(same) {
                Some(at) => before.swap_remove(at),
                None => Concern::new(rule, state, seen),
            };
            self.concerns.push(concern);
        }
    }

    /// Whether any rule concerns it.
    pub fn is_concerned(&self) -> bool {
        !self.concerns.is_empty()
    }

    /// All rules that have struck it so far.
    pub fn struck(&self) -> &[RuleName] {
        &self.struck
    }

    /// What happens to it now.
    pub fn at(&mut self, now: Duration) -> Line {
        let mut line = Line::default();
        for concern in &mut self.concerns {
            concern.look(now, line.stop.is_some(), &mut self.serial);
            if let Phase::Striking(since, number) = concern.phase {
                if !self.struck.contains(&concern.name) {
                    self.struck.push(concern.name.clone());
                }
                concern
                    .wires
                    .iter()
                    .zip(number..)
                    .for_each(|(wire, number)| line.add(concern, wire, since, number, now));
            }
            line.look_again_at(concern.schedule.next_change(now));
        }
        line
    }

    /// Nothing happens to it any more, until it is asked again.
    pub fn release(&mut self) -> Line {
        self.concerns.iter_mut().for_each(Concern::let_go);
        Line::default()
    }
}

impl Concern {
    fn new(rule: &Rule, state: &Arc<RuleState>, seen: &Seen<'_>) -> Self {
        let schedule = *rule.schedule();
        let (mut phase, mut why) = (Phase::Waiting, Skip::OutsideTime);
        let (mut wires, mut rolled) = (Vec::new(), None);
        match rule.roll(state, seen, state.count_match()) {
            None => (phase, why) = (Phase::Never, Skip::Uncounted),
            Some((_, call)) if schedule.calls.is_some_and(|calls| !calls.holds(call)) => {
                (phase, why) = (Phase::Never, Skip::OutsideCalls);
            }
            Some((roll, _)) => {
                rolled = (schedule.probability != Chance::ALWAYS).then(|| rule.dice().chance(roll));
                let mut draw = rule.dice().amounts(roll);
                wires.extend(rule.faults().iter().filter_map(|fault| fault.wire(&mut draw).ok()));
            }
        }
        Self {
            name: rule.name().clone(),
            written: rule.identity().1,
            schedule,
            state: Arc::clone(state),
            is_terminal: wires.iter().any(Wire::is_terminal),
            wires,
            rolled,
            phase,
            has_struck: false,
            hold: None,
            why,
        }
    }

    /// Strikes if its time has come, and lets go if that is over.
    fn look(&mut self, now: Duration, is_settled: bool, serial: &mut u64) {
        if !self.schedule.is_in_time(now) {
            self.let_go();
            return;
        }
        if self.phase != Phase::Waiting {
            // A rule before it may have begun to answer meanwhile.
            if is_settled && self.is_terminal {
                self.let_go();
            }
            return;
        }
        match self.strike(now, is_settled) {
            Ok(()) => {
                self.phase = Phase::Striking(now, *serial);
                *serial += self.wires.len() as u64;
            }
            Err(why) => {
                self.why = why;
                // Whoever is before it may let go first.
                self.phase = if why == Skip::AnsweredBefore { Phase::Waiting } else { Phase::Passing };
            }
        }
    }

    fn strike(&mut self, now: Duration, is_settled: bool) -> Result<(), Skip> {
        if self.rolled.is_some_and(|rolled| !self.schedule.chance_at(now).holds(rolled)) {
            return Err(Skip::LostDice);
        }
        if is_settled && self.is_terminal {
            return Err(Skip::AnsweredBefore);
        }
        let hold = match self.schedule.max_active {
            Some(most) => Some(self.state.hold(most).ok_or(Skip::TooManyActive)?),
            None => None,
        };
        if !self.has_struck && !self.state.count_strike(self.schedule.limit) {
            return Err(Skip::OverLimit);
        }
        (self.hold, self.has_struck) = (hold, true);
        Ok(())
    }

    fn let_go(&mut self) {
        self.hold = None;
        if self.phase != Phase::Never {
            self.phase = Phase::Waiting;
        }
    }
}

/// A rule counts each connection that fits once: as struck, or for the reason why it was not.
impl Drop for Concern {
    fn drop(&mut self) {
        if self.has_struck {
            return;
        }
        let is_by_windows = self.why == Skip::OutsideTime && self.schedule.between.is_none();
        self.state.skip(if is_by_windows { Skip::OutsideWindows } else { self.why });
    }
}

impl Line {
    fn add(&mut self, concern: &Concern, wire: &Wire, since: Duration, number: u64, now: Duration) {
        let mut both = |ways: Ways, change: &dyn Fn(&mut Lane)| {
            let lanes = [(Way::Up, &mut self.up), (Way::Down, &mut self.down)];
            lanes.into_iter().filter(|(way, _)| ways.include(*way)).for_each(|(_, lane)| change(lane));
        };
        match wire {
            Wire::Cut { way, after, breach } => {
                let cut = Cut { number, rule: concern.name.clone(), after: *after, breach: *breach };
                if *way == Way::Up { self.up.cuts.push(cut) } else { self.down.cuts.push(cut) }
            }
            Wire::Delay { up, down } => {
                self.up.lags.extend(up.iter().map(|lag| (number, lag.clone())));
                self.down.lags.extend(down.iter().map(|lag| (number, lag.clone())));
            }
            Wire::Dribble(ways, dribble) => both(*ways, &|lane| {
                let old = lane.dribble.unwrap_or(*dribble);
                let (chunk, every) = (old.chunk.min(dribble.chunk), old.every.max(dribble.every));
                lane.dribble = Some(Dribble { chunk, every });
            }),
            Wire::Hang(ways, time) => {
                let until = time.map(|time| since + time);
                let is_over = until.is_some_and(|until| until <= now);
                self.stop(&concern.name, if is_over { Stop::Close } else { Stop::Hang(*ways) });
                self.look_again_at(until.filter(|_| !is_over));
            }
            Wire::LateEnd(ways, delay) => both(*ways, &|lane| lane.late_end = lane.late_end.max(*delay)),
            Wire::Refuse => self.stop(&concern.name, Stop::Refuse),
            Wire::Reset => self.stop(&concern.name, Stop::Reset),
            Wire::Speed(ways, speed) => both(*ways, &|lane| {
                lane.speed = Some(lane.speed.map_or(*speed, |other| other.min(*speed)));
            }),
        }
    }

    fn stop(&mut self, rule: &RuleName, stop: Stop) {
        self.stop.get_or_insert_with(|| (rule.clone(), stop));
    }

    fn look_again_at(&mut self, moment: Option<Duration>) {
        self.next = [self.next, moment].into_iter().flatten().min();
    }
}

impl Plan {
    /// The rule by which nobody listens for this entry now, if there is one, and when that may next be otherwise. It strikes each
    /// connection while its time lasts, so that none has to be accepted to be told apart.
    pub fn shut(&self, entry: &TcpEntry, seen: &Seen<'_>, now: Duration) -> (Option<&Rule>, Option<Duration>) {
        debug_assert_eq!(seen.tcp, Some(entry.name.as_str()));
        let fits = |rule: &&Rule| rule.is_on_wires() && rule.matcher().fits(seen);
        let terminal = |rule: &&Rule| rule.wires().any(|wire| wire.is_terminal());
        let rules = || self.rules().iter().filter(fits).filter(terminal);
        let next = rules().filter_map(|rule| rule.schedule().next_change(now)).min();
        let first = rules().find(|rule| rule.schedule().is_in_time(now));
        let is_shut = |rule: &&Rule| rule.schedule().is_certain() && rule.wires().any(|wire| wire == Wire::Refuse);
        (first.filter(is_shut), next)
    }
}

impl RuleStates {
    /// A rule has shut an entry's port: it counts as one that was struck.
    pub fn count_shut(&self, plan: &Plan, rule: &RuleName) {
        let states = plan.rules().iter().zip(self.of_rules());
        for (_, state) in states.filter(|(other, _)| other.name() == rule) {
            state.count_match();
            state.count_strike(None);
        }
    }
}

#[cfg(test)]
mod tests;
