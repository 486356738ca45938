//! The far end's judgement of a signature: computed anew from what arrived, by AWS's documents and in code of its own.
//!
//! The Rust SDK signs with the crate `aws-sigv4`; that crate here would find its own mistakes right.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use aws_lc_rs::{digest, hmac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::aws_chunked;
use super::upstream::Request;

pub(crate) const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

const V4: &str = "AWS4-HMAC-SHA256";
const V4A: &str = "AWS4-ECDSA-P256-SHA256";
/// What SigV4 leaves as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// How a request that verified was signed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Signed {
    pub(crate) algorithm: &'static str,
    /// In the query, as presigned URLs are.
    pub(crate) presigned: bool,
    /// `x-amz-content-sha256`, a hash called just that; or that there was none.
    pub(crate) payload: String,
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.presigned { "presigned" } else { "in a field" };
        write!(f, "{}, {place}, payload: {}", self.algorithm, self.payload)
    }
}

/// Signature, payload hash, signatures of chunks and of the trailer, and checksums; the error says what does not hold.
pub(crate) fn verify(request: &Request) -> Result<Signed, String> {
    let signed = verify_signatures(request)?;
    aws_chunked::verify_checksums(request)?;
    Ok(signed)
}

/// As [`verify`], without checksums.
pub(crate) fn verify_signatures(request: &Request) -> Result<Signed, String> {
    let claim = Claim::read(request)?;
    let payload = request.payload();
    let given = request.field("x-amz-content-sha256");
    let computed = match given {
        Some(given) => given.to_owned(),
        None if claim.presigned && claim.service() == "s3" => "UNSIGNED-PAYLOAD".to_owned(),
        None => sha256(&payload),
    };
    let canonical = claim.canonical_request(request, &computed)?;
    let key = claim.key()?;
    let to_sign = format!("{}\n{}\n{}\n{}", claim.algorithm, claim.time, claim.scope(), sha256(canonical.as_bytes()));
    key.check(&to_sign, &claim.signature).map_err(|why| format!("{why}; canonical request:\n{canonical}"))?;
    let is_hash = given.is_some_and(|given| given.len() == 64);
    if is_hash && computed != sha256(&payload) {
        return Err(format!("the payload's hash is given as {computed}, and is {}", sha256(&payload)));
    }
    if let Some(kind) = given.and_then(|given| given.strip_prefix("STREAMING-")).filter(|kind| kind.starts_with("AWS4"))
    {
        let chain = Chain { claim: &claim, key: &key, last: claim.signature.clone() };
        chain.check(&payload, kind.ends_with("-TRAILER"))?;
    }
    let payload = given.map_or("none", |given| if is_hash { "hash" } else { given }).to_owned();
    Ok(Signed { algorithm: claim.algorithm, presigned: claim.presigned, payload })
}

/// Lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

/// What a request says of its own signature.
struct Claim {
    algorithm: &'static str,
    presigned: bool,
    /// Date, region (not in SigV4a), service, `aws4_request`.
    scope: Vec<String>,
    time: String,
    signed: Vec<String>,
    signature: String,
}

impl Claim {
    fn read(request: &Request) -> Result<Self, String> {
        let (presigned, parts, time) = match request.field("authorization") {
            Some(authorization) => (false, in_header(authorization)?, request.field("x-amz-date").map(str::to_owned)),
            None => (
                true,
                in_query(request.target()),
                query(request.target()).find_map(|(n, v)| (n == "X-Amz-Date").then_some(v)),
            ),
        };
        let part = |name: &str| {
            let found = parts.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
            found.ok_or_else(|| format!("it is not signed: no {name}"))
        };
        let algorithm = match part("Algorithm")?.as_str() {
            V4 => V4,
            V4A => V4A,
            other => return Err(format!("unknown algorithm {other}")),
        };
        let mut scope: Vec<_> = part("Credential")?.split('/').map(str::to_owned).collect();
        if scope.remove(0) != KEY_ID || scope.len() != if algorithm == V4 { 4 } else { 3 } {
            return Err(format!("odd scope {scope:?}"));
        }
        let time = time.ok_or("no x-amz-date")?;
        if !time.starts_with(&scope[0]) {
            return Err(format!("signed at {time}, for {}", scope[0]));
        }
        let signed = part("SignedHeaders")?.split(';').map(str::to_owned).collect::<Vec<_>>();
        // The SDK for JavaScript signs the pseudo-header where it speaks HTTP/2.
        if !signed.iter().any(|name| name == "host" || name == ":authority") {
            return Err("the host is not signed".to_owned());
        }
        Ok(Self { algorithm, presigned, scope, time, signed, signature: part("Signature")? })
    }

    fn service(&self) -> &str {
        &self.scope[self.scope.len() - 2]
    }

    fn scope(&self) -> String {
        self.scope.join("/")
    }

