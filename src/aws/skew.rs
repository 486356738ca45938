//! When a request says that it was made, and what a service says whose clock tells another time.
//!
//! Services refuse what was signed too long before their own time, or too long after it: S3 and EC2 beyond 15 minutes, the others beyond 5.
//! A URL that was signed beforehand is good for as long as it says. [`refusal`] takes the service's time as an argument.

use http::header::{DATE, HeaderValue};
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::idiom::{Idiom, idiom};
use super::protocol::{AwsError, Stamp};
use super::request::{AwsRequest, Head};
use super::uri;

/// The error of a service whose time is `now` for a request that was signed at another; nothing where it is near enough, or not signed.
pub fn refusal(request: &AwsRequest, head: &Head<'_>, now: Timestamp) -> Option<AwsError> {
    request.access_key.as_ref()?;
    let signed = Signed::read(head)?;
    let service = request.readings.first().map_or("", |reading| reading.service.name);
    let minutes = if matches!(service, "s3" | "ec2") { 15 } else { 5 };
    let tolerance = SignedDuration::from_mins(minutes);
    let age = now.duration_since(signed.at);
    let is_late = age > signed.good_for.unwrap_or(tolerance);
    if !is_late && age >= -tolerance {
        return None;
    }
    let error = |code: &str, message: &str| AwsError {
        code: code.into(),
        status: None,
        message: Some(message.into()),
        members: Vec::new(),
    };
    Some(match (service, signed.good_for) {
        ("s3", Some(_)) => {
            error("AccessDenied", if is_late { "Request has expired" } else { "Request is not valid yet" })
        }
        ("s3", None) => AwsError {
            members: vec![
                ("RequestTime".into(), json!(basic(signed.at))),
                ("ServerTime".into(), json!(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())),
                ("MaxAllowedSkewMilliseconds".into(), json!(tolerance.as_millis().to_string())),
            ],
            ..error(
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            )
        },
        ("ec2", _) => error("RequestExpired", "Request has expired."),
        _ => {
            let (signed, now) = (signed.at, basic(now));
            let message = if is_late {
                let limit = basic(moved(signed, age - tolerance));
                format!("Signature expired: {} is now earlier than {limit} ({now} - {minutes} min.)", basic(signed))
            } else {
                let limit = basic(moved(signed, age + tolerance));
                format!(
                    "Signature not yet current: {} is still later than {limit} ({now} + {minutes} min.)",
                    basic(signed)
                )
            };
            AwsError { message: Some(message.into()), ..idiom(request, Idiom::Signature) }
        }
    })
}

/// A moment so much later.
pub fn moved(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.checked_add(by).unwrap_or(moment)
}

/// A moment as the header field `Date` has it.
pub fn http_date(date: Timestamp) -> HeaderValue {
    Stamp { date, id: 0 }.http_date()
}

/// `20261121T042756Z`
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

/// What a request says of its own time.
struct Signed {
    at: Timestamp,
    /// For so long, where it was signed beforehand.
    good_for: Option<SignedDuration>,
}

impl Signed {
    fn read(head: &Head<'_>) -> Option<Self> {
        let asked = |name| head.query.and_then(|query| uri::query_value(query, name)).map(uri::decoded);
        if let Some(at) = asked("X-Amz-Date") {
            let seconds = asked("X-Amz-Expires").and_then(|text| text.parse::<u32>().ok());
            let good_for = seconds.map(|seconds| SignedDuration::from_secs(seconds.into()));
            return Some(Self { at: moment(&at)?, good_for });
        }
        let field = |name: &str| head.headers.get(name)?.to_str().ok();
        let at = match field("x-amz-date").or_else(|| field(DATE.as_str())) {
            Some(text) => moment(text).or_else(|| DateTimeParser::new().parse_timestamp(text).ok())?,
            None => return None,
        };
        Some(Self { at, good_for: None })
    }
}

