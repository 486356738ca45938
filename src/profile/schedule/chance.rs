//! `probability`: a chance, the same all the time or rising (or falling) to another.

use std::{fmt, time::Duration};

use crate::{
    fault::written::{Complaint, Content, Node},
    units::{Millis, Percent},
};

/// How likely a request is struck, by the age of the plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Chance {
    /// From one chance to another, evenly over a time; then it stays there.
    Ramp {
        /// At first.
        from: Percent,
        /// In the end.
        to: Percent,
        /// How long it takes.
        over: Millis,
    },
    /// The same all the time.
    Steady(Percent),
}

impl Chance {
    /// Each request.
    pub const ALWAYS: Self = Self::Steady(Percent::ALWAYS);

    /// Reads `30%`, or `{from: 0%, to: 50%, over: 2m}`.
    pub(super) fn read(node: &Node) -> Result<Self, Complaint> {
        if !matches!(node.content, Content::Map(_)) {
            return node.parse("a chance").map(Self::Steady);
        }
        let fields = node.fields("`probability`", &["from", "to", "over"])?;
        let (from, to) = (fields.required("from")?.parse("a chance")?, fields.required("to")?.parse("a chance")?);
        let over = fields.required("over")?;
        let length: Millis = over.parse("a duration")?;
        if length == Millis::default() {
            return Err(Complaint::new(over.at, "a ramp takes some time").help(format!("write `probability: {to}`")));
        }
        Ok(Self::Ramp { from, to, over: length })
    }

    /// The chance so long after its beginning.
    pub fn at(self, age: Duration) -> Percent {
        match self {
            Self::Ramp { from, to, over } => from.toward(to, age.as_secs_f64() / over.duration().as_secs_f64()),
            Self::Steady(chance) => chance,
        }
    }
}

/// As it is written, but for the braces.
impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ramp { from, to, over } => write!(f, "from {from} to {to} over {over}"),
            Self::Steady(chance) => write!(f, "{chance}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::tree;

    #[test]
    fn a_ramp_goes_evenly_from_one_chance_to_the_other_and_stays() {
        for (yaml, expected) in [
            ("{from: 0%, to: 50%, over: 2m}", ["0%", "12.5%", "25%", "50%", "50%"]),
            ("{from: 80%, to: 20%, over: 2m}", ["80%", "65%", "50%", "20%", "20%"]),
            ("30%", ["30%"; 5]),
        ] {
            let chance = Chance::read(&tree(yaml)).unwrap();
            let at = [0, 30, 60, 120, 9_999].map(|second| chance.at(Duration::from_secs(second)).to_string());
            assert_eq!(at, expected, "{yaml}");
        }
    }

    #[test]
    fn wrong_ramps_say_what_is_missing() {
        for (yaml, message) in [
            ("{from: 0%}", "`probability` lacks the key `to`"),
            ("{from: 0%, to: 50%}", "`probability` lacks the key `over`"),
            ("{from: 0%, to: 50%, over: 0s}", "a ramp takes some time"),
            ("{from: 0%, to: 150%, over: 1m}", "`150%` is not a chance; it must lie between 0% and 100%"),
            ("{from: 0%, to: 50%, in: 1m}", "unknown key `in` in `probability`"),
            ("[30%]", "expected a chance, found a list"),
        ] {
            assert_eq!(Chance::read(&tree(yaml)).unwrap_err().message, message, "{yaml}");
        }
    }
}
