//! What the stand-in answers: a machine with a role, and a container on it. Pure but for a count of the keys it gave.

use std::hash::Hasher as _;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
use bytes::Bytes;
use http::header::{AUTHORIZATION as AUTHORIZATION_FIELD, CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::aws::idiom::{Idiom, idiom};
use crate::aws::protocol::{Stamp, synthesize};
use crate::aws::request::{AwsRequest, Head, decode};

/// A machine of AWS's that there is not.
#[derive(Debug)]
pub(super) struct Machine {
    /// Vouches for tokens.
    key: u64,
    region: String,
    /// How many credentials it gave.
    given: AtomicU64,
}

/// What a container says to be given credentials at [`CONTAINER_PATH`].
pub const AUTHORIZATION: &str = "squall-stand-in";
/// Where a container of EKS's asks; ECS's path with the role's name for an id will do as well, without authorization.
pub const CONTAINER_PATH: &str = "/v1/credentials";

type Answer = Response<Full<Bytes>>;

impl Machine {
    pub(super) fn new(key: u64, region: String) -> Self {
        Self { key, region, given: AtomicU64::new(0) }
    }

    /// The answer to a request, at this moment.
    pub(super) fn answer(&self, method: &Method, path: &str, headers: &HeaderMap, now: Timestamp) -> Answer {
        let stranger = AwsRequest::of_host("169.254.169.254");
        // Whatever host is asked, it is this one.
        let hosts = ["169.254.169.254", "169.254.170.2"].into_iter();
        let mut read = hosts.filter_map(|host| decode(&Head { method, host, path, query: None, headers }, b"").ok());
        let Some(request) = read.next() else { return refused(&stranger, Idiom::NotFound, now) };
        let operation = request.reading().and_then(|reading| Some((reading.service.name, reading.operation?.name)));
        let answer = match operation {
            Some(("container-credentials", _)) => self.to_container(path, headers, now),
            Some((_, "GetToken")) => self.token(headers, now),
            Some((_, operation)) if self.knows(headers, now) => self.to_instance(operation, path, now),
            _ => Err(Idiom::ExpiredToken),
        };
        answer.unwrap_or_else(|why| refused(&request, why, now))
    }

    /// A token for so many seconds. It says itself for how long it holds, and nothing is kept of it.
    fn token(&self, headers: &HeaderMap, now: Timestamp) -> Result<Answer, Idiom> {
        if headers.contains_key("x-forwarded-for") {
            return Err(Idiom::AccessDenied);
        }
        let asked = headers.get(&TOKEN_TTL).and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
        let seconds = asked.filter(|seconds| (1..=LONGEST_TOKEN).contains(seconds)).ok_or(Idiom::Validation)?;
        let until = now.as_second().saturating_add(seconds);
        let token = [until.to_be_bytes().as_slice(), &self.seal(until)].concat();
        let mut answer = text(BASE64_URL_SAFE.encode(token));
        answer.headers_mut().insert(TOKEN_TTL, HeaderValue::from(seconds));
        Ok(answer)
    }

    /// Whether a request has a token of ours that still holds.
    fn knows(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let token = headers.get(&TOKEN).and_then(|value| BASE64_URL_SAFE.decode(value).ok());
        let token = token.as_deref().and_then(|token| token.split_first_chunk::<8>());
        token.is_some_and(|(until, seal)| {
            let until = i64::from_be_bytes(*until);
            seal == self.seal(until) && now.as_second() < until
        })
    }

    fn seal(&self, until: i64) -> [u8; 16] {
        let mut hasher = SipHasher24::new_with_keys(self.key, TOKENS);
        hasher.write_i64(until);
        hasher.finish128().as_bytes()
    }

    fn to_instance(&self, operation: &str, path: &str, now: Timestamp) -> Result<Answer, Idiom> {
        let below = path.trim_matches('/').split_once('/').map_or("", |(_, below)| below);
        match operation {
            "GetCredentials" if below.ends_with(&format!("security-credentials/{ROLE}")) => {
                Ok(as_text(&self.instance_credentials(now)))
            }
            "GetIAMInfo" => Ok(as_text(&json!({
                "Code": "Success",
                "LastUpdated": second(now),
                "InstanceProfileArn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/{ROLE}"),
                "InstanceProfileId": "AIPAEXAMPLE0000000001",
            }))),
            "GetInstanceIdentityDocument" => Ok(as_text(&self.identity())),
            "GetDynamicData" if below == "dynamic" => Ok(text("instance-identity/".to_owned())),
            "GetDynamicData" if below == "dynamic/instance-identity" => Ok(text("document".to_owned())),
            _ => self.metadata(below.strip_prefix("meta-data").ok_or(Idiom::NotFound)?.trim_start_matches('/')),
        }
    }

    /// A leaf's value, or what stands below a branch.
    fn metadata(&self, path: &str) -> Result<Answer, Idiom> {
        let leaves = self.leaves();
        if let Some((_, value)) = leaves.iter().find(|(leaf, _)| *leaf == path) {
            return Ok(text(value.clone()));
        }
        let inside =
            |leaf: &'static str| if path.is_empty() { Some(leaf) } else { leaf.strip_prefix(path)?.strip_prefix('/') };
        let mut names: Vec<String> = leaves
            .iter()
            .filter_map(|(leaf, _)| inside(leaf))
            .map(|rest| rest.split_once('/').map_or_else(|| rest.to_owned(), |(branch, _)| format!("{branch}/")))
            .collect();
        names.dedup();
        if names.is_empty() { Err(Idiom::NotFound) } else { Ok(text(names.join("\n"))) }
    }

    /// Sorted by path.
    fn leaves(&self) -> [(&'static str, String); 8] {
        [
            ("ami-id", AMI.to_owned()),
            ("iam/info", String::new()),
            ("iam/security-credentials/squall-stand-in", String::new()),
            ("instance-id", INSTANCE.to_owned()),
            ("instance-type", TYPE.to_owned()),
            ("local-ipv4", ADDRESS.to_owned()),
            ("placement/availability-zone", format!("{}a", self.region)),
            ("placement/region", self.region.clone()),
        ]
    }

    fn identity(&self) -> Value {
        json!({
            "accountId": ACCOUNT,
            "architecture": "x86_64",
            "availabilityZone": format!("{}a", self.region),
            "imageId": AMI,
            "instanceId": INSTANCE,
            "instanceType": TYPE,
            "privateIp": ADDRESS,
            "region": self.region,
            "version": "2017-09-30",
        })
    }

    fn instance_credentials(&self, now: Timestamp) -> Value {
        let [key, secret, token] = self.keys();
        json!({
            "Code": "Success",
            "LastUpdated": second(now),
            "Type": "AWS-HMAC",
            "AccessKeyId": key,
            "SecretAccessKey": secret,
            "Token": token,
            "Expiration": second(now.checked_add(LIFE).unwrap_or(now)),
        })
    }

    fn to_container(&self, path: &str, headers: &HeaderMap, now: Timestamp) -> Result<Answer, Idiom> {
        let by_id = path.trim_matches('/').rsplit('/').next() == Some(ROLE);
        let is_authorized = headers.get(AUTHORIZATION_FIELD).is_some_and(|value| value == AUTHORIZATION);
        if path.trim_end_matches('/') == CONTAINER_PATH && !is_authorized {
            return Err(Idiom::InvalidCredentials);
        }
        if !by_id && !is_authorized {
            return Err(Idiom::NotFound);
        }
        let [key, secret, token] = self.keys();
        let mut answer = as_text(&json!({
            "RoleArn": format!("arn:aws:iam::{ACCOUNT}:role/{ROLE}"),
            "AccessKeyId": key,
            "SecretAccessKey": secret,
            "Token": token,
            "Expiration": second(now.checked_add(LIFE).unwrap_or(now)),
        }));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer.headers_mut().remove(SERVER);
        Ok(answer)
    }

    fn keys(&self) -> [String; 3] {
        let number = self.given.fetch_add(1, Ordering::Relaxed) + 1;
        let key = format!("ASIAEXAMPLE{number:09}");
        [
            key,
            "squall/stand-in/opens/nothing/EXAMPLEKEY".to_owned(),
            format!("squall-stand-in-EXAMPLE-session-{number}"),
        ]
    }
}

fn refused(request: &AwsRequest, why: Idiom, now: Timestamp) -> Answer {
    let answer = synthesize(request, &idiom(request, why), &Stamp { date: now, id: 0 });
    let mut response = Response::new(Full::new(answer.body));
    (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers);
    response
}

fn as_text(value: &Value) -> Answer {
    text(format!("{value:#}"))
}

fn text(text: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(SERVER, HeaderValue::from_static("EC2ws"));
    response
}

fn second(moment: Timestamp) -> String {
    moment.round(Unit::Second).unwrap_or(moment).to_string()
}

const ROLE: &str = "squall-stand-in";
const ACCOUNT: &str = "123456789012";
const AMI: &str = "ami-0123456789abcdef0";
const INSTANCE: &str = "i-0123456789abcdef0";
const TYPE: &str = "t3.micro";
const ADDRESS: &str = "10.0.0.10";
/// As credentials of a role on an instance last.
const LIFE: SignedDuration = SignedDuration::from_hours(6);
/// Keeps tokens apart from what else the same seed is used for.
const TOKENS: u64 = 0x746f_6b65_6e73_4958;
const LONGEST_TOKEN: i64 = 21_600;
const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const TOKEN_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");

#[cfg(test)]
mod tests;
