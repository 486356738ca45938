//! Breaking off an event stream that someone else sends, as it passes.
//!
//! Only the length at the beginning of each frame is looked at; nothing is kept but that, however large a frame is.

use bytes::{Bytes, BytesMut};

use super::{Break, exception, opens_with_initial_response};
use crate::aws::protocol::Stamp;
use crate::aws::request::AwsRequest;

/// Counts the frames of a stream, and breaks it off behind some of them.
#[derive(Debug)]
pub struct Interrupt {
    /// Frames that still pass.
    left: u64,
    then: Then,
    /// What is known of the length of the frame that has begun.
    length: SizeKnown,
    /// Of that frame's bytes, those still to come.
    missing: u64,
}

#[derive(Debug)]
enum Then {
    /// Ends with this.
    Last(Bytes),
    /// Ends within the next frame.
    Cut,
    /// Goes on, but for the next frame's checksum.
    Spoil,
    /// The frame that passes is spoiled.
    Spoiling,
    /// Nothing more.
    Pass,
}

/// The four bytes of a frame's length, as far as they have come.
#[derive(Debug, Default)]
struct SizeKnown {
    bytes: [u8; 4],
    count: usize,
}

/// What became of a piece.
#[derive(Debug, Eq, PartialEq)]
pub struct Passed {
    /// What passes.
    pub data: Bytes,
    /// Whether something was done by now.
    pub struck: bool,
    /// Whether the stream ends here.
    pub ended: bool,
}

impl Interrupt {
    /// Breaks the answer to this request off after so many events; none where it is no event stream.
    pub fn new(request: &AwsRequest, after: u64, how: &Break, stamp: &Stamp) -> Option<Self> {
        let then = match how {
            Break::BadCrc => Then::Spoil,
            Break::Cut => Then::Cut,
            Break::Exception(error) => Then::Last(exception(request, error, stamp)?.into()),
        };
        let left = after + u64::from(opens_with_initial_response(request.protocol));
        Some(Self { left, then, length: SizeKnown::default(), missing: 0 })
    }

    /// Takes the next piece of the body.
    pub fn take(&mut self, mut data: Bytes) -> Passed {
        let (mut at, mut spoiled) = (0, None);
        loop {
            if self.is_between_frames() && self.left == 0 {
                match &self.then {
                    Then::Last(last) => {
                        let data = [&data[..at], last].concat().into();
                        return Passed { data, struck: true, ended: true };
                    }
                    Then::Spoil => self.then = Then::Spoiling,
                    Then::Cut | Then::Pass | Then::Spoiling => {}
                }
            }
            if at == data.len() {
                break;
            }
            at += self.advance(&data[at..]);
            if self.left == 0 && matches!(self.then, Then::Cut) && self.length.count == 4 {
                data.truncate(at);
                return Passed { data, struck: true, ended: true };
            }
            if self.is_between_frames() && matches!(self.then, Then::Spoiling) {
                spoiled = Some(at - 1);
                self.then = Then::Pass;
            }
        }
        let data = match spoiled {
            Some(last) => with_flipped(&data, last),
            None => data,
        };
        let struck = spoiled.is_some() || matches!(self.then, Then::Pass);
        Passed { data, struck, ended: false }
    }

    fn is_between_frames(&self) -> bool {
        self.length.count == 0 && self.missing == 0
    }

    /// Goes on within one frame; how many bytes of `data` belong to it. Nothing but a length that cannot be is taken for one of four.
    fn advance(&mut self, data: &[u8]) -> usize {
        if self.length.count < 4 {
            let take = data.len().min(4 - self.length.count);
            let (known, new) = (self.length.count, &data[..take]);
            self.length.bytes[known..known + take].copy_from_slice(new);
            self.length.count += take;
            if self.length.count == 4 {
                self.missing = u64::from(u32::from_be_bytes(self.length.bytes)).saturating_sub(4).max(1);
            }
            return take;
        }
        let take = usize::try_from(self.missing).unwrap_or(usize::MAX).min(data.len());
        self.missing -= take as u64;
        if self.missing == 0 {
            self.length = SizeKnown::default();
            self.left = self.left.saturating_sub(1);
        }
        take
    }
}

