use http::{HeaderMap, Method};

use super::*;
use crate::aws::request::{AwsRequest, Head};
use crate::profile::{Live, Source, load::load};

fn live(rules: &str) -> Live {
    let entries = "tcp: [{name: db, listen: 0, upstream: 'h:1'}, {name: cache, listen: 0, upstream: 'h:2'}]";
    let text = format!("{entries}\nrules: [{rules}]");
    let loaded = load(&[Source { name: "p.yaml".to_owned(), text }], Some(1));
    Live::new(loaded.unwrap_or_else(|e| panic!("{}", e.render(false))).plan)
}

fn seen<T>(entry: &str, act: impl FnOnce(&Seen<'_>) -> T) -> T {
    let (request, headers) = (AwsRequest::of_host("h"), HeaderMap::new());
    let head = Head { method: &Method::CONNECT, host: "h", path: "", query: None, headers: &headers };
    act(&Seen { tcp: Some(entry), port: Some(1), ..Seen::new(&request, head) })
}

fn joined(live: &Live) -> Course {
    let mut course = Course::default();
    seen("db", |seen| course.join(&live.load(), seen));
    course
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn stops(course: &mut Course, at: u64) -> Option<Stop> {
    course.at(s(at)).stop.map(|(_, stop)| stop)
}

fn counts(live: &Live) -> Vec<(u64, u64)> {
    live.load().tallies().iter().map(|tally| (tally.matched, tally.fired)).collect()
}

#[test]
fn a_rule_strikes_an_open_connection_when_its_time_comes_and_lets_go_after_it() {
    let live = live("{name: a, match: {tcp: db}, when: {between: 10s..20s}, fault: hang}");
    let mut course = joined(&live);
    let line = course.at(s(3));
    assert_eq!((line.stop, line.next), (None, Some(s(10))));
    let line = course.at(s(10));
    assert_eq!((line.stop, line.next), (Some(("a".into(), Stop::Hang(Ways::Both))), Some(s(20))));
    let line = course.at(s(20));
    assert_eq!((line.stop, line.next), (None, None));
    assert_eq!(course.struck(), ["a".into()]);
    assert_eq!(counts(&live), [(1, 1)]);
}

#[test]
fn windows_strike_the_same_connection_again_and_count_it_once() {
    let live = live("{name: a, match: {tcp: db}, when: {windows: every 10s for 2s, limit: 1}, fault: reset}");
    let mut course = joined(&live);
    let stopped = [0, 2, 9, 10, 12].map(|at| stops(&mut course, at).is_some());
    assert_eq!(stopped, [true, false, false, true, false]);
    assert_eq!([1, 2, 10, 12].map(|at| course.at(s(at)).next.unwrap()), [2, 10, 12, 20].map(s));
    assert_eq!(counts(&live), [(1, 1)]);
    drop(course);
    assert_eq!(stops(&mut joined(&live), 0), None, "the limit is over connections");
}

#[test]
fn the_dice_are_rolled_once_for_each_connection() {
    let live = live("{name: a, match: {tcp: db}, when: {probability: 50%, windows: every 10s for 2s}, fault: reset}");
    let chosen: Vec<bool> = (0..200)
        .map(|_| {
            let mut course = joined(&live);
            let stopped = [0, 10, 20, 31].map(|at| stops(&mut course, at).is_some());
            assert!(stopped == [true; 4] || stopped == [false; 4], "{stopped:?}");
            stopped[0]
        })
        .collect();
    let hits = chosen.iter().filter(|chosen| **chosen).count();
    // Five standard deviations of a binomial with n = 200 and p = 0.5 are 35.
    assert!((65..=135).contains(&hits), "{hits}");
    let tally = &live.load().tallies()[0];
    assert_eq!((tally.fired, tally.passed_over(Skip::LostDice)), (hits as u64, 200 - hits as u64));
}

#[test]
fn calls_count_connections_and_what_was_never_struck_says_why() {
    let live = live("{name: a, match: {tcp: db}, when: {calls: every 2nd, between: 0s..10s}, fault: refuse}");
    let stopped = [(); 4].map(|()| stops(&mut joined(&live), 1).is_some());
    assert_eq!(stopped, [false, true, false, true]);
    stops(&mut joined(&live), 50);
    stops(&mut joined(&live), 50);
    let tally = &live.load().tallies()[0];
    assert_eq!((tally.matched, tally.fired), (6, 2));
    assert_eq!([Skip::OutsideCalls, Skip::OutsideTime].map(|skip| tally.passed_over(skip)), [3, 1]);
}

#[test]
fn what_passes_adds_up_by_direction_and_of_what_stops_the_first_does() {
    let live = live(
        "{name: a, match: {tcp: '*'}, fault: [latency: 1s, bandwidth: {rate: 2KB/s, direction: both}]},
         {name: b, match: {tcp: db}, fault: [latency: {fixed: 2s, direction: both}, bandwidth: 1KB/s, slow_close: 3s]},
         {name: late, match: {tcp: db}, when: {between: 10s..20s}, fault: hang},
         {name: cut, match: {tcp: db}, fault: {truncate: {after: 5B, direction: up}}},
         {name: all, match: {tcp: db}, fault: reset}",
    );
    let mut course = joined(&live);
    let line = course.at(s(0));
    assert_eq!((line.up.lags.len(), line.down.lags.len()), (1, 2));
    let speeds = [&line.up, &line.down].map(|lane| lane.speed.unwrap().per_second());
    assert_eq!((speeds, line.down.late_end, line.up.late_end), ([2_000, 1_000], s(3), s(0)));
    assert_eq!(line.up.cuts.iter().map(|cut| cut.after).collect::<Vec<_>>(), [5]);
    assert_eq!(line.stop, Some(("all".into(), Stop::Reset)));
    // An earlier rule takes over, and gives way again.
    assert_eq!(stops(&mut course, 10), Some(Stop::Hang(Ways::Both)));
    let again = course.at(s(20));
    assert_eq!(again.stop, Some(("all".into(), Stop::Reset)));
    assert_eq!(again.up.cuts, line.up.cuts, "the same cut as before");
}

#[test]
fn a_hang_closes_after_its_time() {
    let live = live("{name: a, match: {tcp: db}, when: {between: 5s..1h}, fault: {hang: {for: 3s, direction: down}}}");
    let mut course = joined(&live);
    assert_eq!(stops(&mut course, 0), None);
    assert_eq!(course.at(s(5)).next, Some(s(8)));
    assert_eq!([7, 8].map(|at| stops(&mut course, at)), [Some(Stop::Hang(Ways::Down)), Some(Stop::Close)]);
}

#[test]
fn max_active_holds_a_place_while_the_rule_holds() {
    let live = live("{name: a, match: {tcp: db}, when: {max_active: 1, between: 0s..10s}, fault: {latency: 1s}}");
    let (mut one, mut other) = (joined(&live), joined(&live));
    let is_late = |course: &mut Course, at| !course.at(s(at)).down.lags.is_empty();
    assert_eq!((is_late(&mut one, 0), is_late(&mut other, 0)), (true, false));
    assert!(is_late(&mut one, 9) && !is_late(&mut one, 10));
    assert_eq!(one.release(), Line::default());
    assert!(is_late(&mut joined(&live), 9));
}

#[test]
fn a_reload_keeps_what_is_the_same_and_strikes_open_connections_with_what_is_new() {
    let same = "{name: a, match: {tcp: db}, when: {limit: 1}, fault: {latency: 1s}}";
    let live = live(same);
    let mut course = joined(&live);
    let before = course.at(s(0)).down.lags;
    let source = Source {
        name: "p.yaml".to_owned(),
        text: format!(
            "tcp: [{{name: db, listen: 0, upstream: 'h:1'}}]\nrules: [{{name: new, match: {{tcp: db}}, fault: hang}}, {same}]"
        ),
    };
    live.replace(load(&[source], Some(1)).unwrap().plan);
    seen("db", |seen| course.join(&live.load(), seen));
    let line = course.at(s(1));
    assert_eq!((line.down.lags, line.stop.is_some()), (before, true));
    assert_eq!(counts(&live), [(1, 1), (1, 1)]);
}

#[test]
fn a_port_is_shut_only_by_a_rule_that_strikes_all_of_its_connections() {
    let shut = |rules: &str, at: u64| {
        let live = live(rules);
        let ruling = live.load();
        let (rule, next) = seen("db", |seen| {
            let (rule, next) = ruling.plan.shut(&ruling.plan.tcp()[0], seen, s(at));
            (rule.map(|rule| rule.name().to_string()), next)
        });
        (rule, next.map(|next| next.as_secs()))
    };
    let out = |when: &str| format!("{{name: out, match: {{tcp: db}}, when: {{{when}}}, fault: refuse}}");
    let some = |next| (Some("out".to_owned()), next);
    assert_eq!(shut(&out(""), 0), some(None));
    assert_eq!(shut(&out("between: 5s..9s"), 3), (None, Some(5)));
    assert_eq!(shut(&out("between: 5s..9s"), 5), some(Some(9)));
    assert_eq!(shut(&out("windows: every 10s for 2s"), 1), some(Some(2)));
    for not in ["probability: 50%", "calls: first 3", "limit: 5", "max_active: 1"] {
        assert_eq!(shut(&out(not), 0).0, None, "{not}");
    }
    assert_eq!(shut(&format!("{{name: first, match: {{tcp: db}}, fault: hang}}, {}", out("")), 0).0, None);
    assert_eq!(shut("{name: out, match: {tcp: cache}, fault: refuse}", 0).0, None);
    assert_eq!(shut("{name: out, match: {port: 1}, fault: refuse}", 0), some(None));
}
