use super::*;

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

fn messages(sources: &[Source], seed: Option<u64>) -> Vec<String> {
    load(sources, seed).unwrap_err().problems().iter().map(Problem::in_one_line).collect()
}

const ONE: &str = "name: one\nseed: 1\nrules:\n  - name: a\n    fault: throttle\n";
const TWO: &str = "seed: 2\nrules:\n  - name: b\n    fault: internal\n";

#[test]
fn profiles_are_put_together_in_the_order_given() {
    let plan = load(&[source("one.yaml", ONE), source("dir/two.yaml", TWO)], Some(7)).unwrap().plan;
    assert_eq!(plan.name(), "one+two");
    assert_eq!(plan.rules().iter().map(|rule| rule.name().as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn rules_of_one_name_in_two_profiles_are_an_error() {
    let again = ONE.replace("throttle", "internal");
    let error = load(&[source("one.yaml", ONE), source("again.yaml", &again)], None).unwrap_err();
    assert_eq!(error.to_string(), "again.yaml:4:11: a second rule is called `a`");
    assert_eq!(error.problems()[0].advice(), Some("the other is in one.yaml, line 4"));
}

#[test]
fn the_seed_is_given_or_written_or_drawn_and_there_is_one() {
    let loaded = load(&[source("one.yaml", ONE)], None).unwrap();
    assert_eq!((loaded.plan.seed(), loaded.seed_was_drawn), (1, false));
    let loaded = load(&[source("one.yaml", ONE), source("two.yaml", TWO)], Some(7)).unwrap();
    assert_eq!((loaded.plan.seed(), loaded.seed_was_drawn), (7, false));
    let unseeded = ONE.replace("seed: 1\n", "");
    assert!(load(&[source("one.yaml", &unseeded)], None).unwrap().seed_was_drawn);
    assert_eq!(
        messages(&[source("one.yaml", ONE), source("two.yaml", TWO)], None),
        ["two.yaml:1:7: a run has one seed: 1 by an earlier profile, 2 by this"]
    );
}

#[test]
fn profiles_agree_on_what_a_service_stands_for() {
    let alias = |name: &str, of: &str| source(name, &format!("services: {{{of}}}\nrules: []\n"));
    let (neptune, docdb) = (alias("neptune.yaml", "rds: neptune"), alias("docdb.yaml", "rds: docdb"));
    assert!(load(&[neptune.clone(), neptune.clone(), alias("lambda.yaml", "lambda: lambda-microvms")], None).is_ok());
    assert_eq!(
        messages(&[neptune, docdb], None),
        ["docdb.yaml:1:12: `rds` is `neptune` by an earlier profile, and `docdb` by this"]
    );
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_in_its_order() {
    let text = "seed: x\nrules:\n  - name: a\n    match: {service: s33}\n    when: {limit: 0}\n    fault: thrott\n  - fault: internal\n";
    assert_eq!(
        messages(&[source("bad.yaml", text)], None),
        [
            "bad.yaml:1:7: `x` is not a seed; it is a whole number from 0 to 18446744073709551615",
            "bad.yaml:4:22: unknown service `s33`",
            "bad.yaml:5:19: `0` is not a count of at least 1",
            "bad.yaml:6:12: unknown fault `thrott`",
            "bad.yaml:7:5: the rule lacks the key `name`",
        ]
    );
}

#[test]
fn a_code_that_aws_does_not_model_is_a_warning_and_the_profile_runs() {
    let text = "rules:\n  - name: a\n    match: {service: dynamodb, operation: PutItem}\n    fault: {error: {code: NoSuchKey}}\n";
    let loaded = load(&[source("odd.yaml", text)], None).unwrap();
    let warnings: Vec<String> = loaded.warnings.iter().map(Problem::in_one_line).collect();
    assert_eq!(warnings, ["odd.yaml:4:27: AWS does not model the error `NoSuchKey` for dynamodb PutItem"]);
    assert!(loaded.warnings[0].is_warning());
    let any = text.replace("operation: PutItem", "operation: '*Item'");
    let loaded = load(&[source("odd.yaml", &any)], None).unwrap();
    assert!(loaded.warnings[0].message().ends_with("for any operation that this rule matches"));
}

#[test]
fn without_profiles_the_plan_does_nothing() {
    let plan = load(&[], None).unwrap().plan;
    assert_eq!((plan.name().as_str(), plan.profiles().len(), plan.rules().len()), ("none", 0, 0));
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest_ready_made_profile() {
    let error = read(&["dynamo-throttle".to_owned()]).unwrap_err();
    assert_eq!(error.to_string(), "there is no profile `dynamo-throttle`, ready-made or as a file");
    assert_eq!(error.problems()[0].advice(), Some("did you mean `dynamodb-throttle`?"));
    let error = read(&["no/such.yaml".to_owned()]).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the profile no/such.yaml: there is no such file");
}

/// `SQUALL_BLESS=1` writes the words anew; read the difference before you keep it.
#[test]
fn every_ready_made_profile_is_compiled_in_and_does_what_is_written_beside_its_name() {
    let mut files: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, ready_made().map(|(name, _)| name).collect::<Vec<_>>());
    let mut words = String::new();
    for (name, text) in ready_made() {
        assert!(text.starts_with("# "), "{name} does not explain itself");
        let loaded = load(&read(&[name.to_owned()]).unwrap(), None).unwrap();
        assert_eq!(loaded.plan.name(), name);
        assert!(loaded.warnings.is_empty(), "{name}");
        words += &format!("{name}\n");
        words.extend(loaded.plan.rules().iter().map(|rule| format!("  {rule}\n")));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/profiles/ready-made.txt");
    if std::env::var_os("SQUALL_BLESS").is_some() {
        std::fs::write(path, &words).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), words);
}

#[test]
fn all_ready_made_profiles_go_together() {
    let all: Vec<String> = ready_made().map(|(name, _)| name.to_owned()).collect();
    let alone: usize =
        all.iter().map(|name| load(&read(std::slice::from_ref(name)).unwrap(), None).unwrap().plan.rules().len()).sum();
    assert_eq!(load(&read(&all).unwrap(), None).unwrap().plan.rules().len(), alone);
}

#[test]
fn of_very_many_mistakes_some_are_told_and_the_rest_counted() {
    let text = format!("rules:\n{}", "  - fault: throttle\n".repeat(1_000));
    let told = messages(&[source("many.yaml", &text)], None);
    assert_eq!(told.len(), 26);
    assert_eq!(told[25], "many.yaml has 975 more mistakes");
}
