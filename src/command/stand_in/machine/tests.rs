use http_body_util::BodyExt as _;
use tokio::runtime::Builder;

use super::*;

fn machine() -> Machine {
    Machine::new(1, "eu-west-1".to_owned())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn asked(
    machine: &Machine,
    method: &str,
    path: &str,
    fields: &[(&'static str, &str)],
    now: Timestamp,
) -> (u16, String) {
    let headers = fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    let answer = machine.answer(&method.parse().unwrap(), path, &headers.collect(), now);
    let status = answer.status().as_u16();
    let body = Builder::new_current_thread().build().unwrap().block_on(answer.into_body().collect());
    (status, String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap())
}

fn token(machine: &Machine, seconds: &str) -> (u16, String) {
    asked(machine, "PUT", "/latest/api/token", &[("x-aws-ec2-metadata-token-ttl-seconds", seconds)], at(0))
}

#[test]
fn a_token_opens_the_metadata_for_as_long_as_was_asked() {
    let machine = machine();
    let (status, token) = token(&machine, "60");
    assert_eq!(status, 200);
    let region = |fields: &[(&'static str, &str)], now| {
        asked(&machine, "GET", "/latest/meta-data/placement/region", fields, now)
    };
    assert_eq!(region(&[("x-aws-ec2-metadata-token", &token)], at(59)), (200, "eu-west-1".to_owned()));
    assert_eq!(region(&[("x-aws-ec2-metadata-token", &token)], at(60)).0, 401);
    assert_eq!(region(&[("x-aws-ec2-metadata-token", "bm9uZQ==")], at(0)).0, 401);
    let (status, page) = region(&[], at(0));
    assert!(status == 401 && page.contains("<title>401 - Unauthorized</title>"), "{page}");
    let others = Machine::new(2, "eu-west-1".to_owned());
    assert_eq!(asked(&others, "GET", "/latest/meta-data/", &[("x-aws-ec2-metadata-token", &token)], at(0)).0, 401);
}

#[test]
fn a_token_is_not_for_ever_nor_for_those_behind_a_proxy() {
    let machine = machine();
    for seconds in ["0", "21601", "-1", "long"] {
        assert_eq!(token(&machine, seconds).0, 400, "{seconds}");
    }
    assert_eq!(asked(&machine, "PUT", "/latest/api/token", &[], at(0)).0, 400);
    let fields = [("x-aws-ec2-metadata-token-ttl-seconds", "60"), ("x-forwarded-for", "10.0.0.1")];
    assert_eq!(asked(&machine, "PUT", "/latest/api/token", &fields, at(0)).0, 403);
}

#[test]
fn the_role_and_its_credentials_are_found_as_sdks_look_for_them() {
    let machine = machine();
    let (_, token) = token(&machine, "21600");
    let get = |path: &str| asked(&machine, "GET", path, &[("x-aws-ec2-metadata-token", &token)], at(0));
    assert_eq!(get("/latest/meta-data/iam/security-credentials/"), (200, "squall-stand-in".to_owned()));
    let credentials = |number: &str| {
        let (status, body) = get("/latest/meta-data/iam/security-credentials/squall-stand-in");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["Code"], &body["AccessKeyId"]), (200, &json!("Success"), &json!(number)));
        assert_eq!(body["Expiration"], at(6 * 3_600).to_string());
    };
    credentials("ASIAEXAMPLE000000001");
    credentials("ASIAEXAMPLE000000002");
    let (_, document) = get("/latest/dynamic/instance-identity/document");
    assert_eq!(serde_json::from_str::<Value>(&document).unwrap()["region"], "eu-west-1");
    assert_eq!(get("/latest/meta-data/placement/availability-zone/").1, "eu-west-1a");
    for path in [
        "/latest/meta-data/iam/security-credentials/other",
        "/latest/meta-data/iam/security-credentials-extended/",
        "/latest/meta-data/spot/instance-action",
        "/latest/user-data",
        "/latest/dynamic/fws",
    ] {
        assert_eq!(get(path).0, 404, "{path}");
    }
}

#[test]
fn branches_list_what_is_below_them() {
    let machine = machine();
    let (_, token) = token(&machine, "60");
    let get = |path: &str| asked(&machine, "GET", path, &[("x-aws-ec2-metadata-token", &token)], at(0)).1;
    assert_eq!(get("/latest/meta-data/"), "ami-id\niam/\ninstance-id\ninstance-type\nlocal-ipv4\nplacement/");
    assert_eq!(get("/latest/meta-data/placement/"), "availability-zone\nregion");
    assert_eq!(get("/latest/meta-data/iam"), "info\nsecurity-credentials/");
}

#[test]
fn a_container_is_asked_for_its_authorization_or_its_id() {
    let machine = machine();
    let get = |path: &str, fields: &[(&'static str, &str)]| asked(&machine, "GET", path, fields, at(0));
    let authorized = [("authorization", AUTHORIZATION)];
    let (status, body) = get(CONTAINER_PATH, &authorized);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["AccessKeyId"]), (200, &json!("ASIAEXAMPLE000000001")));
    assert_eq!(get("/v2/credentials/squall-stand-in", &[]).0, 200);
    let (status, body) = get(CONTAINER_PATH, &[("authorization", "guessed")]);
    assert!(status == 400 && body.starts_with(r#"{"code":"InvalidTokenException""#), "{body}");
    assert_eq!(get(CONTAINER_PATH, &[]).0, 400);
    let (status, body) = get("/v2/credentials/other", &[]);
    assert!(status == 400 && body.starts_with(r#"{"code":"InvalidIdInRequest""#), "{body}");
}

#[test]
fn what_is_no_ones_is_not_found() {
    for path in ["/computeMetadata/v1/", "/v4/0a1b/task"] {
        assert_eq!(asked(&machine(), "GET", path, &[], at(0)).0, 404, "{path}");
    }
}
