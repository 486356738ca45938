//! What many connections show: the same again by the same seed, and bounded memory.

use tokio::io::AsyncWriteExt as _;

use super::far::{Echo, ask, connect, ms};
use super::struck::row;
use crate::support::serving::serve;

/// Which of so many connections, one after the other, were reset.
async fn reset_ones(echo: &Echo, connections: usize) -> Vec<bool> {
    let squall = echo.under("{name: some, match: {tcp: echo}, when: {probability: 40%}, fault: {reset: {at: answer}}}");
    let mut reset = Vec::new();
    for _ in 0..connections {
        reset.push(ask(&mut connect(&squall).await, b"ping").await.is_err());
    }
    assert_eq!(row(squall).await.injected, reset.iter().filter(|reset| **reset).count() as u64);
    reset
}

#[tokio::test]
async fn the_same_seed_strikes_the_same_connections() {
    let echo = Echo::new().await;
    let (one, other) = (reset_ones(&echo, 60).await, reset_ones(&echo, 60).await);
    assert_eq!(one, other);
    let hits = one.iter().filter(|reset| **reset).count();
    // Five standard deviations of a binomial with n = 60 and p = 0.4 are 19.
    assert!((5..=43).contains(&hits), "{hits}");
}

#[tokio::test]
async fn a_delayed_flood_is_held_in_bounded_memory() {
    let echo = Echo::new().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.yaml");
    let rule = "{name: slow, match: {tcp: echo}, fault: {latency: {fixed: 1h, direction: up}}}";
    std::fs::write(&file, echo.profile(rule)).unwrap();
    let squall = serve(9, &["--profile".to_owned(), file.to_str().unwrap().to_owned()]);
    let address = squall.ready()["tcp"][0]["listen"].as_str().unwrap().parse().unwrap();
    let before = squall.status_kib("VmRSS");
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = super::far::dial(address).await.unwrap();
        // In small pieces, each of which is held for itself if nothing joins them.
        while tokio::time::timeout(ms(100), stream.write_all(&[1; 700])).await.is_ok() {}
        streams.push(stream);
    }
    let grown = squall.status_kib("VmRSS") - before;
    assert!(grown < 20 * 1_500 + 8_000, "{grown} KiB for 20 connections that hold a MiB each");
}
