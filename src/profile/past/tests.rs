use bytes::Bytes;
use http::{HeaderMap, Method, Response};

use super::*;
use crate::{
    aws::{
        request::{AwsRequest, Head},
        resource::Resource,
        subject::Subject,
    },
    fault::tests::request,
};

const LAG: Duration = Duration::from_secs(2);

fn about(operation: &str, table: &str) -> (AwsRequest, Subject) {
    let resource = Resource { name: table.into(), ..Resource::default() };
    let request = AwsRequest { resource: Some(resource), ..request("dynamodb", operation) };
    let headers = HeaderMap::new();
    let head = Head { method: &Method::POST, host: "h", path: "/", query: None, headers: &headers };
    let of = Subject::of(&request, &head, b"");
    (request, of)
}

fn read(table: &str) -> Arc<Read> {
    let (request, of) = about("Scan", table);
    let digest = table.bytes().fold(0, |digest, byte| digest << 8 | u128::from(byte));
    Arc::new(Read { digest, of, reading: *request.reading().unwrap() })
}

fn write(table: &str) -> Arc<Write> {
    Arc::new(Write { of: about("PutItem", table).1, made: None })
}

fn answer(body: &'static str) -> Arc<Recorded> {
    let (head, ()) = Response::new(()).into_parts();
    Arc::new(Recorded::keep(&head, Bytes::from_static(body.as_bytes())).unwrap())
}

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A read of a table, from when to when, and what it tells.
fn kept(past: &Past, table: &str, began: u64, answered: u64, body: &'static str) {
    past.keep(&read(table), answer(body), (at(began), at(answered)), LAG);
}

fn written(past: &Past, table: &str, began: u64, ended: u64, done: Done) {
    let number = past.begin(&write(table));
    assert!(began <= ended);
    past.end(number, at(ended), done, LAG);
}

fn recall(past: &Past, table: &str, now: u64) -> Result<Old, Skip> {
    past.recall(&read(table), at(now), LAG)
}

fn old(body: &'static str) -> Result<Old, Skip> {
    Ok(Old::Answer(answer(body)))
}

#[test]
fn an_answer_is_old_from_the_end_of_a_write_to_the_end_of_the_lag_and_then_forgotten() {
    let past = Past::default();
    assert_eq!(recall(&past, "t", 0), Err(Skip::NothingWritten));
    kept(&past, "t", 0, 5, "1");
    assert_eq!(recall(&past, "t", 10), Err(Skip::NothingWritten));
    written(&past, "t", 90, 100, Done::Yes);
    assert_eq!([100, 2_099].map(|now| recall(&past, "t", now)), [old("1"), old("1")]);
    assert_eq!(recall(&past, "u", 100), Err(Skip::NothingWritten));
    assert_eq!(recall(&past, "t", 2_100), Err(Skip::NothingWritten));
    assert_eq!(past.memory().size, 0);
    written(&past, "t", 2_200, 2_200, Done::Yes);
    assert_eq!(recall(&past, "t", 2_200), Err(Skip::NothingKept));
}

#[test]
fn no_answer_misses_a_write_of_longer_ago_than_the_lag() {
    let past = Past::default();
    kept(&past, "t", 0, 5, "1");
    written(&past, "t", 100, 100, Done::Yes);
    written(&past, "t", 1_900, 1_900, Done::Yes);
    assert_eq!(recall(&past, "t", 2_000), old("1"));
    // What was true between the two is not known.
    assert_eq!(recall(&past, "t", 2_100), Err(Skip::NothingKept));
}

#[test]
fn a_read_that_passes_while_an_old_answer_can_be_told_does_not_take_its_place() {
    let past = Past::default();
    kept(&past, "t", 0, 5, "1");
    written(&past, "t", 100, 100, Done::Yes);
    kept(&past, "t", 200, 205, "2");
    assert_eq!(recall(&past, "t", 300), old("1"));
    kept(&past, "t", 2_100, 2_200, "2");
    written(&past, "t", 3_000, 3_000, Done::Yes);
    assert_eq!(recall(&past, "t", 3_000), old("2"));
}

