//! Clients that were led to Squall on their way elsewhere: what is AWS's is looked into, all else passes as it came.
//!
//! A listener of another loopback address stands for the transparent socket, so that no rules of the kernel's are needed here.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::squall::Squall;
use crate::support::upstream::{HOST, Upstream};
use crate::support::{client, soon, squall};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const THROTTLE: &str = "name: t\nrules:\n  - name: all\n    match: {service: dynamodb}\n    fault: throttle\n";
/// One that DynamoDB would understand.
const SCAN: &str = "POST / HTTP/1.1\r\nHost: dynamodb.us-east-1.amazonaws.com\r\nX-Amz-Target: DynamoDB_20120810.Scan\r\nContent-Length: 2\r\n\r\n{}";

/// Squall with this profile, leading clients to `aws`.
fn led_to(profile: &str, aws: &Upstream) -> (Squall, SocketAddr) {
    squall::profile(profile).all_at(aws.address, aws.root()).run().leading(aws.address.port())
}

const CALM: &str = "name: calm\nrules: []\n";

#[tokio::test]
async fn tls_to_a_name_of_awss_is_looked_into_and_goes_where_the_client_went() {
    let aws = Upstream::tls(|_| OK.into()).await;
    let (squall, door) = led_to(CALM, &aws);
    let mut stream = client::secure(client::connect(door).await, HOST, &squall.trust_anchor).await.unwrap();
    assert_eq!(client::exchange(&mut stream, SCAN).await.text(), "hi");
    assert_eq!(aws.only_request().head, SCAN.trim_end_matches("{}"));
    drop(stream);

    let (squall, door) = led_to(THROTTLE, &Upstream::tls(|_| OK.into()).await);
    let mut stream = client::secure(client::connect(door).await, HOST, &squall.trust_anchor).await.unwrap();
    let answer = client::exchange(&mut stream, SCAN).await;
    assert_eq!((answer.status(), answer.field("x-squall-fault").as_deref()), (400, Some("all")));
}

#[tokio::test]
async fn tls_to_other_names_and_without_a_name_is_carried_through_undecrypted() {
    let far = Upstream::tls(|_| OK.into()).await;
    let (squall, door) = led_to(THROTTLE, &far);
    let root = far.root_pem();
    for name in ["www.example.test", "127.0.0.1"] {
        let mut stream = client::secure(client::connect(door).await, name, &root).await.unwrap();
        assert_eq!(client::exchange(&mut stream, SCAN).await.text(), "hi", "{name}");
    }
    assert_eq!(squall.proxy().authority.minted(), 0);
}

#[tokio::test]
async fn tls_without_a_name_is_terminated_where_its_address_is_listed() {
    let aws = Upstream::plain(OK).await;
    let squall = squall::profile(THROTTLE).toward(&aws).intercepting("127.0.0.77").run();
    let (squall, door) = squall.leading(aws.address.port());
    let stream = client::connect(door).await;
    let mut stream = client::secure(stream, "127.0.0.77", &squall.trust_anchor).await.unwrap();
    assert_eq!(client::exchange(&mut stream, SCAN).await.field("x-squall-fault").as_deref(), Some("all"));
}

#[tokio::test]
async fn a_tls_client_hello_that_nobody_understands_is_carried_through() {
    let (_near, mut far, _squall) = carried(CALM, b"\x16\x03\x01\x00\x05hello").await;
    expect(&mut far, b"\x16\x03\x01\x00\x05hello").await;
}

#[tokio::test]
async fn a_plain_request_to_a_host_of_awss_is_looked_into() {
    let aws = Upstream::plain(OK).await;
    let (_squall, door) = led_to(THROTTLE, &aws);
    let mut stream = client::connect(door).await;
    assert_eq!(client::exchange(&mut stream, SCAN).await.field("x-squall-fault").as_deref(), Some("all"));
    let other = "GET /bucket HTTP/1.1\r\nHost: s3.amazonaws.com\r\n\r\n";
    assert_eq!(client::exchange(&mut stream, other).await.text(), "hi");
    assert!(aws.only_request().head.contains("\r\nHost: s3.amazonaws.com\r\n"));
}