    fn canonical_request(&self, request: &Request, payload: &str) -> Result<String, String> {
        let (path, _) = request.target().split_once('?').unwrap_or_else(|| (request.target(), ""));
        let mut pairs: Vec<_> = query(request.target())
            .filter(|(name, _)| !self.presigned || name != "X-Amz-Signature")
            .map(|(name, value)| (encode(&name, UNRESERVED).into_owned(), encode(&value, UNRESERVED).into_owned()))
            .collect();
        pairs.sort_unstable();
        let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        // Every other service signs the encoded path encoded once more.
        let path =
            if self.service() == "s3" { path.to_owned() } else { encode(&without_dots(path), PATH).into_owned() };
        let mut fields = String::new();
        for name in &self.signed {
            let values = request.values(name);
            if values.is_empty() {
                return Err(format!("{name} is signed and did not arrive"));
            }
            let trimmed = values.iter().map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "));
            fields += &format!("{name}:{}\n", trimmed.collect::<Vec<_>>().join(","));
        }
        let (method, signed) = (request.method(), self.signed.join(";"));
        Ok(format!("{method}\n{path}\n{}\n{fields}\n{signed}\n{payload}", pairs.join("&")))
    }

    fn key(&self) -> Result<Key, String> {
        if self.algorithm == V4A {
            return Key::v4a();
        }
        let first = format!("AWS4{SECRET}").into_bytes();
        let key = self.scope.iter().fold(first, |key, step| mac(&key, step.as_bytes()));
        Ok(Key::V4(key))
    }
}

/// The parts of an Authorization field, the algorithm among them.
fn in_header(authorization: &str) -> Result<Vec<(String, String)>, String> {
    let (algorithm, rest) = authorization.split_once(' ').ok_or("an Authorization of one word")?;
    let parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
    let parts = parts.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok([("Algorithm".to_owned(), algorithm.to_owned())].into_iter().chain(parts).collect())
}

/// The same of a presigned URL.
fn in_query(target: &str) -> Vec<(String, String)> {
    query(target).filter_map(|(name, value)| Some((name.strip_prefix("X-Amz-")?.to_owned(), value))).collect()
}

fn query(target: &str) -> impl Iterator<Item = (String, String)> {
    let (_, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(name, value)| (decode(name), decode(value)))
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn encode<'a>(text: &'a str, kept: &'static AsciiSet) -> Cow<'a, str> {
    utf8_percent_encode(text, kept).into()
}

/// A path without empty, `.` and `..` segments, as every service but S3 signs it.
fn without_dots(path: &str) -> String {
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{slash}", kept.join("/"))
}

fn mac(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref().to_vec()
}

/// What signatures are held against.
enum Key {
    V4(Vec<u8>),
    V4a(UnparsedPublicKey<Vec<u8>>),
}

impl Key {
    /// The private key follows from the secret (NIST SP 800-108 in counter mode), and from that the public one.
    fn v4a() -> Result<Self, String> {
        /// The order of P-256 less two.
        const MOST: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254f";
        let secret = format!("AWS4A{SECRET}").into_bytes();
        let candidates = (1..=254_u8).map(|counter| {
            let context = [V4A.as_bytes(), &[0], KEY_ID.as_bytes(), &[counter]].concat();
            mac(&secret, &[&1_u32.to_be_bytes()[..], &context, &256_u32.to_be_bytes()].concat())
        });
        let mut private = candidates.into_iter().find(|k| hex::encode(k).as_str() <= MOST).ok_or("no private key")?;
        for byte in private.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        let private = PrivateKey::from_private_key(&ECDH_P256, &private).map_err(|e| e.to_string())?;
        let public = private.compute_public_key().map_err(|e| e.to_string())?;
        Ok(Self::V4a(UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public.as_ref().to_vec())))
    }

    fn check(&self, to_sign: &str, given: &str) -> Result<(), String> {
        match self {
            Self::V4(key) => {
                let computed = hex::encode(mac(key, to_sign.as_bytes()));
                let differs = || format!("signature {given}, computed {computed}");
                (computed == given).then_some(()).ok_or_else(differs)
            }
            Self::V4a(key) => {
                let signature = hex::decode(given).map_err(|e| e.to_string())?;
                key.verify(to_sign.as_bytes(), &signature).map_err(|_| format!("signature {given} is not of this key"))
            }
        }
    }
}

/// Each chunk is signed together with the signature before it, the first with the request's own.
struct Chain<'a> {
    claim: &'a Claim,
    key: &'a Key,
    last: String,
}

impl Chain<'_> {
    fn check(mut self, payload: &[u8], has_trailer: bool) -> Result<(), String> {
        let body = aws_chunked::Body::read(payload)?;
        for (i, chunk) in body.chunks.iter().enumerate() {
            let hashes = format!("{}\n{}", sha256(b""), sha256(chunk.data));
            self.link("PAYLOAD", &hashes, chunk.signature).map_err(|why| format!("chunk {i}: {why}"))?;
        }
        if !has_trailer {
            return Ok(());
        }
        let (signatures, fields): (Vec<_>, Vec<_>) =
            body.trailers.iter().partition(|(name, _)| *name == "x-amz-trailer-signature");
        let lines = fields.iter().map(|(name, value)| format!("{name}:{value}\n")).collect::<String>();
        let signature = signatures.first().map(|(_, value)| *value);
        self.link("TRAILER", &sha256(lines.as_bytes()), signature).map_err(|why| format!("trailer: {why}"))
    }

    fn link(&mut self, what: &str, hashes: &str, signature: Option<&str>) -> Result<(), String> {
        let signature = signature.ok_or("it is not signed")?;
        let Claim { algorithm, time, .. } = self.claim;
        let to_sign = format!("{algorithm}-{what}\n{time}\n{}\n{}\n{hashes}", self.claim.scope(), self.last);
        self.key.check(&to_sign, signature)?;
        signature.clone_into(&mut self.last);
        Ok(())
    }
}
