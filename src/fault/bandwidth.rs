//! `bandwidth`: a body that comes through slowly.

use std::fmt;

use super::{
    Down, Draw, Effect, Fault, FaultKind, Setting, Short, Up, Value, Ways, Wire,
    written::{Complaint, Content, Node},
};
use crate::{aws::request::AwsRequest, units::Speed};

/// Lets bodies through no faster than so, evenly.
pub(super) static BANDWIDTH: FaultKind = FaultKind {
    name: "bandwidth",
    about: "Lets bodies through at this speed at most: of the request, of the answer, or of both.",
    details: "Each exchange has the speed for itself, and heads are not counted; of a TCP connection all bytes are. Of several rules the lowest speed holds, for each \
              direction. Nothing is collected: whoever sends waits, as over a slow line.",
    settings: &[
        Setting::new("rate", Value::Speed, "bytes in each second"),
        Setting::or("direction", Value::Word(&["up", "down", "both"]), "down", "`up`: requests; `down`: answers"),
    ],
    short: Short::Value(Value::Speed),
    example: "fault: {bandwidth: {rate: 64KB/s, direction: both}}",
    clients: "Nothing fails as long as some bytes come before each read timeout. The SDK for Rust also watches throughput, and fails \
              below a byte a second; boto3 and JavaScript do not.",
    read,
};

#[derive(Debug)]
struct Bandwidth {
    speed: Speed,
    ways: Ways,
}

impl Fault for Bandwidth {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        match self.ways {
            Ways::Both => Effect::Both(Up::Speed(self.speed), Down::Speed(self.speed)),
            Ways::Down => Effect::Down(Down::Speed(self.speed)),
            Ways::Up => Effect::Up(Up::Speed(self.speed)),
        }
    }

    fn wire(&self, _: &mut Draw) -> Result<Wire, &'static str> {
        Ok(Wire::Speed(self.ways, self.speed))
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bandwidth of {} {}", self.speed, self.ways)
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let settings = BANDWIDTH.required(name, settings, "a speed", "bandwidth: {rate: 64KB/s}")?;
    if let Content::Word(_) = settings.content {
        return Ok(Box::new(Bandwidth { speed: settings.parse("a speed")?, ways: Ways::Down }));
    }
    let fields = BANDWIDTH.fields(settings)?;
    let ways = Ways::read(&fields)?.unwrap_or(Ways::Down);
    Ok(Box::new(Bandwidth { speed: fields.required("rate")?.parse("a speed")?, ways }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse};
    use super::*;

    #[test]
    fn it_slows_answers_unless_told_otherwise() {
        let speed = "64KB/s".parse().unwrap();
        let (up, down) = (Up::Speed(speed), Down::Speed(speed));
        for (yaml, expected) in [
            ("{bandwidth: 64KB/s}", Effect::Down(down.clone())),
            ("{bandwidth: {rate: 64KB/s}}", Effect::Down(down.clone())),
            ("{bandwidth: {rate: 64KB/s, direction: up}}", Effect::Up(up)),
            ("{bandwidth: {rate: 64KB/s, direction: both}}", Effect::Both(up, down)),
        ] {
            assert_eq!(effect(yaml), expected, "{yaml}");
        }
    }

    #[test]
    fn wrong_settings_are_told_plainly() {
        for (yaml, message) in [
            ("bandwidth", "`bandwidth` needs a speed"),
            ("{bandwidth: {direction: up}}", "`bandwidth` lacks the key `rate`"),
            ("{bandwidth: {rate: 64KB}}", "`64KB` is not a speed; write `64KB/s`"),
            ("{bandwidth: {rate: 64KB/s, direction: sideways}}", "`sideways` is not a direction"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
    }
}
