//! Two runs of one program, compared. What a client itself makes anew on each run is masked, and nothing else.

use crate::support::aws_chunked;
use crate::support::upstream::Request;

/// What precedes a value that differs from run to run, and the characters the value is made of. All are looked for in heads alone.
const VARYING: &[(&str, &str)] = &[
    // The time of signing: `X-Amz-Date`, and the day in the credential's scope, in fields and in presigned queries.
    ("x-amz-date: ", WORD),
    ("x-amz-date=", WORD),
    ("credential=akiaiosfodnn7example/", DIGITS),
    ("credential=akiaiosfodnn7example%2f", DIGITS),
    // So the signature.
    ("signature=", WORD),
    // A random UUID for each call.
    ("amz-sdk-invocation-id: ", UUID),
];

const DIGITS: &str = "0123456789";
const UUID: &str = "0123456789abcdefABCDEF-";
const WORD: &str = "0123456789abcdefABCDEFTZ";

/// Sorted so that requests sent at once compare; those to one operation keep their order. `address`, which is where the
/// client was sent, becomes a word: its port is another in each run.
pub(super) fn normal(requests: &[Request], address: &str) -> Vec<Request> {
    let mut requests: Vec<_> = requests.iter().map(|request| masked(request, address)).collect();
    requests.sort_by_cached_key(|request| {
        let fields: Vec<_> = ["host", "x-amz-target"].map(|name| request.field(name).map(str::to_owned)).into();
        (request.method().to_owned(), request.target().to_owned(), fields)
    });
    requests
}

fn masked(request: &Request, address: &str) -> Request {
    let mut masked = request.clone();
    masked.head =
        VARYING.iter().fold(request.head.replace(address, "ADDRESS"), |head, (start, value)| mask(&head, start, value));
    masked.body = body(request);
    if let Some(text) = std::str::from_utf8(&masked.body).ok().filter(|text| text.contains(address)) {
        masked.body = text.replace(address, "ADDRESS").into();
    }
    if let Some(http2) = &mut masked.http2 {
        http2.authority = http2.authority.replace(address, "ADDRESS");
    }
    masked
}

fn mask(text: &str, start: &str, of: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let (mut masked, mut done) = (String::new(), 0);
    for (at, _) in lower.match_indices(start) {
        let value = at + start.len();
        masked += &text[done..value];
        masked.push('*');
        done = value + text[value..].find(|c| !of.contains(c)).unwrap_or(text.len() - value);
    }
    masked + &text[done..]
}

/// The body without HTTP's chunks, whose sizes are every hop's own affair; of signed chunks inside, the signatures are masked.
fn body(request: &Request) -> Vec<u8> {
    let payload = request.payload();
    if !request.field("x-amz-content-sha256").is_some_and(|hash| hash.starts_with("STREAMING-AWS4")) {
        return payload;
    }
    let body = aws_chunked::Body::read(&payload).unwrap();
    let chunks = body
        .chunks
        .iter()
        .map(|c| [format!("{:x};{}\n", c.data.len(), c.signature.is_some()).as_bytes(), c.data].concat());
    let trailers = body.trailers.iter().map(|(name, value)| match *name {
        "x-amz-trailer-signature" => format!("{name}:*\n").into_bytes(),
        name => format!("{name}:{value}\n").into_bytes(),
    });
    chunks.chain(trailers).flatten().collect()
}

/// The first difference. Over one version of HTTP all must be the same, order and case of fields included; over two, what both have.
pub(super) fn difference(without: &Request, through: &Request) -> Option<String> {
    let same_version = without.http2.is_some() == through.http2.is_some();
    let pair = if same_version { (without.clone(), through.clone()) } else { (semantic(without), semantic(through)) };
    let (without, through) = pair;
    if without.head != through.head {
        return Some(format!("without Squall:\n{}through Squall:\n{}", without.head, through.head));
    }
    if without.http2 != through.http2 {
        return Some(format!(
            "{}without Squall: {:?}\nthrough Squall: {:?}",
            without.head, without.http2, through.http2
        ));
    }
    let same = without.body.iter().zip(&through.body).take_while(|(a, b)| a == b).count();
    let lengths = (without.body.len(), through.body.len());
    (without.body != through.body).then(|| format!("{}bodies of {lengths:?} bytes differ after {same}", without.head))
}

/// What a request says in either version: names in lower case, the authority as `host` in front, nothing of a connection's own.
fn semantic(request: &Request) -> Request {
    let own = ["host", "connection", "keep-alive", "transfer-encoding", "te"];
    let mut head = format!("{} {}\r\nhost: {}\r\n", request.method(), request.target(), request.field("host").unwrap());
    for (name, value) in request.fields().map(|(name, value)| (name.to_ascii_lowercase(), value)) {
        // That nothing follows is said by an empty body in HTTP/2 as well.
        let is_own = own.contains(&name.as_str()) || (name == "content-length" && value == "0");
        if !is_own {
            head += &format!("{name}: {value}\r\n");
        }
    }
    Request { head, body: request.body.clone(), http2: None }
}
