//! What must be done, as data: before a request goes on, instead of that, on the way up, on the way down, and after.
//!
//! A fault answers with one [`Effect`]; `profile::verdict` puts those of all rules together, and only `proxy::inject` acts on them.
//! Nothing here knows a socket.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use jiff::SignedDuration;

use super::partial::Partial;
use crate::{
    aws::{
        protocol::{AwsError, event_stream::Break, in_ok::FunctionError},
        recorded::Recorded,
    },
    units::{Bytes, Offset, Speed},
};

/// What must be done, by when it happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Before the request goes on, or is answered in another way: wait so long.
    Before(Duration),
    /// Instead of what the far end answers. Terminal: it decides what the client sees.
    Instead(Instead),
    /// Some items of a batch fail, and only the others go on. Terminal: it decides what the client sees.
    Partly(Box<Partial>),
    /// Instead of what the far end answers: what it told before the last write. Terminal; whoever remembers that puts it in.
    Recall,
    /// On the way up: to a request that goes on.
    Up(Up),
    /// On the way down: to the answer, whoever gives it.
    Down(Down),
    /// On the way up and on the way down.
    Both(Up, Down),
    /// After the answer: its end, and the connection's, come so much later.
    After(Duration),
}

/// What a client sees in place of the far end's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Instead {
    /// An event stream that breaks off with its first frame.
    BrokenStream(Break),
    /// The connection ends unanswered, in good order.
    Close,
    /// One of AWS's errors.
    Error(AwsError),
    /// One of S3's errors, in an answer of status 200 that had begun well.
    ErrorInOk(AwsError),
    /// Lambda's answer of status 200 when the function has failed.
    FunctionError(FunctionError),
    /// The page of the load balancer in front of the service.
    Gateway(StatusCode),
    /// Nothing, for so long or until the client gives up.
    Hang(Option<Duration>),
    /// This; but the far end carries the request out first, and its answer is thrown away.
    Lost(Box<Self>),
    /// An answer that the far end gave before.
    Recorded(Arc<Recorded>),
    /// The connection or stream ends with an error.
    Reset(Scope),
}

impl Instead {
    /// The same, if so once the far end has carried the request out.
    pub(super) fn carried_out(self, is_carried_out: bool) -> Self {
        if is_carried_out { Self::Lost(Box::new(self)) } else { self }
    }

    /// What the client gets, whatever becomes of the request.
    pub fn at_last(&self) -> &Self {
        match self {
            Self::Lost(then) => then.at_last(),
            other => other,
        }
    }
}

/// What happens to a request on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Up {
    /// It is sent so many times in all.
    Send(u32),
    /// Its body takes no more than this.
    Speed(Speed),
}

/// What happens to an answer on its way.
#[derive(Clone, Debug, PartialEq)]
pub enum Down {
    /// It tells the time of a clock that is off by so much, by which the request is judged too.
    Clock(SignedDuration),
    /// Something in it is no longer right.
    Corrupt(Corruption),
    /// Its body ends at this place.
    Cut(Offset, Breach),
    /// Its body comes in such pieces.
    Dribble(Dribble),
    /// The credentials in it expire so long after it.
    Expiration(SignedDuration),
    /// Its head waits so long.
    FirstByte(Duration),
    /// Its stream of events breaks off after so many of them.
    Interrupt(u64, Break),
    /// Its body takes so much longer, all of it together.
    OverBody(Duration),
    /// If it is injected, it asks the client to come back only after so long.
    RetryAfter(Duration),
    /// Its body takes no more than this.
    Speed(Speed),
}

/// How a body is broken off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Breach {
    /// As if it were complete: a TCP FIN, END_STREAM.
    Finish,
    /// With an error: a TCP RST, RST_STREAM.
    Reset(Scope),
}

/// What is ended: over HTTP/1 the two are the same.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Scope {
    /// The connection, with all its streams.
    #[default]
    Connection,
    /// The one stream of HTTP/2.
    Stream,
}

/// A body in small pieces with pauses between them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Dribble {
    /// A piece; at least one byte.
    pub chunk: Bytes,
    /// From one to the next.
    pub every: Duration,
}

/// What is no longer right in an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Corruption {
    /// So many bytes of the body, the first of them at this share of its length.
    Body {
        /// At least one.
        bytes: u64,
        /// From `[0, 1)`.
        place: f64,
    },
    /// The checksums in header fields and trailers.
    Checksum,
    /// DynamoDB's checksum of the body.
    Crc32,
    /// The ETag.
    Etag,
    /// The first byte of the body, so that nothing can parse it.
    Syntax,
}
