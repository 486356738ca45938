//! Seeded chance: the same seed, rule and request give the same numbers, whatever else the profile holds.
//!
//! A rule's [`Dice`] are keyed by the seed and the rule's name. Each request has a [`Roll`]: the how-manieth it is that fits the
//! rule's `match` (or of its resource, or client), or its invocation id and attempt. Out of the two comes one uniform number for "does it happen"
//! ([`Dice::chance`]), and, from a stream of their own, as many as the fault wants for "how much" ([`Dice::amounts`]). Nothing is
//! stored and nothing is consumed: adding, removing or moving a rule cannot shift another's numbers.
//!
//! Not a secret: the keyed hash (SipHash 1-3) spreads well and is the same in every version; it protects nothing.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::fault::Draw;

/// Chance for one rule.
#[derive(Clone, Debug)]
pub struct Dice {
    key: [u8; 16],
}

/// What makes one request's numbers unlike the next one's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Roll<'a> {
    /// The n-th request that fits the rule, from 1. Repeats for the same order of arrivals.
    Match(u64),
    /// The n-th request, from 1, of a resource or a client. Repeats for the same order of its own arrivals, whatever comes between.
    Apart {
        /// A hash of which.
        whose: u64,
        /// The how-manieth.
        ordinal: u64,
    },
    /// One attempt of one SDK call. Repeats for the same ids in any order.
    Attempt {
        /// `amz-sdk-invocation-id`
        invocation: &'a str,
        /// Number of the attempt, from 1.
        attempt: u64,
    },
}

impl Dice {
    /// The dice of the rule with this name.
    pub fn new(seed: u64, rule: &str) -> Self {
        let mut hasher = SipHasher13::new_with_keys(seed, RULE);
        hasher.write(rule.as_bytes());
        Self { key: hasher.finish128().as_bytes() }
    }

    /// One uniform number from `[0, 1)`: does it happen.
    pub fn chance(&self, roll: Roll<'_>) -> f64 {
        Draw::uniform_of(self.hash(CHANCE, roll).0)
    }

    /// The numbers for "how much".
    pub fn amounts(&self, roll: Roll<'_>) -> Draw {
        let (low, high) = self.hash(AMOUNT, roll);
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(&self.key);
        seed[16..24].copy_from_slice(&low.to_le_bytes());
        seed[24..].copy_from_slice(&high.to_le_bytes());
        Draw::new(seed)
    }

    fn hash(&self, purpose: u8, roll: Roll<'_>) -> (u64, u64) {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        match roll {
            Roll::Match(ordinal) => {
                hasher.write(&[purpose, b'm']);
                hasher.write(&ordinal.to_le_bytes());
            }
            Roll::Apart { whose, ordinal } => {
                hasher.write(&[purpose, b'o']);
                hasher.write(&whose.to_le_bytes());
                hasher.write(&ordinal.to_le_bytes());
            }
            Roll::Attempt { invocation, attempt } => {
                hasher.write(&[purpose, b'a']);
                hasher.write(&attempt.to_le_bytes());
                hasher.write(invocation.as_bytes());
            }
        }
        let hash = hasher.finish128();
        (hash.h1, hash.h2)
    }
}

/// A seed for a run that was given none; small enough to be read out and typed again.
#[expect(clippy::disallowed_methods, reason = "the one place where chance comes in; what it drew is printed")]
pub fn draw_seed() -> u64 {
    u64::from(rand::random::<u32>())
}

/// Second half of the key that turns seed and rule name into a rule's key: any constant does, but it must never change.
const RULE: u64 = 0x7371_7561_6c6c_0001;
const CHANCE: u8 = 0;
const AMOUNT: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_rule_and_roll_give_the_same_numbers_in_every_version() {
        let dice = Dice::new(42, "throttle");
        assert_eq!(dice.chance(Roll::Match(1)), Dice::new(42, "throttle").chance(Roll::Match(1)));
        // Pinned: a change here makes every recorded seed worthless.
        assert_eq!(format!("{:.9}", dice.chance(Roll::Match(1))), "0.850610927");
        let roll = Roll::Attempt { invocation: "0b9ac1b1-7d2f-4c3e-9d58-3f6a2d1c8e77", attempt: 2 };
        assert_eq!(format!("{:.9}", dice.chance(roll)), "0.529658199");
        assert_eq!(format!("{:.9}", dice.amounts(roll).uniform()), "0.573699670");
        assert_eq!(format!("{:.9}", dice.chance(Roll::Apart { whose: 5, ordinal: 2 })), "0.012826371");
    }

    #[test]
    fn seed_rule_roll_and_purpose_each_change_the_number() {
        let one = Dice::new(1, "a");
        let chance = one.chance(Roll::Match(1));
        assert_ne!(chance, Dice::new(2, "a").chance(Roll::Match(1)));
        assert_ne!(chance, Dice::new(1, "b").chance(Roll::Match(1)));
        assert_ne!(chance, one.chance(Roll::Match(2)));
        assert_ne!(chance, one.amounts(Roll::Match(1)).uniform());
        assert_ne!(
            one.chance(Roll::Attempt { invocation: "x", attempt: 1 }),
            one.chance(Roll::Attempt { invocation: "x", attempt: 2 })
        );
    }

    #[test]
    fn thirty_percent_is_thirty_percent_and_evenly_spread() {
        let dice = Dice::new(7, "throttle");
        let draws: Vec<f64> = (1..=100_000).map(|n| dice.chance(Roll::Match(n))).collect();
        let below = draws.iter().filter(|draw| **draw < 0.3).count();
        // Five standard deviations of a binomial with n = 100,000 and p = 0.3 are 725.
        assert!((29_275..=30_725).contains(&below), "{below}");
        for tenth in 0..10 {
            let low = f64::from(tenth) / 10.0;
            let count = draws.iter().filter(|draw| (low..low + 0.1).contains(*draw)).count();
            assert!((9_525..=10_475).contains(&count), "{count} from {low}");
        }
    }

    #[test]
    fn rules_of_like_names_are_independent() {
        let (one, two) = (Dice::new(7, "rule-1"), Dice::new(7, "rule-2"));
        let both =
            (1..=100_000).filter(|n| one.chance(Roll::Match(*n)) < 0.3 && two.chance(Roll::Match(*n)) < 0.3).count();
        assert!((8_550..=9_450).contains(&both), "{both}");
    }
}
