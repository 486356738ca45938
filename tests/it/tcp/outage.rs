//! Outages that begin and end while connections are open.

use std::io::ErrorKind;

use ::squall::clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::far::{Echo, ask, connect, dial, is_silent, ms, rest};
use super::struck::row;
use crate::support::{soon, squall};

/// The rule's time begins a second after this.
const OUTAGE: &str = "between: 1s..2500ms";

#[tokio::test]
async fn a_refusal_resets_what_is_open_and_refuses_what_comes_until_it_is_over() {
    let echo = Echo::new().await;
    let squall = echo.under(&format!("{{name: out, match: {{tcp: echo}}, when: {{{OUTAGE}}}, fault: refuse}}"));
    squall.proxy().begin();
    let began = clock::now();
    let (address, mut open) = (squall.tcp("echo"), connect(&squall).await);
    ask(&mut open, b"ping").await.unwrap();
    assert_eq!(rest(&mut open).await, (vec![], Some(ErrorKind::ConnectionReset)));
    let struck = began.elapsed();
    assert!(struck >= ms(990) && struck < ms(2_000), "{struck:?}");
    // A real refusal, by the kernel.
    tokio::time::sleep(ms(50)).await;
    assert_eq!(dial(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let again = soon("it listens again", async {
        loop {
            match dial(address).await {
                Ok(stream) => break stream,
                Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionRefused),
            }
            tokio::time::sleep(ms(10)).await;
        }
    });
    let mut again = again.await;
    assert!(began.elapsed() >= ms(2_490), "{:?}", began.elapsed());
    ask(&mut again, b"pong").await.unwrap();
    drop(again);
    let finished = squall.finish().await;
    let summary = finished.proxy.ledger.summary(finished.run());
    let row = &summary.tcp[0];
    assert_eq!((row.connections, row.injected, row.shut), (2, 1, 1));
    assert!((1_400_000..3_000_000).contains(&row.shut_us), "{}", row.shut_us);
    // The open connection, and the port.
    assert_eq!((summary.run.rules[0].matched, summary.run.rules[0].fired), (3, 2));
}

#[tokio::test]
async fn a_hang_stalls_what_is_open_and_lets_all_of_it_go_on_afterwards() {
    let echo = Echo::new().await;
    let squall = echo.under(&format!("{{name: out, match: {{tcp: echo}}, when: {{{OUTAGE}}}, fault: hang}}"));
    squall.proxy().begin();
    let began = clock::now();
    let mut open = connect(&squall).await;
    ask(&mut open, b"ping").await.unwrap();
    tokio::time::sleep(ms(1_100)).await;
    let mut new = connect(&squall).await;
    new.write_all(b"new").await.unwrap();
    open.write_all(b"open").await.unwrap();
    assert!(is_silent(&mut open, ms(300)).await && is_silent(&mut new, ms(300)).await);
    assert_eq!((echo.connections(), echo.got.lock().unwrap().len()), (1, 4));
    let mut back = [0; 4];
    soon("an echo", open.read_exact(&mut back)).await.unwrap();
    assert!(began.elapsed() >= ms(2_490) && &back == b"open", "{:?}", began.elapsed());
    soon("an echo", new.read_exact(&mut back[..3])).await.unwrap();
    drop((open, new));
    let row = row(squall).await;
    assert_eq!((row.connections, row.struck, row.injected), (2, 2, 0));
}

#[tokio::test]
async fn a_reset_strikes_what_is_open_at_its_beginning() {
    let echo = Echo::new().await;
    let squall = echo.under(&format!("{{name: out, match: {{tcp: echo}}, when: {{{OUTAGE}}}, fault: reset}}"));
    squall.proxy().begin();
    let began = clock::now();
    let mut open = connect(&squall).await;
    assert_eq!(rest(&mut open).await, (vec![], Some(ErrorKind::ConnectionReset)));
    assert!(began.elapsed() >= ms(990), "{:?}", began.elapsed());
    let mut new = connect(&squall).await;
    assert_eq!(rest(&mut new).await.1, Some(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn latency_and_bandwidth_come_to_an_open_connection_and_leave_it() {
    let echo = Echo::new().await;
    let squall = echo.under(&format!(
        "{{name: slow, match: {{tcp: echo}}, when: {{{OUTAGE}}}, fault: {{latency: 400ms, bandwidth: {{rate: 1KB/s, direction: up}}}}}}"
    ));
    squall.proxy().begin();
    let began = clock::now();
    let mut open = connect(&squall).await;
    let before = ask(&mut open, b"ping").await.unwrap();
    tokio::time::sleep(ms(1_050).saturating_sub(began.elapsed())).await;
    let during = ask(&mut open, &[1; 300]).await.unwrap();
    tokio::time::sleep(ms(2_550).saturating_sub(began.elapsed())).await;
    let after = ask(&mut open, &[1; 300]).await.unwrap();
    assert!(before < ms(300) && after < ms(300), "{before:?} {after:?}");
    assert!(during >= ms(690) && during < ms(1_400), "{during:?}");
}

#[tokio::test]
async fn a_delay_of_what_is_on_its_way_ends_with_its_rule() {
    let echo = Echo::new().await;
    let squall = echo.under("{name: slow, match: {tcp: echo}, when: {between: 0s..1s}, fault: {latency: 1h}}");
    squall.proxy().begin();
    let mut open = connect(&squall).await;
    let took = ask(&mut open, b"ping").await.unwrap();
    assert!(took > ms(500) && took < ms(5_000), "{took:?}");
}

#[tokio::test]
async fn windows_strike_an_open_connection_again_and_again() {
    let echo = Echo::new().await;
    let squall = echo.under("{name: gaps, match: {tcp: echo}, when: {windows: every 1s for 400ms}, fault: hang}");
    squall.proxy().begin();
    let began = clock::now();
    let mut open = connect(&squall).await;
    let mut stalls = 0;
    while began.elapsed() < ms(3_300) {
        stalls += usize::from(ask(&mut open, b"ping").await.unwrap() > ms(200));
        tokio::time::sleep(ms(20)).await;
    }
    assert!((3..=4).contains(&stalls), "{stalls}");
    drop(open);
    assert_eq!(row(squall).await.struck, 1);
}

#[tokio::test]
async fn the_panic_button_lets_go_of_everything_at_once() {
    let echo = Echo::new().await;
    let rules = "{name: out, match: {tcp: echo}, when: {between: 1s..1h}, fault: refuse},
                 {name: dead, match: {tcp: hung}, fault: hang}";
    let entry = format!("{{name: hung, listen: 127.0.0.1:0, upstream: '{}'}}", echo.address);
    let profile = echo.profile(rules).replacen("tcp: [", &format!("tcp: [{entry}, "), 1);
    let squall = squall::profile(&profile).run();
    squall.proxy().begin();
    let address = squall.tcp("echo");
    let mut hanging = dial(squall.tcp("hung")).await.unwrap();
    hanging.write_all(b"ping").await.unwrap();
    assert!(is_silent(&mut hanging, ms(1_200)).await);
    assert_eq!(dial(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);

    assert!(squall.proxy().press_panic_button());
    let started = clock::now();
    let mut back = [0; 4];
    soon("an echo", hanging.read_exact(&mut back)).await.unwrap();
    let mut new = soon("it listens", async {
        loop {
            if let Ok(stream) = dial(address).await {
                break stream;
            }
        }
    })
    .await;
    ask(&mut new, b"pong").await.unwrap();
    assert!(started.elapsed() < ms(2_000), "{:?}", started.elapsed());

    assert!(!squall.proxy().press_panic_button());
    assert_eq!(rest(&mut new).await.1, Some(ErrorKind::ConnectionReset), "faults come again");
}
