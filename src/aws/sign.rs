//! Signing a request anew, because its host or its body is no longer the one that was signed.
//!
//! [`Claim::read`] reads what a request says of its own signature, and [`Claim::sign`] puts another in its place: of the same variant
//! (SigV4 or SigV4a, in a field or in the query), over the same fields, made at the same time, so that what had expired stays
//! expired. A body that signs each of its chunks goes through [`Chunks`] then. What was not signed stays so. The signatures themselves
//! are made by `aws-sigv4`.

mod chunks;

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    self, PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningError,
    SigningParams, SigningSettings, UriPathNormalizationMode,
};
use aws_sigv4::sign::{v4, v4a};
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Uri, Version};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub use self::chunks::{ChunkError, Chunks};
use super::request::Head;
use super::uri;

/// What a request says of its own signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    variant: Variant,
    /// For how long a presigned request is good; `None`: it is signed in its fields.
    expires: Option<Duration>,
    service: String,
    time: SystemTime,
    /// Names of the signed fields, in lower case.
    signed: Vec<String>,
    payload: Payload,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Variant {
    V4 { region: String },
    V4a { regions: String },
}

/// What of the body is signed.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Payload {
    /// Its hash, which is told nowhere.
    Computed,
    /// What `x-amz-content-sha256` says, as a text.
    Given(String),
    /// Nothing, which goes without saying.
    Unsigned,
}