fn with_flipped(data: &[u8], at: usize) -> Bytes {
    let mut data = BytesMut::from(data);
    data[at] ^= 1;
    data.freeze()
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::read_message_from;

    use super::super::tests::request;
    use super::*;
    use crate::aws::protocol::AwsError;

    const STAMP: Stamp = Stamp { date: jiff::Timestamp::UNIX_EPOCH, id: 1 };

    fn events(count: usize) -> Vec<u8> {
        let event = |n: usize| {
            let payload = vec![b'x'; 10 * n];
            super::super::frame(&super::super::message("event", &[(":event-type", "chunk")], payload)).unwrap()
        };
        (0..count).flat_map(event).collect()
    }

    /// What passes of a stream that comes in pieces of this size, whether something was done, and whether it ended before its time.
    fn passed(after: u64, how: &Break, stream: &[u8], piece: usize) -> (Vec<u8>, bool, bool) {
        let mut interrupt = Interrupt::new(&request("bedrock-runtime", "ConverseStream"), after, how, &STAMP).unwrap();
        let (mut out, mut struck) = (Vec::new(), false);
        for piece in stream.chunks(piece) {
            let passed = interrupt.take(Bytes::copy_from_slice(piece));
            out.extend_from_slice(&passed.data);
            struck |= passed.struck;
            if passed.ended {
                return (out, struck, true);
            }
        }
        (out, struck, false)
    }

    /// How many frames of a stream are whole and right, and what follows them.
    fn whole(mut stream: &[u8]) -> (usize, usize) {
        let mut count = 0;
        loop {
            let mut rest = stream;
            match read_message_from(&mut rest) {
                Ok(_) => (stream, count) = (rest, count + 1),
                Err(_) => return (count, stream.len()),
            }
        }
    }

    fn throttled() -> Break {
        Break::Exception(AwsError {
            code: "ThrottlingException".into(),
            status: None,
            message: None,
            members: Vec::new(),
        })
    }

    #[test]
    fn an_exception_comes_behind_the_events_that_pass_however_they_come() {
        let stream = events(5);
        for piece in [1, 3, 7, 64, 10_000] {
            let (out, struck, ended) = passed(2, &throttled(), &stream, piece);
            assert_eq!((whole(&out), struck, ended), ((3, 0), true, true), "{piece}");
            assert_eq!(out[..events(2).len()], events(2));
        }
        let (out, struck, ended) = passed(5, &throttled(), &stream, 11);
        assert_eq!((whole(&out), struck, ended), ((6, 0), true, true));
    }

    #[test]
    fn a_cut_ends_within_the_next_frame() {
        let stream = events(5);
        for piece in [1, 5, 10_000] {
            let (out, struck, ended) = passed(2, &Break::Cut, &stream, piece);
            assert_eq!((whole(&out), struck, ended), ((2, 4), true, true), "{piece}");
        }
    }

    #[test]
    fn a_bad_checksum_is_one_frames_only() {
        let stream = events(5);
        for piece in [1, 5, 10_000] {
            let (out, struck, ended) = passed(2, &Break::BadCrc, &stream, piece);
            assert_eq!((out.len(), struck, ended), (stream.len(), true, false));
            let (good, bad) = (events(2).len(), events(3).len());
            assert_eq!(whole(&out).0, 2);
            assert_eq!(whole(&out[bad..]), (2, 0), "{piece}");
            assert_eq!(whole(&out[good..bad]).0, 0);
        }
    }

    #[test]
    fn streams_that_are_shorter_pass_whole() {
        let stream = events(2);
        for how in [throttled(), Break::Cut, Break::BadCrc] {
            assert_eq!(passed(3, &how, &stream, 10), (stream.clone(), false, false));
        }
    }

    #[test]
    fn bytes_that_are_no_frames_do_no_harm() {
        for piece in [1, 2, 9] {
            let (out, _, _) = passed(3, &Break::BadCrc, &[0; 100], piece);
            assert_eq!(out.len(), 100);
        }
    }
}
