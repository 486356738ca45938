//! `credentials`: credentials that are handed out, but not for as long as they should be.

use std::fmt;

use jiff::SignedDuration;

use super::{
    Down, Draw, Effect, Fault, FaultKind, Setting, Short, Value,
    kind::doubt_unless,
    skew,
    written::{At, Complaint, Node},
};
use crate::{
    aws::{
        catalog::{Operation, Service},
        expiration,
        request::AwsRequest,
    },
    units::Millis,
};

/// Lets credentials expire soon, or have expired when they come.
pub(super) static CREDENTIALS: FaultKind = FaultKind {
    name: "credentials",
    about: "Hands out credentials that expire soon, or that have expired when they come: the time in the answer is rewritten.",
    details: "The credentials themselves are the far end's own and stay what they are; only when they expire reads otherwise: `Expiration` \
              of instance metadata and containers, STS's roles and sessions, Cognito's identities and EKS's pods, `expiration` of SSO's \
              roles, `expiresIn` of an SSO token. The answer's length is told anew. An answer that tells no such time (an error, another \
              coding, a body of more than 64 KiB or whose length is not told) passes, and the rule is not counted as fired for it. Of several such rules the earliest time \
              holds.",
    settings: &[Setting::new(
        "expire_in",
        Value::Shift,
        "when they expire, counted from the moment of the answer; with `-`, so long ago; at most a day",
    )],
    short: Short::No,
    example: "fault: {credentials: {expire_in: 2m}}",
    clients: "boto3, JavaScript and Rust use what instance metadata gives them, even if it has expired, and ask again later. Of a container \
              boto3 raises RuntimeError where credentials have expired; JavaScript and Rust use them, and ask for each call anew. \
              docs/credentials.md tells how often.",
    read,
};

#[derive(Debug)]
struct Credentials {
    expire_in: SignedDuration,
    at: At,
}

impl Fault for Credentials {
    fn effect(&self, _: &AwsRequest, _: &mut Draw) -> Effect {
        Effect::Down(Down::Expiration(self.expire_in))
    }

    fn suits(&self, request: &AwsRequest) -> bool {
        request.readings.iter().any(expiration::is_told)
    }

    fn doubt(&self, operations: &[(&'static Service, &'static Operation)]) -> Option<Complaint> {
        let help = "those that do are imds and container-credentials GetCredentials, sts AssumeRole and its like";
        doubt_unless(expiration::is_told, operations, self.at, "give credentials that expire", help)
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Millis::from(self.expire_in.unsigned_abs());
        match self.expire_in.signum() {
            1 => write!(f, "credentials that expire in {time}"),
            0 => f.write_str("credentials that expire at once"),
            _ => write!(f, "credentials that expired {time} ago"),
        }
    }
}

fn read(name: &Node, settings: Option<&Node>) -> Result<Box<dyn Fault>, Complaint> {
    let settings = CREDENTIALS.required(name, settings, "to know when they expire", "credentials: {expire_in: 2m}")?;
    let expire_in = CREDENTIALS.fields(settings)?.required("expire_in")?;
    Ok(Box::new(Credentials { expire_in: skew::read_shift(expire_in)?, at: name.at }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{effect, parse, request};
    use super::*;
    use crate::aws::catalog;

    #[test]
    fn they_expire_soon_or_have_expired() {
        for (yaml, seconds, words) in [
            ("{credentials: {expire_in: 2m}}", 120, "credentials that expire in 2m"),
            ("{credentials: {expire_in: -1m}}", -60, "credentials that expired 1m ago"),
            ("{credentials: {expire_in: 0s}}", 0, "credentials that expire at once"),
        ] {
            assert_eq!(effect(yaml), Effect::Down(Down::Expiration(SignedDuration::from_secs(seconds))), "{yaml}");
            assert_eq!(parse(yaml).unwrap()[0].to_string(), words);
        }
        assert!(!parse("{credentials: {expire_in: 1m}}").unwrap()[0].is_terminal());
    }

    #[test]
    fn it_suits_what_gives_credentials_and_is_doubted_elsewhere() {
        let fault = &parse("{credentials: {expire_in: 1m}}").unwrap()[0];
        for (service, operation) in
            [("imds", "GetCredentials"), ("container-credentials", "GetCredentials"), ("sts", "AssumeRole")]
        {
            assert!(fault.suits(&request(service, operation)), "{service}");
        }
        assert!(!fault.suits(&request("imds", "GetToken")));
        let doubt = |service, operation| {
            let service = catalog::service(service).unwrap();
            fault.doubt(&[(service, service.operation(operation).unwrap())]).map(|complaint| complaint.message)
        };
        assert_eq!(doubt("sts", "AssumeRole"), None);
        assert_eq!(doubt("imds", "GetToken").unwrap(), "imds GetToken is not known to give credentials that expire");
    }

    #[test]
    fn wrong_settings_are_told_plainly() {
        for (yaml, message) in [
            ("credentials", "`credentials` needs to know when they expire"),
            ("{credentials: {}}", "`credentials` lacks the key `expire_in`"),
            ("{credentials: 2m}", "`credentials` must be a map, found `2m`"),
            ("{credentials: {expire_in: 2}}", "`2` has no unit; write `2ms` or `2s`"),
            ("{credentials: {expire_in: 25h}}", "`25h` is longer than a day"),
            ("{credentials: {expires: 2m}}", "unknown key `expires` in `credentials`"),
        ] {
            assert_eq!(parse(yaml).unwrap_err().message, message, "{yaml}");
        }
    }
}