#[tokio::test]
async fn a_request_to_a_machines_own_metadata_is_looked_into_under_both_its_addresses() {
    let rules = "rules: [{name: no-token, match: {service: imds, operation: GetToken}, fault: access_denied}]";
    for host in ["169.254.169.254", "[fd00:ec2::254]"] {
        let imds = Upstream::plain(OK).await;
        let (_squall, door) = led_to(rules, &imds);
        let mut stream = client::connect(door).await;
        let user_data = format!("GET /latest/user-data HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(client::exchange(&mut stream, &user_data).await.text(), "hi");
        assert_eq!(imds.only_request().head, user_data);
        let token = format!(
            "PUT /latest/api/token HTTP/1.1\r\nHost: {host}\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 0\r\n\r\n"
        );
        let answer = client::exchange(&mut stream, token).await;
        assert_eq!((answer.status(), answer.field("x-squall-fault").as_deref()), (403, Some("no-token")), "{host}");
    }
}

#[tokio::test]
async fn a_plain_request_to_any_other_host_passes_byte_for_byte() {
    for head in [
        "GET /a?x HTTP/1.1\r\nhost:   www.example.com\r\nX-A :\t1 \r\nX-B: 1\r\nX-A: 2\r\n\r\n",
        "GET http://s3.amazonaws.com/ HTTP/1.1\r\nHost: s3.amazonaws.com\r\n\r\n",
        "CONNECT s3.amazonaws.com:443 HTTP/1.1\r\nHost: s3.amazonaws.com:443\r\n\r\n",
        "SET s3.amazonaws.com value\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ] {
        let (mut near, mut far, _squall) = carried(THROTTLE, head.as_bytes()).await;
        expect(&mut far, head.as_bytes()).await;
        far.write_all(b"\x00whatever").await.unwrap();
        drop(far);
        assert_eq!(client::rest(&mut near).await.unwrap(), b"\x00whatever", "{head}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_and_either_side_may_end_first() {
    let (mut near, mut far, _squall) = carried(CALM, b"").await;
    far.write_all(b"220 speaks first\r\n").await.unwrap();
    expect(&mut near, b"220 speaks first\r\n").await;
    near.write_all(b"EHLO me\r\n").await.unwrap();
    near.shutdown().await.unwrap();
    assert_eq!(client::rest(&mut far).await.unwrap(), b"EHLO me\r\n");
    far.write_all(b"bye").await.unwrap();
    drop(far);
    assert_eq!(client::rest(&mut near).await.unwrap(), b"bye");
}

#[tokio::test]
async fn a_client_that_only_listens_is_carried_through() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_squall, door) = to(CALM, &listener);
    let mut near = client::connect(door).await;
    near.shutdown().await.unwrap();
    let (mut far, _) = soon("a connection", listener.accept()).await.unwrap();
    assert_eq!(client::rest(&mut far).await.unwrap(), b"");
    far.write_all(b"told all the same").await.unwrap();
    drop(far);
    assert_eq!(client::rest(&mut near).await.unwrap(), b"told all the same");
}

/// A pool that opens its connections ahead, in a network from which the real AWS is not reached.
#[tokio::test]
async fn a_client_that_is_silent_at_first_is_still_looked_into_even_if_its_far_end_is_not_there() {
    let emulator = Upstream::plain(OK).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let squall = squall::profile(THROTTLE).toward(&emulator).all_at(nobody, Vec::new()).run();
    let (_squall, door) = squall.leading(nobody.port());
    let mut stream = client::connect(door).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(client::exchange(&mut stream, SCAN).await.field("x-squall-fault").as_deref(), Some("all"));
}

#[tokio::test]
async fn what_cannot_be_reached_is_reset() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (_squall, door) = squall::profile(CALM).all_at(nobody, Vec::new()).run().leading(nobody.port());
    let mut stream = client::connect(door).await;
    stream.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").await.unwrap();
    assert_eq!(client::rest(&mut stream).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn squalls_own_connection_that_is_led_back_to_it_ends_at_once() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let here = SocketAddr::from(([127, 0, 0, 77], port));
    for first in [SCAN.as_bytes(), b"", b"\0\0\0\x08"] {
        let (squall, door) = squall::profile(CALM).all_at(here, Vec::new()).run().leading(port);
        let mut stream = client::connect(door).await;
        stream.write_all(first).await.unwrap();
        let answer = client::rest(&mut stream).await.unwrap_or_default();
        assert!(answer.is_empty(), "{:?}", String::from_utf8_lossy(&answer));
        assert!(squall.proxy().sightings.counts().tunnels <= 1);
        squall.finish().await;
    }
}

#[tokio::test]
async fn a_client_that_means_squall_itself_is_served_as_ever() {
    let aws = Upstream::plain(OK).await;
    let (squall, _door) = squall::calm().toward(&aws).run().leading(aws.address.port());
    let mut stream = client::connect(squall.address).await;
    assert_eq!(client::exchange(&mut stream, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.text(), "hi");
}

#[tokio::test]
async fn an_emulator_stands_in_for_awss_hosts_here_too() {
    let (emulator, real) = (Upstream::plain(OK).await, Upstream::tls(|_| OK.into()).await);
    let (squall, door) = squall::calm().toward(&emulator).run().leading(real.address.port());
    let mut stream = client::secure(client::connect(door).await, HOST, &squall.trust_anchor).await.unwrap();
    assert_eq!(client::exchange(&mut stream, SCAN).await.text(), "hi");
    assert_eq!((emulator.requests().len(), real.connections()), (1, 0));
}

/// Squall with this profile, leading clients to `far`.
fn to(profile: &str, far: &TcpListener) -> (Squall, SocketAddr) {
    let address = far.local_addr().unwrap();
    squall::profile(profile).all_at(address, Vec::new()).run().leading(address.port())
}

/// A client that begins with these bytes, and the far end that it is carried to.
async fn carried(profile: &str, first: &[u8]) -> (TcpStream, TcpStream, Squall) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (squall, door) = to(profile, &listener);
    let mut near = client::connect(door).await;
    near.write_all(first).await.unwrap();
    let (far, _) = soon("a connection", listener.accept()).await.unwrap();
    (near, far, squall)
}

async fn expect(stream: &mut TcpStream, wanted: &[u8]) {
    let mut got = vec![0; wanted.len()];
    soon("these bytes", stream.read_exact(&mut got)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(wanted));
}