#[test]
fn a_read_beside_a_write_to_the_same_is_not_kept() {
    let past = Past::default();
    let number = past.begin(&write("t"));
    kept(&past, "t", 10, 20, "?");
    kept(&past, "u", 10, 20, "1");
    past.end(number, at(30), Done::Yes, LAG);
    kept(&past, "t", 25, 35, "?");
    assert_eq!(recall(&past, "t", 40), Err(Skip::NothingKept));
    written(&past, "u", 50, 50, Done::Yes);
    assert_eq!(recall(&past, "u", 60), old("1"));
}

#[test]
fn a_write_that_was_not_carried_out_is_none_and_of_one_in_doubt_nothing_old_is_told() {
    let past = Past::default();
    kept(&past, "t", 0, 5, "1");
    written(&past, "t", 10, 20, Done::No);
    assert_eq!(recall(&past, "t", 30), Err(Skip::NothingWritten));
    written(&past, "t", 30, 40, Done::Perhaps);
    assert_eq!((recall(&past, "t", 50), past.memory().size), (Err(Skip::NothingKept), 0));
}

#[test]
fn what_was_made_is_not_there_yet_if_nobody_had_seen_it_before() {
    let made = |past: &Past| {
        let (request, of) = about("CreateTable", "t");
        let made = made::made(request.reading().unwrap());
        let number = past.begin(&Arc::new(Write { of, made }));
        past.end(number, at(100), Done::Yes, LAG);
    };
    let past = Past::default();
    made(&past);
    // A read that passes sees it, and the next may not.
    kept(&past, "t", 150, 160, "1");
    assert_eq!((recall(&past, "t", 200), recall(&past, "u", 200)), (Ok(Old::NotThere), Err(Skip::NothingWritten)));
    assert_eq!(recall(&past, "t", 2_100), Err(Skip::NothingWritten));
    let past = Past::default();
    kept(&past, "t", 0, 10, "1");
    made(&past);
    assert_eq!(recall(&past, "t", 200), old("1"));
}

#[test]
fn memory_is_bounded_in_answers_bytes_and_writes() {
    let past = Past::default();
    let tables: Vec<String> = (0..MOST.get() + 10).map(|number| format!("t{number}")).collect();
    tables.iter().for_each(|table| kept(&past, table, 0, 1, "1"));
    assert_eq!((past.evicted.load(Relaxed), past.memory().answers.len()), (10, MOST.get()));
    tables.iter().for_each(|table| written(&past, table, 10, 10, Done::Yes));
    assert_eq!(past.memory().writes.len(), MOST.get());
    // Which writes a read has seen that began before the first of those left, nobody knows.
    kept(&past, "new", 10, 11, "1");
    assert!(past.memory().answers.peek(&read("new").digest).is_none());
    kept(&past, "new", 11, 12, "1");
    assert!(past.memory().answers.peek(&read("new").digest).is_some());
    let past = Past::default();
    let large = Arc::new(Recorded::keep(&Response::new(()).into_parts().0, vec![0; 1 << 20].into()).unwrap());
    tables.iter().take(100).for_each(|table| past.keep(&read(table), Arc::clone(&large), (at(0), at(1)), LAG));
    let memory = past.memory();
    let size: usize = memory.answers.iter().map(|(_, answer)| answer.recorded.size()).sum();
    assert!(memory.size == size && size <= LARGEST && memory.answers.len() == 63, "{}", memory.answers.len());
}

#[test]
fn writes_of_long_ago_are_forgotten_and_those_under_way_are_not() {
    let past = Past::default();
    let number = past.begin(&write("t"));
    written(&past, "t", 0, 10, Done::Yes);
    written(&past, "t", 60_000, 60_000, Done::Yes);
    assert_eq!(past.memory().writes.len(), 2);
    past.end(number, at(60_001), Done::Yes, LAG);
    assert_eq!(recall(&past, "t", 60_002), Err(Skip::NothingKept));
}
