//! The drill that comes with Squall: what it claims, and that its dice can be thrown again.

use std::process::Command;

use serde_json::Value;

fn demo() -> Value {
    let ran =
        Command::new(env!("CARGO_BIN_EXE_squall")).args(["demo", "--seed", "7", "--output", "json"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// What must be the same in every run with the same seed: everything but the times.
fn counts(demo: &Value) -> Vec<Vec<Value>> {
    let counted = ["profile", "requests", "ok", "failed", "throttle_events", "attempts", "lost"];
    let drills = demo["drills"].as_array().unwrap().iter();
    drills.map(|drill| counted.iter().map(|key| drill[key].clone()).collect()).collect()
}

#[test]
fn the_drill_loses_nothing_and_repeats_with_its_seed() {
    let (first, second) = std::thread::scope(|scope| {
        let (first, second) = (scope.spawn(demo), scope.spawn(demo));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!(counts(&first), counts(&second));
    let [calm, throttled, slow] = first["drills"].as_array().unwrap().as_slice() else { panic!("{first}") };
    for drill in [calm, throttled, slow] {
        assert_eq!((&drill["requests"], &drill["lost"]), (&Value::from(50), &Value::Array(Vec::new())), "{drill}");
    }
    assert_eq!((&calm["ok"], &calm["attempts"]), (&Value::from(50), &Value::from(50)));
    let throttle_events = throttled["throttle_events"].as_u64().unwrap();
    assert!((5..40).contains(&throttle_events), "30 % of some 70 attempts: {throttle_events}");
    assert!(slow["p50_ms"].as_f64().unwrap() >= 300.0, "{slow}");
}
