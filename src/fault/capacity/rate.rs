//! Rates and bursts as they are written: `100/s`, `1MB/s`, `200`, `4MiB`.

use std::str::FromStr;

use crate::fault::written::{Complaint, Node};
use crate::units::Bytes;

/// So much in each second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate {
    pub(super) per_second: f64,
    /// Whether it was written with a unit of size.
    pub(super) is_of_bytes: bool,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a rate; write `100/s`, `6000/m` or `1MB/s`");
        let (amount, time) = text.split_once('/').ok_or_else(wrong)?;
        let seconds = match time.trim() {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        let (amount, is_of_bytes) = amount_of(amount).ok_or_else(wrong)?;
        if amount > 0.0 { Ok(Self { per_second: amount / seconds, is_of_bytes }) } else { Err(wrong()) }
    }
}

/// How much a bucket holds.
pub(super) fn burst(node: &Node) -> Result<f64, Complaint> {
    let word = node.word("an amount")?;
    let amount = amount_of(word).map(|(amount, _)| amount).filter(|amount| *amount >= 1.0);
    amount.ok_or_else(|| {
        Complaint::new(node.at, format!("`{word}` is not a burst; write a number of at least 1, or a size as in `4MB`"))
    })
}

/// A number with or without a unit of size, and whether there is one.
fn amount_of(text: &str) -> Option<(f64, bool)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if unit.is_empty() {
        return Some((number.parse().ok()?, false));
    }
    #[expect(clippy::cast_precision_loss, reason = "a terabyte at most")]
    let bytes = text.parse::<Bytes>().ok()?.count() as f64;
    Some((bytes, true))
}
