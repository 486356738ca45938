use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::aws::protocol::{AwsError, Stamp, synthesize};
use crate::aws::request::{AwsRequest, Head, decode};
use crate::aws::{idiom, why};

fn decoded(method: &str, host: &str, path: &str, fields: &[(&'static str, &'static str)]) -> Option<AwsRequest> {
    let headers: HeaderMap =
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
    let method = method.parse().unwrap();
    decode(&Head { method: &method, host, path, query: None, headers: &headers }, b"").ok()
}

fn told(method: &str, host: &str, path: &str, fields: &[(&'static str, &'static str)]) -> String {
    let request = decoded(method, host, path, fields);
    request.map_or_else(|| "foreign".to_owned(), |request| request.readings[0].to_string())
}

#[test]
fn each_path_of_instance_metadata_is_an_operation() {
    for (method, path, operation) in [
        ("PUT", "/latest/api/token", "imds.GetToken"),
        ("GET", "/latest/meta-data/iam/security-credentials/", "imds.ListRoles"),
        ("GET", "/latest/meta-data/iam/security-credentials", "imds.ListRoles"),
        ("GET", "/latest/meta-data/iam/security-credentials-extended/", "imds.ListRoles"),
        ("GET", "/latest/meta-data/iam/security-credentials/web", "imds.GetCredentials"),
        ("GET", "/latest/meta-data/iam/security-credentials-extended/web", "imds.GetCredentials"),
        ("GET", "/2021-07-15/meta-data/iam/info", "imds.GetIAMInfo"),
        ("GET", "/latest/meta-data/placement/region", "imds.GetRegion"),
        ("GET", "/latest/meta-data/placement/availability-zone/", "imds.GetAvailabilityZone"),
        ("GET", "/latest/meta-data/", "imds.GetMetadata"),
        ("HEAD", "/1.0/meta-data/instance-id", "imds.GetMetadata"),
        ("GET", "//latest/dynamic/instance-identity/document", "imds.GetInstanceIdentityDocument"),
        ("GET", "/latest/dynamic/fws/instance-monitoring", "imds.GetDynamicData"),
        ("GET", "/latest/user-data", "imds.GetUserData"),
        ("POST", "/latest/user-data", "imds"),
        ("GET", "/latest/api/token", "imds"),
        ("GET", "/", "imds"),
        // Other clouds answer at the same address.
        ("GET", "/computeMetadata/v1/instance/id", "foreign"),
        ("GET", "/metadata/instance", "foreign"),
    ] {
        for host in ["169.254.169.254", "[fd00:ec2::254]", "fd00:ec2::254", "instance-data.ec2.internal"] {
            assert_eq!(told(method, host, path, &[]), operation, "{method} {host} {path}");
        }
    }
}

#[test]
fn credentials_of_containers_are_told_from_what_else_ecs_answers() {
    for (host, path, operation) in [
        ("169.254.170.2", "/v2/credentials/0a1b", "container-credentials.GetCredentials"),
        ("169.254.170.2", "/v4/0a1b/task", "foreign"),
        ("169.254.170.2", "/latest/meta-data/", "foreign"),
        ("169.254.170.23", "/v1/credentials", "container-credentials.GetCredentials"),
        ("fd00:ec2::23", "/v1/credentials", "container-credentials.GetCredentials"),
        ("127.0.0.1", "/v1/credentials", "container-credentials.GetCredentials"),
        ("localhost", "/v2/credentials/0a1b", "container-credentials.GetCredentials"),
    ] {
        assert_eq!(told("GET", host, path, &[("authorization", "secret")]), operation, "{host} {path}");
    }
}

#[test]
fn elsewhere_a_token_or_a_path_in_the_neighbourhood_says_it() {
    let roles = "/latest/meta-data/iam/security-credentials/";
    let token = [("x-aws-ec2-metadata-token", "secret")];
    for host in ["127.0.0.1", "::1", "localhost", "10.0.0.7", "squall"] {
        assert_eq!(told("GET", host, roles, &[]), "imds.ListRoles", "{host}");
    }
    assert_eq!(told("GET", "metadata.example.com", roles, &token), "imds.ListRoles");
    assert_eq!(told("GET", "docs.example.com", "/latest/user-data", &[]), "foreign");
    assert_eq!(told("GET", "203.0.113.9", roles, &[]), "foreign");
    assert_eq!(told("GET", "127.0.0.1", "/older/meta-data/", &token), "foreign");
}

#[test]
fn a_bucket_called_latest_stays_s3s() {
    let path = "/latest/meta-data/object";
    let signed = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    assert_eq!(told("GET", "127.0.0.1", path, &[("authorization", signed)]), "s3.GetObject");
    let unsigned = [("user-agent", "aws-sdk-js/3 api/s3#3"), ("amz-sdk-invocation-id", "1")];
    assert_eq!(told("GET", "127.0.0.1", path, &unsigned), "s3.GetObject");
    assert_eq!(told("GET", "127.0.0.1", path, &[("amz-sdk-invocation-id", "1")]), "s3.GetObject");
    assert_eq!(told("GET", "latest.s3.amazonaws.com", path, &[]), "s3.GetObject");
    assert_eq!(told("GET", "bucket.localhost", path, &[]), "foreign");
    let rust = [("user-agent", "aws-sdk-rust/1 api/imds/1.13.0"), ("amz-sdk-invocation-id", "1")];
    assert_eq!(told("GET", "127.0.0.1", path, &rust), "imds.GetMetadata");
}