/// Why a request cannot be signed anew.
#[derive(Debug, thiserror::Error)]
pub enum Unsignable {
    /// By an older scheme.
    #[error("it is signed with {0}, which cannot be done anew here; make the client use Signature Version 4")]
    Old(&'static str),
    /// Each event of a stream carries a signature.
    #[error("it signs its body as {0}, which cannot be done anew here")]
    Payload(String),
    /// It says of its signature what nobody understands.
    #[error("its signature cannot be read: {0}")]
    Malformed(&'static str),
    /// The signer gave up.
    #[error("it cannot be signed: {0}")]
    Signer(#[from] SigningError),
}

impl Claim {
    /// Reads it; `None`: the request is not signed, or only with a token that goes to any host.
    pub fn read(head: &Head<'_>) -> Result<Option<Self>, Unsignable> {
        if let Some(value) = head.headers.get(AUTHORIZATION) {
            let value = value.to_str().map_err(|_| Unsignable::Malformed("Authorization"))?;
            return Self::in_field(head, value);
        }
        let Some(query) = head.query else { return Ok(None) };
        if uri::query_value(query, "X-Amz-Signature").is_some() {
            return Self::in_query(head, query).map(Some);
        }
        let old = ["AWSAccessKeyId", "Signature"].iter().all(|name| uri::query_value(query, name).is_some());
        if old { Err(Unsignable::Old("Signature Version 2")) } else { Ok(None) }
    }

    fn in_field(head: &Head<'_>, value: &str) -> Result<Option<Self>, Unsignable> {
        let (scheme, rest) = value.trim_start().split_once(' ').unwrap_or((value, ""));
        match scheme {
            V4 | V4A => {}
            "AWS" => return Err(Unsignable::Old("S3's Signature Version 2")),
            "AWS3" | "AWS3-HTTPS" => return Err(Unsignable::Old("Signature Version 3")),
            _ => return Ok(None),
        }
        let part = |name: &str| {
            rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=').map(Cow::Borrowed))
        };
        let time = head.header("x-amz-date").ok_or(Unsignable::Malformed("there is no X-Amz-Date"))?;
        let regions = head.header("x-amz-region-set").map(Cow::Borrowed);
        let payload = match head.header("x-amz-content-sha256") {
            Some(given) => Payload::Given(given.to_owned()),
            None => Payload::Computed,
        };
        Self::assemble(scheme, part("Credential"), regions, part("SignedHeaders"), time, payload).map(Some)
    }

    fn in_query(head: &Head<'_>, query: &str) -> Result<Self, Unsignable> {
        let part = |name: &str| uri::query_value(query, name).map(uri::decoded);
        let time = part("X-Amz-Date").ok_or(Unsignable::Malformed("there is no X-Amz-Date"))?;
        let scheme = part("X-Amz-Algorithm").unwrap_or_default();
        let (credential, signed) = (part("X-Amz-Credential"), part("X-Amz-SignedHeaders"));
        let mut claim =
            Self::assemble(&scheme, credential, part("X-Amz-Region-Set"), signed, &time, Payload::Computed)?;
        if let Some(given) = head.header("x-amz-content-sha256").map(Cow::Borrowed).or_else(|| part(CONTENT_SHA256)) {
            claim.payload = Payload::Given(given.into_owned());
        } else if claim.is_s3() {
            claim.payload = Payload::Unsigned;
        }
        let expires = part("X-Amz-Expires").and_then(|text| text.parse().ok());
        claim.expires = Some(Duration::from_secs(expires.ok_or(Unsignable::Malformed("X-Amz-Expires"))?));
        Ok(claim)
    }

    fn assemble(
        scheme: &str,
        credential: Option<Cow<'_, str>>,
        regions: Option<Cow<'_, str>>,
        signed: Option<Cow<'_, str>>,
        time: &str,
        payload: Payload,
    ) -> Result<Self, Unsignable> {
        let credential = credential.ok_or(Unsignable::Malformed("there is no Credential"))?;
        // From its end: emulators allow any access key.
        let mut scope = credential.rsplit('/').skip(1);
        let mut next = || scope.next().map(str::to_owned).ok_or(Unsignable::Malformed("Credential"));
        let service = next()?;
        let variant = match scheme {
            V4 => Variant::V4 { region: next()? },
            V4A => Variant::V4a { regions: regions.unwrap_or(Cow::Borrowed("*")).into_owned() },
            _ => return Err(Unsignable::Malformed("its algorithm is unknown")),
        };
        let signed = signed.ok_or(Unsignable::Malformed("there is no SignedHeaders"))?;
        let signed = signed.split(';').map(str::to_ascii_lowercase).collect();
        if let Payload::Given(given) = &payload
            && given.starts_with("STREAMING-")
            && !KNOWN_STREAMS.contains(&given.as_str())
        {
            return Err(Unsignable::Payload(given.clone()));
        }
        Ok(Self { variant, expires: None, service, time: moment(time)?, signed, payload })
    }

    /// Whether the body must be known whole before the request can be signed.
    pub fn needs_body(&self) -> bool {
        self.payload == Payload::Computed
    }

    /// Signs the request for `host`, and for `region` where that is not the one it was signed for. `body` counts only where
    /// [`Claim::needs_body`] says so. A body that comes back as [`Chunks`] must go through them.
    pub fn sign<B>(
        &self,
        request: &mut Request<B>,
        host: &str,
        region: Option<&str>,
        credentials: &Credentials,
        body: &[u8],
    ) -> Result<Option<Chunks>, Unsignable> {
        rename(request, host)?;
        self.strip(request)?;
        let identity = credentials.clone().into();
        let settings = self.settings();
        let params: SigningParams<'_> = match &self.variant {
            Variant::V4 { region: signed } => {
                let builder = v4::SigningParams::builder().identity(&identity).name(&self.service).time(self.time);
                let built = builder.region(region.unwrap_or(signed)).settings(settings).build();
                built.map_err(|_| Unsignable::Malformed("a part is missing"))?.into()
            }
            Variant::V4a { regions } => {
                let builder = v4a::SigningParams::builder().identity(&identity).name(&self.service).time(self.time);
                let built = builder.region_set(regions).settings(settings).build();
                built.map_err(|_| Unsignable::Malformed("a part is missing"))?.into()
            }
        };
        let body = match &self.payload {
            Payload::Computed => SignableBody::Bytes(body),
            Payload::Given(given) => SignableBody::Precomputed(given.clone()),
            Payload::Unsigned => SignableBody::UnsignedPayload,
        };
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let (method, uri) = (request.method().as_str(), format!("https://{host}{target}"));
        let signable = SignableRequest::new(method, uri, self.fields(request.headers(), host), body)?;
        let (instructions, signature) = http_request::sign(signable, &params)?.into_parts();
        let (fields, query) = instructions.into_parts();
        for field in fields {
            let mut value = HeaderValue::from_str(field.value()).map_err(|_| Unsignable::Malformed(field.name()))?;
            value.set_sensitive(field.sensitive());
            request.headers_mut().insert(field.name(), value);
        }
        if !query.is_empty() {
            append(request.uri_mut(), &query)?;
        }
        Ok(self.chunks(region, credentials, signature))
    }

    fn chunks(&self, region: Option<&str>, credentials: &Credentials, signature: String) -> Option<Chunks> {
        let (Payload::Given(given), Variant::V4 { region: signed }) = (&self.payload, &self.variant) else {
            return None;
        };
        let is_signed = given == SIGNED_CHUNKS || given == SIGNED_CHUNKS_AND_TRAILER;
        let region = region.unwrap_or(signed).to_owned();
        is_signed.then(|| Chunks::new(credentials.clone(), region, self.service.clone(), self.time, signature))
    }

    fn settings(&self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        // What is signed is what was signed before.
        settings.excluded_headers = None;
        settings.expires_in = self.expires;
        if self.expires.is_some() {
            settings.signature_location = SignatureLocation::QueryParams;
        } else if matches!(self.payload, Payload::Given(_)) {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if self.is_s3() {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        settings
    }

    /// S3 takes paths as they are, all other services as RFC 3986 normalises them, encoded once more.
    fn is_s3(&self) -> bool {
        matches!(self.service.as_str(), "s3" | "s3-object-lambda" | "s3-outposts" | "s3express")
    }

    /// The signed fields with their values, without those that the signer adds.
    fn fields<'a>(&'a self, headers: &'a HeaderMap, host: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let own = move |name: &str| match name {
            "host" | ":authority" => true,
            "x-amz-date" | "x-amz-security-token" | "x-amz-region-set" => true,
            "x-amz-content-sha256" => self.expires.is_none(),
            _ => false,
        };
        let others = self.signed.iter().filter(move |name| !own(name));
        let values = others.flat_map(|name| {
            let values = headers.get_all(name.as_str()).iter();
            values.filter_map(move |value| Some((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?)))
        });
        std::iter::once(("host", host)).chain(values)
    }

    /// Takes the old signature out.
    fn strip<B>(&self, request: &mut Request<B>) -> Result<(), Unsignable> {
        request.headers_mut().remove(SECURITY_TOKEN);
        if self.expires.is_none() {
            request.headers_mut().remove(AUTHORIZATION);
            return Ok(());
        }
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let kept: Vec<_> = query.split('&').filter(|pair| !is_of_signature(pair)).collect();
        let target = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
        set_target(request.uri_mut(), &target)
    }
}

/// Puts another host into a request, in whichever place its version of HTTP has it.
pub fn rename<B>(request: &mut Request<B>, host: &str) -> Result<(), Unsignable> {
    let malformed = || Unsignable::Malformed("the host");
    if request.version() == Version::HTTP_2 && request.uri().authority().is_some() {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.authority = Some(host.parse().map_err(|_| malformed())?);
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| malformed())?;
        request.headers_mut().remove(HOST);
        return Ok(());
    }
    let host = HeaderValue::from_str(host).map_err(|_| malformed())?;
    request.headers_mut().insert(HOST, host);
    Ok(())
}

fn set_target(uri: &mut Uri, target: &str) -> Result<(), Unsignable> {
    let malformed = |_| Unsignable::Malformed("the request target");
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(target.parse().map_err(malformed)?);
    *uri = Uri::from_parts(parts).map_err(|_| Unsignable::Malformed("the request target"))?;
    Ok(())
}

fn append(uri: &mut Uri, query: &[(&'static str, Cow<'static, str>)]) -> Result<(), Unsignable> {
    let mut target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    for (name, value) in query {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(name);
        target.push('=');
        target.extend(utf8_percent_encode(value, RESERVED));
    }
    set_target(uri, &target)
}

fn is_of_signature(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    OF_SIGNATURE.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// `20261121T042756Z`
fn moment(text: &str) -> Result<SystemTime, Unsignable> {
    super::skew::moment(text).map(SystemTime::from).ok_or(Unsignable::Malformed("X-Amz-Date"))
}

const V4: &str = "AWS4-HMAC-SHA256";
const V4A: &str = "AWS4-ECDSA-P256-SHA256";
const SIGNED_CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_CHUNKS_AND_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const KNOWN_STREAMS: [&str; 3] = [SIGNED_CHUNKS, SIGNED_CHUNKS_AND_TRAILER, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"];
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const CONTENT_SHA256: &str = "X-Amz-Content-Sha256";
const OF_SIGNATURE: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Region-Set",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];
/// All that is not unreserved in RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests;
