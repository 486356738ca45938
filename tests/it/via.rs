//! The way out through another proxy: tunnels with credentials, exceptions, refusals told in words.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use ::squall::net::connect::Roots;
use ::squall::net::via::Via;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::support::upstream::{HOST, Upstream};
use crate::support::{client, connect, squall};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// A company's proxy: wants these credentials, and leads everywhere to one address.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

async fn proxy(credentials: Option<&'static str>, far: SocketAddr) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heads) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let seen = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(carry(stream, credentials, far, Arc::clone(&seen)));
        }
    });
    Proxy { address, heads }
}

async fn carry(mut stream: TcpStream, credentials: Option<&str>, far: SocketAddr, seen: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    seen.lock().unwrap().push(head.clone());
    if credentials.is_some_and(|wanted| !head.contains(&format!("Proxy-Authorization: Basic {wanted}\r\n"))) {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        return stream.write_all(refusal.as_bytes()).await.unwrap();
    }
    let mut far = TcpStream::connect(far).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 Connection established\r\nX-Proxy: corp\r\n\r\n").await.unwrap();
    let _ended = copy_bidirectional(&mut stream, &mut far).await;
}

fn via(url: &str) -> Via {
    Via::parse(url, Roots::Only(Vec::new())).unwrap()
}

async fn get(squall: &squall::Squall) -> client::Answer {
    let tunnel = client::tunnel(squall.address, &format!("{HOST}:443")).await;
    let mut stream = client::secure(tunnel, HOST, &squall.trust_anchor).await.unwrap();
    client::exchange(&mut stream, format!("GET /thing HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await
}

#[tokio::test]
async fn aws_is_reached_through_a_proxy_with_credentials_and_verified_behind_it() {
    let aws = Upstream::tls(|_| OK.into()).await;
    let corp = proxy(Some("bWU6czpjcmV0"), aws.address).await;
    let squall = squall::calm().via(via(&format!("http://me:s%3Acret@{}", corp.address)), &aws).run();
    assert_eq!(get(&squall).await.text(), "hi");
    let heads = corp.heads.lock().unwrap().clone();
    assert!(
        heads.iter().all(|head| head.starts_with(&format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n"))),
        "{heads:?}"
    );
    assert_eq!(aws.only_request().field("proxy-authorization"), None);
}

#[tokio::test]
async fn what_is_not_awss_goes_through_the_proxy_undecrypted_too() {
    let elsewhere = Upstream::plain(OK).await;
    let corp = proxy(None, elsewhere.address).await;
    let squall = squall::calm().via(via(&format!("http://{}", corp.address)), &elsewhere).run();
    let mut stream = client::tunnel(squall.address, "www.example.test:8443").await;
    let answer = client::exchange(&mut stream, "GET / HTTP/1.1\r\nHost: www.example.test\r\n\r\n").await;
    assert_eq!(answer.text(), "hi");
    assert!(corp.heads.lock().unwrap()[0].starts_with("CONNECT www.example.test:8443 "));
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_not_there_is_named_in_the_answer() {
    let aws = Upstream::tls(|_| OK.into()).await;
    let corp = proxy(Some("bWU6c2VjcmV0"), aws.address).await;
    let squall = squall::calm().via(via(&format!("http://me:wrong@{}", corp.address)), &aws).run();
    let answer = get(&squall).await;
    assert_eq!((answer.status(), answer.field("x-squall-error").as_deref()), (502, Some("upstream-unreachable")));
    assert!(answer.text().contains("407") && answer.text().contains(&corp.address.to_string()), "{}", answer.text());
    assert!(!answer.text().contains("wrong"), "{}", answer.text());

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let squall = squall::calm().via(via(&format!("http://{nobody}")), &aws).run();
    let answer = get(&squall).await;
    assert!(answer.text().contains("the proxy http://"), "{}", answer.text());
}

#[tokio::test]
async fn an_emulator_on_this_machine_is_reached_without_the_proxy() {
    let emulator = Upstream::plain(OK).await;
    let corp = proxy(None, emulator.address).await;
    let squall = squall::calm().toward(&emulator).via(via(&format!("http://{}", corp.address)), &emulator).run();
    assert_eq!(get(&squall).await.text(), "hi");
    assert!(corp.heads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_proxy_may_itself_be_spoken_to_in_tls() {
    let aws = Upstream::tls(|_| OK.into()).await;
    let corp = proxy(None, aws.address).await;
    let (secured, root) = connect::secured(corp.address).await;
    let via = Via::parse(&format!("https://{secured}"), Roots::Only(vec![root])).unwrap();
    let squall = squall::calm().via(via, &aws).run();
    assert_eq!(get(&squall).await.text(), "hi");
}
