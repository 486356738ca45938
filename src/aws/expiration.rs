//! When credentials expire, as the answers say that give them.
//!
//! [`is_told`] knows the operations that give credentials for a time, and [`put`] writes another moment into such an answer, in the form
//! in which the service itself tells it.

use jiff::{SignedDuration, Timestamp, Unit};

use super::request::{AwsRequest, Reading};

/// Where and how an answer tells the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    /// `"Expiration" : "2026-11-26T21:00:00Z"` in JSON.
    Moment(&'static str),
    /// Seconds since 1970, in JSON.
    Seconds(&'static str),
    /// Milliseconds since 1970, in JSON.
    Milliseconds(&'static str),
    /// Seconds from now on, in JSON.
    Left(&'static str),
    /// `<Expiration>2026-11-26T21:00:00Z</Expiration>`
    Element(&'static str),
}

/// Whether answers to this reading give credentials that expire.
pub fn is_told(reading: &Reading) -> bool {
    of(reading).is_some()
}

/// The answer with credentials that expire so long after `now` (before it, if negative); none, where it tells no expiration.
pub fn put(request: &AwsRequest, answer: &[u8], now: Timestamp, after: SignedDuration) -> Option<Vec<u8>> {
    let told = request.readings.iter().find_map(of)?;
    let moment = now.checked_add(after).ok()?.round(Unit::Second).ok()?;
    let (place, new) = match told {
        Told::Moment(name) => (json_value(answer, name)?, format!("\"{moment}\"")),
        Told::Seconds(name) => (json_value(answer, name)?, moment.as_second().to_string()),
        Told::Milliseconds(name) => (json_value(answer, name)?, moment.as_millisecond().to_string()),
        Told::Left(name) => (json_value(answer, name)?, after.as_secs().to_string()),
        Told::Element(name) => (element(answer, name)?, moment.to_string()),
    };
    Some([answer.get(..place.start)?, new.as_bytes(), answer.get(place.end..)?].concat())
}

fn of(reading: &Reading) -> Option<Told> {
    let operation = reading.operation?.name;
    let known = OPERATIONS.iter().find(|(service, known, _)| *service == reading.service.name && *known == operation);
    known.map(|(.., told)| *told)
}

/// Where the value of a member stands, at whatever depth: of a text with its quotes, of a number all of it.
fn json_value(text: &[u8], name: &str) -> Option<std::ops::Range<usize>> {
    let quoted = format!("\"{name}\"");
    let after_name = find(text, quoted.as_bytes())? + quoted.len();
    let colon = after_name + blanks(text.get(after_name..)?);
    (text.get(colon) == Some(&b':')).then_some(())?;
    let start = colon + 1 + blanks(text.get(colon + 1..)?);
    let rest = text.get(start..)?;
    let length = match rest.first()? {
        b'"' => rest.iter().skip(1).position(|byte| *byte == b'"')? + 2,
        _ => rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')).count(),
    };
    (length > 0).then_some(start..start + length)
}

fn element(text: &[u8], name: &str) -> Option<std::ops::Range<usize>> {
    let open = format!("<{name}>");
    let start = find(text, open.as_bytes())? + open.len();
    let length = text.get(start..)?.iter().position(|byte| *byte == b'<')?;
    Some(start..start + length)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// By the services' API references, and by the user guides of those that have none.
const OPERATIONS: [(&str, &str, Told); 12] = [
    ("cognito-identity", "GetCredentialsForIdentity", Told::Seconds("Expiration")),
    ("container-credentials", "GetCredentials", Told::Moment("Expiration")),
    ("eks-auth", "AssumeRoleForPodIdentity", Told::Seconds("expiration")),
    ("imds", "GetCredentials", Told::Moment("Expiration")),
    ("sso", "GetRoleCredentials", Told::Milliseconds("expiration")),
    ("sso-oidc", "CreateToken", Told::Left("expiresIn")),
    ("sso-oidc", "CreateTokenWithIAM", Told::Left("expiresIn")),
    ("sts", "AssumeRole", Told::Element("Expiration")),
    ("sts", "AssumeRoleWithSAML", Told::Element("Expiration")),
    ("sts", "AssumeRoleWithWebIdentity", Told::Element("Expiration")),
    ("sts", "GetFederationToken", Told::Element("Expiration")),
    ("sts", "GetSessionToken", Told::Element("Expiration")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::catalog;

    fn reading(service: &str, operation: &str) -> Reading {
        let service = catalog::service(service).unwrap();
        Reading { service, operation: Some(service.operation(operation).unwrap()) }
    }

    fn with(service: &str, operation: &str, answer: &str, seconds: i64) -> Option<String> {
        let reading = reading(service, operation);
        let request = AwsRequest::of(reading, reading.service.protocols[0]);
        let now = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let put = put(&request, answer.as_bytes(), now, SignedDuration::from_secs(seconds));
        put.map(|answer| String::from_utf8(answer).unwrap())
    }

    #[test]
    fn the_operations_exist_and_are_told() {
        for (service, operation, _) in OPERATIONS {
            assert!(is_told(&reading(service, operation)), "{service}.{operation}");
        }
        assert!(!is_told(&reading("imds", "ListRoles")) && !is_told(&reading("sts", "GetCallerIdentity")));
    }

    #[test]
    fn each_service_tells_it_in_its_own_form() {
        for (service, operation, answer, seconds, wanted) in [
            (
                "imds",
                "GetCredentials",
                "{\n  \"Token\" : \"t\",\n  \"Expiration\" : \"2026-01-02T09:00:00Z\"\n}",
                120,
                "{\n  \"Token\" : \"t\",\n  \"Expiration\" : \"2026-01-02T03:06:06Z\"\n}",
            ),
            (
                "container-credentials",
                "GetCredentials",
                r#"{"Expiration":"x","Token":"t"}"#,
                -60,
                r#"{"Expiration":"2026-01-02T03:03:06Z","Token":"t"}"#,
            ),
            (
                "sts",
                "AssumeRole",
                "<Credentials><Expiration>2026-01-02T09:00:00Z</Expiration></Credentials>",
                60,
                "<Credentials><Expiration>2026-01-02T03:05:06Z</Expiration></Credentials>",
            ),
            (
                "sso",
                "GetRoleCredentials",
                r#"{"roleCredentials":{"expiration":1767700000000,"sessionToken":""}}"#,
                60,
                r#"{"roleCredentials":{"expiration":1767323106000,"sessionToken":""}}"#,
            ),
            (
                "cognito-identity",
                "GetCredentialsForIdentity",
                r#"{"Credentials":{"Expiration":1.7677E9}}"#,
                60,
                r#"{"Credentials":{"Expiration":1767323106}}"#,
            ),
            ("sso-oidc", "CreateToken", r#"{"expiresIn": 28800}"#, -60, r#"{"expiresIn": -60}"#),
        ] {
            assert_eq!(with(service, operation, answer, seconds).as_deref(), Some(wanted), "{service}");
        }
    }

    #[test]
    fn an_answer_that_tells_none_is_left_alone() {
        for answer in [
            "",
            "{}",
            "not json",
            r#"{"Expiration"}"#,
            r#"{"Expiration":"#,
            r#"{"Expiration":null}"#,
            r#"{"Expiration":""#,
        ] {
            assert_eq!(with("imds", "GetCredentials", answer, 60), None, "{answer}");
        }
        assert_eq!(with("sts", "AssumeRole", "<Expiration>", 60), None);
        assert_eq!(with("imds", "ListRoles", r#"{"Expiration":"x"}"#, 60), None);
    }
}