#[test]
fn a_role_and_a_path_are_resources_and_an_id_of_credentials_is_none() {
    let resource = |host, path| {
        let request = decoded("GET", host, path, &[]).unwrap();
        request.resource.map(|resource| resource.name.to_string())
    };
    let imds = "169.254.169.254";
    assert_eq!(resource(imds, "/latest/meta-data/iam/security-credentials/web").as_deref(), Some("web"));
    assert_eq!(resource(imds, "/latest/meta-data/iam/security-credentials-extended/web").as_deref(), Some("web"));
    assert_eq!(resource(imds, "/latest/meta-data/spot/instance-action").as_deref(), Some("spot/instance-action"));
    assert_eq!(resource(imds, "/latest/meta-data/placement/region"), None);
    assert_eq!(resource("169.254.170.2", "/v2/credentials/0a1b"), None);
}

#[test]
fn evidence_never_tells_a_token() {
    let fields = [("x-aws-ec2-metadata-token", "secret")];
    let request = decoded("GET", "127.0.0.1", "/latest/user-data", &fields).unwrap();
    let headers = HeaderMap::from_iter([(HeaderName::from_static(fields[0].0), HeaderValue::from_static("secret"))]);
    let head =
        Head { method: &Method::GET, host: "127.0.0.1", path: "/latest/user-data", query: None, headers: &headers };
    let said = why::explain(&request, &head, b"");
    assert_eq!(request.why.to_string(), "route+metadata-token");
    assert!(said.iter().all(|(_, text)| !text.contains("secret")), "{said:?}");
}

#[test]
fn errors_are_pages_of_instances_and_json_of_containers() {
    let stamp = Stamp { date: jiff::Timestamp::UNIX_EPOCH, id: 1 };
    let answer = |host, path, kind| {
        let request = decoded("GET", host, path, &[]).unwrap();
        let answer = synthesize(&request, &idiom::idiom(&request, kind), &stamp);
        (answer.status.as_u16(), answer.headers, String::from_utf8(answer.body.to_vec()).unwrap())
    };
    let imds = |kind| answer("169.254.169.254", "/latest/meta-data/", kind);
    let (status, headers, body) = imds(idiom::Idiom::ExpiredToken);
    assert_eq!(
        (status, &headers["server"], &headers["content-type"]),
        (401, &HeaderValue::from_static("EC2ws"), &HeaderValue::from_static("text/html"))
    );
    assert!(body.starts_with("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<!DOCTYPE html"), "{body}");
    assert!(body.contains("  <title>401 - Unauthorized</title>\n") && body.contains("  <h1>401 - Unauthorized</h1>\n"));
    assert_eq!(headers["content-length"], body.len().to_string());
    let containers = |kind| answer("169.254.170.2", "/v2/credentials/0a1b", kind);
    let (status, headers, body) = containers(idiom::Idiom::NotFound);
    assert_eq!(
        (status, body.as_str()),
        (
            400,
            r#"{"code":"InvalidIdInRequest","message":"CredentialsV2Request: Credentials not found","HTTPErrorCode":400}"#
        )
    );
    assert_eq!(headers["content-type"], "application/json");
    let (status, _, body) = containers(idiom::Idiom::Throttle);
    assert_eq!((status, body.as_str()), (429, "You have reached maximum request limit."));
    for (kind, [of_instances, of_containers]) in [
        (idiom::Idiom::AccessDenied, [403, 403]),
        (idiom::Idiom::Internal, [500, 500]),
        (idiom::Idiom::NotFound, [404, 400]),
        (idiom::Idiom::Throttle, [429, 429]),
        (idiom::Idiom::Unavailable, [503, 503]),
        (idiom::Idiom::Validation, [400, 400]),
    ] {
        assert_eq!([imds(kind).0, containers(kind).0], [of_instances, of_containers], "{kind:?}");
    }
}

#[test]
fn a_code_of_ones_own_is_sent_with_its_text() {
    let request = decoded("GET", "169.254.169.254", "/latest/user-data", &[]).unwrap();
    let error = AwsError {
        code: "Teapot".into(),
        status: Some(http::StatusCode::IM_A_TEAPOT),
        message: Some("short & stout".into()),
        members: Vec::new(),
    };
    let answer = synthesize(&request, &error, &Stamp { date: jiff::Timestamp::UNIX_EPOCH, id: 1 });
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(body.contains("<title>418 - I&apos;m a teapot</title>") && body.contains("<h1>short &amp; stout</h1>"));
}

#[test]
fn routes_of_the_catalog_are_read_as_their_operations() {
    for service in catalog::services().iter().filter(|service| service.is_link_local()) {
        for operation in service.operations() {
            let (method, template) = operation.route.unwrap();
            let path = template.replace("{Version}", "latest").replace("{Path+}", "a/b").replace("{Role}", "r");
            let read = super::operation(service, &method.parse().unwrap(), &path.replace("{Id}", "i"));
            assert_eq!(read, Ok(Some(operation.name)));
        }
    }
}
