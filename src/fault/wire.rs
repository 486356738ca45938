//! What a fault does to a TCP connection of which nothing is read, as data.
//!
//! A database's or a broker's connection has no requests that Squall knows of: there are bytes up, bytes down, a beginning and an end.
//! A fault that can do something to those says what with a [`Wire`]; only the proxy acts on it.

use std::{fmt, time::Duration};

use super::{
    Breach, Dribble, Setting, Value,
    kind::one_of,
    latency::Lag,
    written::{Complaint, Fields},
};
use crate::units::{Offset, Speed};

/// What happens to a connection, from when a rule strikes it until the rule lets go of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Wire {
    /// After so many more bytes one way it ends; after 0 when the next would come.
    Cut {
        /// Whose bytes count.
        way: Way,
        /// How many get through.
        after: u64,
        /// How it ends, both ways.
        breach: Breach,
    },
    /// Bytes come so much later.
    Delay {
        /// Those from the client.
        up: Option<Lag>,
        /// Those from the far end.
        down: Option<Lag>,
    },
    /// Bytes come in such pieces.
    Dribble(Ways, Dribble),
    /// Nothing comes through: as long as the rule holds, or so long, after which the connection is closed.
    Hang(Ways, Option<Duration>),
    /// Where one side ends, the other learns of it so much later.
    LateEnd(Ways, Duration),
    /// Nobody listens any more. What is open is reset.
    Refuse,
    /// It is reset at once.
    Reset,
    /// Bytes come no faster than this.
    Speed(Ways, Speed),
}

/// One direction of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// From the client to the far end.
    Up,
    /// From the far end to the client.
    Down,
}

/// Directions of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ways {
    /// Each on its own.
    Both,
    /// From the far end to the client.
    Down,
    /// From the client to the far end.
    Up,
}

impl Wire {
    /// Whether it decides that nothing more comes through: of several the first in file order does.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Hang(..) | Self::Refuse | Self::Reset)
    }
}

impl Ways {
    /// Whether this direction is one of them.
    pub fn include(self, way: Way) -> bool {
        match self {
            Self::Both => true,
            Self::Down => way == Way::Down,
            Self::Up => way == Way::Up,
        }
    }

    /// Reads `direction`, where it is given.
    pub(super) fn read(fields: &Fields<'_>) -> Result<Option<Self>, Complaint> {
        let words = [("up", Self::Up), ("down", Self::Down), ("both", Self::Both)];
        fields.optional(DIRECTION)?.map(|node| one_of(node, "a direction", &words)).transpose()
    }
}

impl Way {
    /// Reads `direction`, where it is given and can be one only.
    pub(super) fn read(fields: &Fields<'_>) -> Result<Option<Self>, Complaint> {
        let words = [("up", Self::Up), ("down", Self::Down)];
        fields.optional(DIRECTION)?.map(|node| one_of(node, "a direction", &words)).transpose()
    }
}

impl fmt::Display for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Both => "up and down",
            Self::Down => "down",
            Self::Up => "up",
        })
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Up { "up" } else { "down" })
    }
}

/// The end of a connection after so many bytes one way; down, if none is chosen.
pub(super) fn cut(after: Offset, way: Option<Way>, breach: Breach) -> Result<Wire, &'static str> {
    match after {
        Offset::Bytes(bytes) => Ok(Wire::Cut { way: way.unwrap_or(Way::Down), after: bytes.count(), breach }),
        Offset::Share(_) => Err("nobody knows how long it will be, so give a size (64KB)"),
    }
}

/// The setting of faults that act on requests as a whole, but on TCP connections by direction.
pub(super) const fn direction(about: &'static str) -> Setting {
    Setting::new(DIRECTION, Value::Word(&["up", "down", "both"]), about)
}

/// The same where one direction must be chosen.
pub(super) const fn one_direction(about: &'static str) -> Setting {
    Setting::new(DIRECTION, Value::Word(&["up", "down"]), about)
}

pub(super) const DIRECTION: &str = "direction";
