use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant as Time, timeout};

use super::*;

#[derive(Debug)]
struct Fixed(Duration);

impl Lag for Fixed {
    fn next(&mut self) -> Duration {
        self.0
    }
}

#[derive(Debug)]
struct Rising(u64);

impl Lag for Rising {
    fn next(&mut self) -> Duration {
        self.0 += 1;
        ms(self.0 * 1_000)
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn late(by: u64) -> Terms {
    Terms { lags: vec![(1, Box::new(Fixed(ms(by))))], ..Terms::default() }
}

fn stalled(for_good: bool) -> Terms {
    Terms { stalled: true, for_good, ..Terms::default() }
}

/// A client, a far end, and the relay between them, which these terms are sent to.
struct Line {
    client: DuplexStream,
    far: DuplexStream,
    terms: tokio::sync::mpsc::UnboundedSender<(Terms, Terms)>,
    running: JoinHandle<(RelayEnd, Carried)>,
}

fn line(up: Terms, down: Terms) -> Line {
    let ((client, mut near), (mut away, far)) = (duplex(1 << 22), duplex(1 << 22));
    let (terms, mut changes) = tokio::sync::mpsc::unbounded_channel();
    let mut relay = Relay::new();
    relay.set(up, down);
    let running = tokio::spawn(async move {
        let end = loop {
            tokio::select! {
                Some((up, down)) = changes.recv() => relay.set(up, down),
                end = relay.run(&mut near, &mut away) => break end,
            }
        };
        (end, relay.carried())
    });
    Line { client, far, terms, running }
}

async fn read(stream: &mut DuplexStream, bytes: usize) -> Vec<u8> {
    let mut all = vec![0; bytes];
    stream.read_exact(&mut all).await.unwrap();
    all
}

#[tokio::test]
async fn without_terms_both_ways_come_through_and_so_do_their_ends() {
    let mut line = line(Terms::default(), Terms::default());
    line.client.write_all(b"up").await.unwrap();
    line.client.shutdown().await.unwrap();
    assert_eq!(read(&mut line.far, 2).await, b"up");
    assert_eq!(line.far.read(&mut [0]).await.unwrap(), 0);
    line.far.write_all(b"down").await.unwrap();
    drop(line.far);
    assert_eq!(read(&mut line.client, 4).await, b"down");
    let (end, carried) = line.running.await.unwrap();
    assert!(matches!(end, RelayEnd::Done) && carried == Carried { up: 2, down: 4 }, "{end:?} {carried:?}");
}

#[tokio::test]
async fn a_delay_lets_a_line_carry_more_than_one_piece_at_a_time_and_in_order() {
    let mut line = line(Terms::default(), late(200));
    let started = Time::now();
    let data: Vec<u8> = (0..=255).cycle().take(600_000).collect();
    for piece in data.chunks(1_000) {
        line.far.write_all(piece).await.unwrap();
    }
    assert_eq!(read(&mut line.client, data.len()).await, data);
    let took = started.elapsed();
    assert!(took >= ms(200) && took < ms(2_000), "600 pieces in {took:?}");
}

#[tokio::test]
async fn a_lane_that_delays_holds_no_more_than_its_line() {
    let mut line = line(late(60_000), Terms::default());
    let writing = async {
        let mut wrote = 0;
        while let Ok(written) = timeout(ms(300), line.client.write(&[1; 100])).await {
            wrote += written.unwrap();
        }
        wrote
    };
    let wrote = writing.await;
    // What the pipe before it holds is not the lane's.
    let held = wrote - (1 << 22);
    assert!((LINE..LINE + 4 * BUFFER).contains(&held), "{held}");
}

#[tokio::test]
async fn a_delay_that_is_drawn_is_drawn_for_each_burst() {
    let rising = Terms { lags: vec![(1, Box::new(Rising(0)) as Box<dyn Lag>)], ..Terms::default() };
    let mut lane = Lane::new();
    lane.set(rising);
    let mut due = |bytes: &[u8]| {
        lane.scratch.extend_from_slice(bytes);
        lane.hold(bytes.len());
        let now = clock::now();
        let (due, _) = lane.held.back().unwrap();
        // The clock has gone on a little since.
        ((due.unwrap() - now + ms(500)).as_secs(), lane.held.len())
    };
    assert_eq!([due(b"a"), due(b"b"), due(b"c")], [(1, 1), (1, 1), (1, 1)]);
    lane.held.clear();
    lane.scratch.extend_from_slice(b"d");
    lane.hold(1);
    assert_eq!(lane.burst, ms(2_000));
    // The same number goes on where it was.
    lane.set(Terms { lags: vec![(1, Box::new(Rising(100)) as Box<dyn Lag>)], ..Terms::default() });
    lane.held.clear();
    lane.hold(0);
    assert_eq!(lane.burst, ms(3_000));
}

#[tokio::test]
async fn a_delay_that_is_no_more_lets_go_of_what_it_held() {
    let mut line = line(Terms::default(), late(600_000));
    line.far.write_all(b"held").await.unwrap();
    assert!(timeout(ms(100), line.client.read_u8()).await.is_err());
    line.terms.send((Terms::default(), Terms::default())).unwrap();
    assert_eq!(timeout(ms(5_000), read(&mut line.client, 4)).await.unwrap(), b"held");
}

#[tokio::test]
async fn what_is_stalled_goes_on_later_in_order_with_its_end() {
    let mut line = line(stalled(false), stalled(false));
    line.client.write_all(b"one").await.unwrap();
    line.client.shutdown().await.unwrap();
    line.far.write_all(b"two").await.unwrap();
    assert!(timeout(ms(100), line.far.read_u8()).await.is_err());
    line.terms.send((Terms::default(), stalled(false))).unwrap();
    let mut up = Vec::new();
    line.far.read_to_end(&mut up).await.unwrap();
    assert_eq!(up, b"one");
    assert!(timeout(ms(100), line.client.read_u8()).await.is_err(), "the other way is stalled still");
    line.terms.send((Terms::default(), Terms::default())).unwrap();
    assert_eq!(read(&mut line.client, 3).await, b"two");
}

#[tokio::test]
async fn a_client_that_leaves_a_line_stalled_for_good_ends_it() {
    for (up, down) in [(stalled(true), stalled(true)), (Terms::default(), stalled(true))] {
        let line = line(up, down);
        drop(line.client);
        let (end, _) = timeout(ms(5_000), line.running).await.unwrap().unwrap();
        assert!(matches!(end, RelayEnd::GivenUp), "{end:?}");
    }
}

#[tokio::test]
async fn a_cut_lets_exactly_so_much_through_counted_from_when_it_is_set() {
    let cut = |after| Terms { cuts: vec![(7, after)], ..Terms::default() };
    for (after, expected) in [(3, 3), (0, 0), (100_000, 100_000)] {
        let mut line = line(Terms::default(), Terms::default());
        line.far.write_all(b"before").await.unwrap();
        assert_eq!(read(&mut line.client, 6).await, b"before");
        line.terms.send((Terms::default(), cut(after))).unwrap();
        // Again, as when something else changes: it counts on.
        line.terms.send((Terms::default(), cut(after))).unwrap();
        assert!(timeout(ms(50), &mut line.running).await.is_err(), "nothing has come yet");
        line.far.write_all(&[9; 200_000]).await.unwrap();
        let (end, carried) = line.running.await.unwrap();
        assert!(matches!(end, RelayEnd::Cut(7)), "{end:?}");
        assert_eq!(carried.down, 6 + expected);
        assert_eq!(read(&mut line.client, usize::try_from(expected).unwrap()).await.len() as u64, expected);
    }
}

#[tokio::test]
async fn a_speed_holds_the_sender_back_and_another_takes_its_place() {
    let speed =
        |speed| Terms { pace: pace::Terms { speed: Some(speed), ..pace::Terms::default() }, ..Terms::default() };
    let ((mut client, mut near), (mut away, _far)) = (duplex(1), duplex(1 << 20));
    let mut relay = Relay::new();
    relay.set(speed(1_000), Terms::default());
    let mut sent = 0;
    let flow = async {
        while client.write_all(&[0; 1_000]).await.is_ok() {
            sent += 1_000;
        }
    };
    let ran = timeout(ms(300), async { tokio::join!(flow, relay.run(&mut near, &mut away)) }).await;
    assert!(ran.is_err() && relay.carried().up <= 500, "{:?}", relay.carried());
    assert!(sent <= 3 * BUFFER, "{sent} were taken from the sender");
    relay.set(Terms::default(), Terms::default());
    let _running = timeout(ms(2_000), relay.run(&mut near, &mut away)).await;
    assert!(relay.carried().up >= sent as u64 / 2);
}

#[tokio::test]
async fn an_end_may_come_late() {
    let mut line = line(Terms::default(), Terms { late_end: ms(300), ..Terms::default() });
    line.far.write_all(b"x").await.unwrap();
    drop(line.far);
    let started = Time::now();
    assert_eq!(read(&mut line.client, 1).await, b"x");
    assert!(started.elapsed() < ms(250));
    assert_eq!(line.client.read(&mut [0]).await.unwrap(), 0);
    assert!(started.elapsed() >= ms(290), "{:?}", started.elapsed());
}
