//! What each fault does to a connection that is opened while its rule holds.

use std::io::ErrorKind;
use std::time::Duration;

use ::squall::clock;
use ::squall::ledger::TcpRow;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::far::{Echo, ask, connect, dial, is_silent, ms, rest};
use crate::support::squall::{self, Squall};
use crate::support::{client, eventually, soon};

/// Ends it; the figures of the only entry.
pub(crate) async fn row(squall: Squall) -> TcpRow {
    let finished = squall.finish().await;
    let rows = finished.proxy.ledger.summary(finished.run()).tcp;
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].clone()
}

#[tokio::test]
async fn without_rules_bytes_and_ends_come_through_both_ways_and_are_counted() {
    let echo = Echo::new().await;
    let squall = echo.under("");
    let mut stream = connect(&squall).await;
    let data: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
    let (mut reading, mut writing) = stream.split();
    let sending = async {
        writing.write_all(&data).await.unwrap();
        writing.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let (_, read) = soon("an echo", async { tokio::join!(sending, reading.read_to_end(&mut back)) }).await;
    read.unwrap();
    assert!(back == data && *echo.got.lock().unwrap() == data);
    drop(stream);
    eventually("the far end sees its end", || echo.ends.lock().unwrap()[..] == [Ok(())]).await;
    let row = row(squall).await;
    assert_eq!((row.name.as_str(), row.connections, row.struck), ("echo", 1, 0));
    assert_eq!((row.bytes_up, row.bytes_down), (3_000_000, 3_000_000));
}

#[tokio::test]
async fn latency_comes_once_a_round_trip_in_one_direction_and_twice_in_both() {
    let echo = Echo::new().await;
    for (fault, late) in [
        ("{latency: 300ms}", 300),
        ("{latency: {fixed: 300ms, direction: up}}", 300),
        ("{latency: {fixed: 300ms, direction: both}}", 600),
        ("[latency: 100ms, latency: {fixed: 200ms, direction: up}]", 300),
    ] {
        let squall = echo.under(&format!("{{name: slow, match: {{tcp: echo}}, fault: {fault}}}"));
        let mut stream = connect(&squall).await;
        for _ in 0..2 {
            let took = ask(&mut stream, b"ping").await.unwrap();
            assert!(took >= ms(late) && took < ms(late + 250), "{fault}: {took:?}");
        }
        let row = row(squall).await;
        assert_eq!((row.connections, row.struck, row.injected), (1, 1, 0));
    }
}

#[tokio::test]
async fn a_direction_alone_is_delayed() {
    let echo = Echo::new().await;
    let squall = echo.under("{name: slow, match: {tcp: echo}, fault: {latency: {fixed: 2s, direction: down}}}");
    let mut stream = connect(&squall).await;
    let started = clock::now();
    stream.write_all(b"up").await.unwrap();
    eventually("what goes up has come", || *echo.got.lock().unwrap() == b"up").await;
    assert!(started.elapsed() < ms(1_500));
    assert!(is_silent(&mut stream, ms(500)).await);
}

#[tokio::test]
async fn bandwidth_holds_the_sender_back_and_keeps_nothing() {
    let echo = Echo::new().await;
    let squall = echo.under("{name: slow, match: {tcp: echo}, fault: {bandwidth: {rate: 100KB/s, direction: up}}}");
    let mut stream = connect(&squall).await;
    let (mut sent, until) = (0_u64, clock::now() + Duration::from_secs(1));
    while clock::now() < until {
        let wrote = tokio::time::timeout(ms(100), stream.write(&[7; 65_536])).await;
        sent += wrote.map_or(0, |wrote| wrote.unwrap() as u64);
    }
    let got = echo.got.lock().unwrap().len() as u64;
    assert!((50_000..=150_000).contains(&got), "{got} of {sent} in a second");
    // What waits, waits in the sender's kernel and ours: at most what sockets take (net.ipv4.tcp_wmem and tcp_rmem: 4 and 6 MiB).
    assert!(sent < 11 << 20, "{sent} were taken from the sender");
}

#[tokio::test]
async fn dribbled_bytes_come_in_pieces() {
    let echo = Echo::new().await;
    let squall = echo.under("{name: drops, match: {tcp: echo}, fault: {dribble: {chunk: 2B, every: 100ms}}}");
    let mut stream = connect(&squall).await;
    let took = ask(&mut stream, b"0123456789").await.unwrap();
    assert!(took >= ms(390) && took < ms(1_500), "{took:?}");
}

#[tokio::test]
async fn a_reset_comes_at_the_beginning_with_the_request_or_in_place_of_the_answer() {
    let echo = Echo::new().await;
    for (fault, reaches) in
        [("reset", 0), ("{reset: {at: connect}}", 0), ("{reset: {at: request}}", 0), ("{reset: {at: answer}}", 4)]
    {
        echo.got.lock().unwrap().clear();
        let squall = echo.under(&format!("{{name: broken, match: {{tcp: echo}}, fault: {fault}}}"));
        let mut stream = connect(&squall).await;
        if reaches > 0 {
            assert!(is_silent(&mut stream, ms(50)).await, "{fault} waits for a byte");
        }
        let _may_have_gone = stream.write_all(b"ping").await;
        assert_eq!(rest(&mut stream).await, (vec![], Some(ErrorKind::ConnectionReset)), "{fault}");
        eventually(fault, || echo.got.lock().unwrap().len() == reaches).await;
        let row = row(squall).await;
        assert_eq!((row.injected, row.struck), (1, 1), "{fault}");
    }
    eventually("far ends are reset too", || {
        let ends = echo.ends.lock().unwrap();
        !ends.is_empty() && ends.iter().all(|end| *end == Err(ErrorKind::ConnectionReset))
    })
    .await;
}

#[tokio::test]
async fn resets_and_truncations_let_exactly_so_much_through() {
    let echo = Echo::new().await;
    for (fault, gets, end) in [
        ("{reset: {at: 70KB}}", 70_000, Some(ErrorKind::ConnectionReset)),
        ("{truncate: {after: 70KB}}", 70_000, None),
        ("{truncate: 5B}", 5, None),
    ] {
        let squall = echo.under(&format!("{{name: cut, match: {{tcp: echo}}, fault: {fault}}}"));
        let mut stream = connect(&squall).await;
        let (mut reading, mut writing) = stream.split();
        let sending = async {
            let _cut = writing.write_all(&[1; 200_000]).await;
        };
        let mut back = Vec::new();
        let receiving = soon("the end", reading.read_to_end(&mut back));
        let ended = tokio::select! {
            ended = receiving => ended,
            () = async { sending.await; std::future::pending().await } => unreachable!(),
        };
        assert_eq!((back.len(), ended.err().map(|e| e.kind())), (gets, end), "{fault}");
        let row = row(squall).await;
        assert_eq!((row.bytes_down, row.injected), (gets as u64, 1), "{fault}");
    }
}

#[tokio::test]
async fn what_goes_up_is_cut_as_exactly() {
    let echo = Echo::new().await;
    for fault in ["{truncate: {after: 7B, direction: up}}", "{reset: {at: 7B, direction: up}}"] {
        echo.got.lock().unwrap().clear();
        let squall = echo.under(&format!("{{name: cut, match: {{tcp: echo}}, fault: {fault}}}"));
        let mut stream = connect(&squall).await;
        stream.write_all(b"0123").await.unwrap();
        let mut back = [0; 4];
        soon("an echo", stream.read_exact(&mut back)).await.unwrap();
        stream.write_all(b"456789").await.unwrap();
        let _end = rest(&mut stream).await;
        if fault.contains("truncate") {
            eventually("the far end has seven bytes", || *echo.got.lock().unwrap() == b"0123456").await;
        }
        let row = row(squall).await;
        assert_eq!((row.bytes_up, row.injected), (7, 1), "{fault}");
    }
}

#[tokio::test]
async fn a_slow_close_holds_the_end_back_and_no_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"bye").await.unwrap();
        }
    });
    let entry = format!("tcp: [{{name: echo, listen: 127.0.0.1:0, upstream: '{upstream}'}}]");
    let squall = squall::profile(&format!(
        "{entry}\nrules: [{{name: late, match: {{tcp: echo}}, fault: {{slow_close: 400ms}}}}]"
    ))
    .run();
    let mut stream = connect(&squall).await;
    let started = clock::now();
    let mut bye = [0; 3];
    soon("the bytes", stream.read_exact(&mut bye)).await.unwrap();
    assert!(started.elapsed() < ms(350), "{:?}", started.elapsed());
    assert_eq!(rest(&mut stream).await, (vec![], None));
    assert!(started.elapsed() >= ms(390), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_hang_is_silent_and_the_far_end_hears_nothing() {
    let echo = Echo::new().await;
    let squall = echo.under("{name: dead, match: {tcp: echo}, fault: hang}");
    let mut stream = connect(&squall).await;
    stream.write_all(b"ping").await.unwrap();
    assert!(is_silent(&mut stream, ms(300)).await);
    assert_eq!(echo.connections(), 0);
    drop(stream);
    let row = row(squall).await;
    assert_eq!((row.injected, row.client_gone, row.bytes_up), (1, 0, 0));
}

#[tokio::test]
async fn a_hang_of_so_long_closes_after_it() {
    let echo = Echo::new().await;
    let squall = echo.under("{name: dead, match: {tcp: echo}, fault: {hang: {for: 300ms}}}");
    let mut stream = connect(&squall).await;
    let started = clock::now();
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(rest(&mut stream).await, (vec![], None));
    assert!(started.elapsed() >= ms(290), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_hang_of_answers_lets_requests_be_carried_out() {
    let echo = Echo::new().await;
    let squall = echo.under("{name: dead, match: {tcp: echo}, fault: {hang: {direction: down}}}");
    let mut stream = connect(&squall).await;
    stream.write_all(b"ping").await.unwrap();
    eventually("it is carried out", || *echo.got.lock().unwrap() == b"ping").await;
    assert!(is_silent(&mut stream, ms(200)).await);
}

#[tokio::test]
async fn a_refusal_of_some_connections_resets_them_as_they_come() {
    let echo = Echo::new().await;
    let squall = echo.under("{name: some, match: {tcp: echo}, when: {calls: first 1}, fault: refuse}");
    let mut first = connect(&squall).await;
    assert_eq!(rest(&mut first).await.1, Some(ErrorKind::ConnectionReset));
    assert!(ask(&mut connect(&squall).await, b"ping").await.is_ok());
    assert_eq!(echo.connections(), 1, "the refused one was not led on");
    assert_eq!(row(squall).await.injected, 1);
}

#[tokio::test]
async fn a_far_end_that_is_not_there_is_a_reset_and_nobodys_fault() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let squall =
        squall::profile(&format!("tcp: [{{name: echo, listen: 127.0.0.1:0, upstream: '{gone}'}}]\nrules: []")).run();
    let mut stream = connect(&squall).await;
    assert_eq!(rest(&mut stream).await, (vec![], Some(ErrorKind::ConnectionReset)));
    let row = row(squall).await;
    assert_eq!((row.unreachable, row.injected), (1, 0));
}

#[tokio::test]
async fn a_tunnel_to_a_host_and_port_is_struck_by_rules_that_name_them_and_tls_is_left_alone() {
    let echo = Echo::new().await;
    let (host, port) = (echo.address.ip(), echo.address.port());
    for (matching, is_struck) in [
        (format!("{{host: '{host}', port: {port}}}"), true),
        (format!("{{port: [1, {port}]}}"), true),
        (format!("{{host: '127.*', not: {{port: {port}}}}}"), false),
        (format!("{{host: other.example, port: {port}}}"), false),
        ("{}".to_owned(), false),
    ] {
        let rules = format!("rules: [{{name: slow, match: {matching}, fault: {{latency: 300ms}}}}]");
        let squall = squall::profile(&rules).run();
        let mut stream = client::tunnel(squall.address, &echo.address.to_string()).await;
        // A ClientHello, which nobody answers: it comes back as it was.
        let took = ask(&mut stream, &client::hello("db.example")).await.unwrap();
        assert_eq!(took >= ms(300), is_struck, "{matching}: {took:?}");
        drop(stream);
        let finished = squall.finish().await;
        let summary = finished.proxy.ledger.summary(finished.run());
        assert_eq!(summary.tcp.iter().map(|row| row.struck).collect::<Vec<_>>(), vec![1; usize::from(is_struck)]);
        assert_eq!(summary.run.connections.tunnels, 1);
    }
}

#[tokio::test]
async fn a_client_that_was_led_here_meets_rules_on_the_host_and_port_it_was_going_to() {
    let echo = Echo::new().await;
    let port = echo.address.port();
    for (fault, struck) in [("{latency: 300ms}", true), ("reset", true), ("{latency: {fixed: 1s, at: body}}", false)] {
        let rules = format!("rules: [{{name: r, match: {{host: '127.*', port: {port}}}, fault: {fault}}}]");
        let (squall, door) = squall::profile(&rules).all_at(echo.address, Vec::new()).run().leading(port);
        let mut stream = dial(door).await.unwrap();
        let asked = ask(&mut stream, b"\x00\x00\x00\x08\x04\xd2\x16\x2f").await;
        match (fault, asked) {
            ("reset", asked) => assert_eq!(asked.unwrap_err().kind(), ErrorKind::ConnectionReset),
            (_, asked) => assert_eq!(asked.unwrap() >= ms(300), struck),
        }
        drop(stream);
        let finished = squall.finish().await;
        let summary = finished.proxy.ledger.summary(finished.run());
        let rows: Vec<_> =
            summary.tcp.iter().map(|row| (row.name.ends_with(&format!(":{port}")), row.struck)).collect();
        assert_eq!(rows, vec![(true, 1); usize::from(struck)], "{fault}");
    }
}

#[tokio::test]
async fn a_tunnel_that_is_refused_is_reset_before_it_stands() {
    let echo = Echo::new().await;
    let port = echo.address.port();
    let squall = squall::profile(&format!("rules: [{{name: no, match: {{port: {port}}}, fault: refuse}}]")).run();
    let mut stream = dial(squall.address).await.unwrap();
    let authority = echo.address;
    let connect = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(connect.as_bytes()).await.unwrap();
    assert_eq!(rest(&mut stream).await, (vec![], Some(ErrorKind::ConnectionReset)));
    assert_eq!(echo.connections(), 0);
    assert_eq!(row(squall).await.injected, 1);
}
