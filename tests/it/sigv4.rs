//! What boto3 signs still verifies behind Squall: an upstream that computes every signature anew sees no difference.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;

use crate::support::squall;
use crate::support::upstream::{Request, Upstream};

const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn field<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let lines = request.head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

/// What stands between `start` and the next comma or the end.
fn part<'a>(authorization: &'a str, start: &str) -> &'a str {
    authorization.split(start).nth(1).unwrap().split(',').next().unwrap().trim()
}

/// Computes the signature of a request anew; the error says what differs.
fn verify(request: &Request) -> Result<(), String> {
    let authorization = field(request, "authorization").ok_or("it is not signed")?;
    let scope: Vec<_> = part(authorization, "Credential=").split('/').collect();
    let [KEY_ID, _, region, service, "aws4_request"] = scope[..] else { return Err(format!("odd scope {scope:?}")) };
    let signed: Vec<_> = part(authorization, "SignedHeaders=").split(';').collect();
    let headers: Vec<_> = signed.iter().filter_map(|name| Some((*name, field(request, name)?))).collect();
    if headers.len() != signed.len() {
        return Err(format!("signed {signed:?}, and of these only {headers:?} arrived"));
    }
    let mut settings = SigningSettings::default();
    settings.excluded_headers = None;
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let body = match field(request, "x-amz-content-sha256") {
        None => SignableBody::Bytes(&request.body),
        Some("UNSIGNED-PAYLOAD") => SignableBody::UnsignedPayload,
        Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER") => SignableBody::StreamingUnsignedPayloadTrailer,
        Some(hash) => SignableBody::Precomputed(hash.to_owned()),
    };
    let mut line = request.head.lines().next().unwrap().split(' ');
    let (method, target) = (line.next().unwrap(), line.next().unwrap());
    let uri = format!("https://{}{target}", field(request, "host").unwrap());
    let identity = Credentials::new(KEY_ID, SECRET, None, None, "test").into();
    let time = field(request, "x-amz-date").unwrap();
    let time: jiff::civil::DateTime = time.trim_end_matches('Z').parse().unwrap();
    let time = SystemTime::from(time.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp());
    let params =
        v4::SigningParams::builder().identity(&identity).region(region).name(service).time(time).settings(settings);
    let params = params.build().unwrap().into();
    let signable = SignableRequest::new(method, uri, headers.into_iter(), body).map_err(|e| e.to_string())?;
    let computed = sign(signable, &params).map_err(|e| e.to_string())?.into_parts().1;
    let given = part(authorization, "Signature=");
    if computed == given { Ok(()) } else { Err(format!("signature {given}, computed {computed}")) }
}

/// The payload of an aws-chunked body inside HTTP's own chunks, and its crc32 trailer, held against each other.
fn verify_trailer(body: &[u8]) -> Result<usize, String> {
    let mut aws_chunked = Vec::new();
    let mut rest = body;
    while let Some((data, after)) = next_chunk(rest)? {
        aws_chunked.extend_from_slice(data);
        rest = after;
    }
    let (mut payload, mut rest) = (Vec::new(), aws_chunked.as_slice());
    while let Some((data, after)) = next_chunk(rest)? {
        payload.extend_from_slice(data);
        rest = after;
    }
    let trailer = std::str::from_utf8(rest)
        .unwrap()
        .lines()
        .find_map(|l| l.strip_prefix("x-amz-checksum-crc32:"))
        .map(str::to_owned);
    let trailer = trailer.ok_or_else(|| format!("no trailer in {:?}", String::from_utf8_lossy(rest)))?;
    let computed = base64(crc32fast::hash(&payload).to_be_bytes());
    if trailer.trim() == computed { Ok(payload.len()) } else { Err(format!("trailer {trailer}, computed {computed}")) }
}

type Chunk<'a> = Option<(&'a [u8], &'a [u8])>;

/// The first chunk's data and what follows it; `None` after the last, whose line is then skipped.
fn next_chunk(bytes: &[u8]) -> Result<Chunk<'_>, String> {
    let end = bytes.windows(2).position(|w| w == b"\r\n").ok_or("a chunk without a size")?;
    let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).map_err(|e| e.to_string())?;
    let data = &bytes[end + 2..];
    Ok((size > 0).then(|| (&data[..size], &data[size + 2..])))
}

/// Four bytes in base64, as a crc32 is written.
fn base64(bytes: [u8; 4]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = u64::from(u32::from_be_bytes(bytes)) << 4;
    let digits = (0..6).rev().map(|i| char::from(DIGITS[usize::try_from(bits >> (6 * i) & 63).unwrap()]));
    digits.collect::<String>() + "=="
}

fn answer(request: &Request) -> Vec<u8> {
    let (kind, body) = match field(request, "x-amz-target") {
        Some(_) => ("application/x-amz-json-1.0", "{}"),
        None if request.head.starts_with("POST") => ("text/xml", "<R><GetCallerIdentityResult/></R>"),
        None => ("application/xml", "<ListBucketResult/>"),
    };
    format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nETag: \"e\"\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_signature_of_boto3_verifies_upstream_uploads_with_trailers_included() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/python");
    let python = match tokio::task::spawn_blocking({
        let folder = folder.clone();
        move || crate::sdk::python(&folder)
    })
    .await
    .unwrap()
    {
        Ok(python) => python,
        Err(why) if std::env::var_os("SQUALL_SDKS").is_some_and(|sdks| sdks == "all") => panic!("{why}"),
        Err(why) => return println!("skipped: {why}"),
    };
    let wrong: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&wrong);
    let aws = Upstream::tls(move |request| {
        let mut checked = verify(request);
        if field(request, "x-amz-trailer").is_some() {
            checked = checked.and_then(|()| verify_trailer(&request.body).map(drop));
        }
        if let Err(why) = checked {
            seen.lock().unwrap().push(format!("{}: {why}", request.head));
        }
        answer(request)
    })
    .await;
    let squall = squall::calm().toward(&aws).run();
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, &squall.trust_anchor).unwrap();
    let mut program = Command::new(python);
    program
        .arg(folder.join("sigv4/client.py"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", dir.path());
    program.env("HTTPS_PROXY", format!("http://{}", squall.address)).env("AWS_CA_BUNDLE", &ca);
    program.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET).env("PYTHONDONTWRITEBYTECODE", "1");
    let ran = tokio::task::spawn_blocking(move || program.stdin(Stdio::null()).output().unwrap()).await.unwrap();
    let wrong = wrong.lock().unwrap().clone();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let requests = aws.requests();
    let lines: Vec<_> = requests.iter().map(|r| r.head.lines().next().unwrap()).collect();
    assert_eq!(requests.len(), 6, "{lines:?}");
    let trailers = requests.iter().filter(|r| field(r, "x-amz-trailer").is_some()).count();
    assert_eq!(trailers, 2, "both uploads are to come aws-chunked with a trailer: {lines:?}");
    // A verifier that accepts anything would have said the same: a bent request must not verify.
    for (what, from, to) in [("target", "odd%20key", "odd+key"), ("field", "X-Amz-Date: 2", "X-Amz-Date: 1")] {
        let whole = requests.iter().find(|r| r.head.contains(from)).unwrap();
        let bent = Request { head: whole.head.replace(from, to), ..whole.clone() };
        assert!(verify(&bent).is_err(), "a bent {what} verifies");
    }
}