fn basic(moment: Timestamp) -> String {
    moment.strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::*;
    use crate::aws::catalog;
    use crate::aws::request::{AccessKeyId, Reading};

    fn told(
        service: &str,
        fields: &[(&'static str, &'static str)],
        query: Option<&str>,
        now: &str,
    ) -> Option<AwsError> {
        let service = catalog::service(service).unwrap();
        let reading = Reading { service, operation: service.operations().first() };
        let request = AwsRequest {
            access_key: Some(AccessKeyId("AKIAX".into())),
            head_only: false,
            ..AwsRequest::of(reading, service.protocols[0])
        };
        let fields =
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let headers: HeaderMap = fields.collect();
        let head = Head { method: &Method::GET, host: "localhost", path: "/", query, headers: &headers };
        let error = refusal(&request, &head, now.parse().unwrap());
        assert!(refusal(&AwsRequest { access_key: None, ..request }, &head, now.parse().unwrap()).is_none());
        error
    }

    const AT_NOON: &[(&str, &str)] = &[("x-amz-date", "20261121T120000Z"), ("date", "Sat, 21 Nov 2020 12:00:00 GMT")];

    #[test]
    fn near_enough_is_five_minutes_and_fifteen_for_s3_and_ec2() {
        for (service, now, passes) in [
            ("dynamodb", "2026-11-21T12:05:00Z", true),
            ("dynamodb", "2026-11-21T12:05:01Z", false),
            ("dynamodb", "2026-11-21T11:55:00Z", true),
            ("dynamodb", "2026-11-21T11:54:59Z", false),
            ("s3", "2026-11-21T12:15:00Z", true),
            ("s3", "2026-11-21T11:44:59Z", false),
            ("ec2", "2026-11-21T12:14:00Z", true),
        ] {
            assert_eq!(told(service, AT_NOON, None, now).is_none(), passes, "{service} {now}");
        }
    }

    #[test]
    fn each_service_refuses_in_its_own_words() {
        for (service, now, code, status, message) in [
            (
                "dynamodb",
                "2026-11-21T12:10:00Z",
                "InvalidSignatureException",
                Some(400),
                "Signature expired: 20261121T120000Z is now earlier than 20261121T120500Z (20261121T121000Z - 5 min.)",
            ),
            (
                "lambda",
                "2026-11-21T11:50:00Z",
                "InvalidSignatureException",
                Some(403),
                "Signature not yet current: 20261121T120000Z is still later than 20261121T115500Z (20261121T115000Z + 5 min.)",
            ),
            (
                "sts",
                "2026-11-21T12:10:00Z",
                "SignatureDoesNotMatch",
                Some(403),
                "Signature expired: 20261121T120000Z is now earlier than 20261121T120500Z (20261121T121000Z - 5 min.)",
            ),
            ("ec2", "2026-11-21T12:20:00Z", "RequestExpired", None, "Request has expired."),
            (
                "s3",
                "2026-11-21T12:20:00Z",
                "RequestTimeTooSkewed",
                None,
                "The difference between the request time and the current time is too large.",
            ),
        ] {
            let error = told(service, AT_NOON, None, now).unwrap();
            assert_eq!(
                (&*error.code, error.status.map(|status| status.as_u16()), error.message.as_deref()),
                (code, status, Some(message))
            );
        }
        let members = told("s3", AT_NOON, None, "2026-11-21T12:20:00Z").unwrap().members;
        let members: Vec<_> = members.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let expected = [
            "RequestTime: \"20261121T120000Z\"",
            "ServerTime: \"2026-11-21T12:20:00Z\"",
            "MaxAllowedSkewMilliseconds: \"900000\"",
        ];
        assert_eq!(members, expected);
    }

    #[test]
    fn a_url_is_good_for_as_long_as_it_says() {
        let query = Some("X-Amz-Date=20261121T120000Z&X-Amz-Expires=3600");
        let message = |service, now| told(service, &[], query, now).map(|error| error.message.unwrap().to_string());
        assert_eq!(message("s3", "2026-11-21T13:00:00Z"), None);
        assert_eq!(message("s3", "2026-11-21T13:00:01Z").as_deref(), Some("Request has expired"));
        assert_eq!(message("s3", "2026-11-21T11:40:00Z").as_deref(), Some("Request is not valid yet"));
        assert!(message("sts", "2026-11-21T13:10:00Z").unwrap().starts_with("Signature expired: 20261121T120000Z"));
    }

    #[test]
    fn old_signatures_tell_their_time_as_http_does_and_what_tells_none_passes() {
        let old: &[(&str, &str)] = &[("date", "Sat, 21 Nov 2026 12:00:00 GMT")];
        assert!(told("s3", old, None, "2026-11-21T12:14:00Z").is_none());
        assert!(told("s3", old, None, "2026-11-21T12:16:00Z").is_some());
        for fields in [&[][..], &[("x-amz-date", "noon")], &[("date", "noon")]] {
            assert!(told("s3", fields, None, "2026-11-21T12:16:00Z").is_none());
        }
    }
}
