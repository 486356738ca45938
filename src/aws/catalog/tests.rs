use super::*;

#[test]
fn the_whole_of_botocore_is_there() {
    assert_eq!(version(), "botocore 1.44.5");
    let modeled: Vec<_> = services().iter().filter(|service| !service.is_link_local()).collect();
    assert_eq!(modeled.len(), 440);
    assert_eq!(modeled.iter().map(|s| s.operations().len()).sum::<usize>(), 19_801);
    assert_eq!(modeled.iter().map(|s| s.errors().len()).sum::<usize>(), 5_854);
}

#[test]
fn what_has_no_model_is_beside_it() {
    let names = services().iter().filter(|service| service.is_link_local()).map(|service| service.name);
    assert_eq!(names.collect::<Vec<_>>(), ["container-credentials", "imds"]);
    let token = service("imds").unwrap().operation("GetToken").unwrap();
    assert_eq!((token.route, token.unsigned), (Some(("PUT", "/{Version}/api/token")), true));
}

#[test]
fn everything_is_sorted_and_found_by_its_name() {
    for s in services() {
        assert_eq!(service(s.name), Some(s));
        assert!(!s.protocols.is_empty() && !s.api_version.is_empty(), "{s:?}");
        assert!(by_signing_name(s.signing_name).contains(&s));
        assert!(s.target_prefix.is_none_or(|prefix| by_target_prefix(prefix).contains(&s)), "{s:?}");
        for o in s.operations() {
            assert_eq!(s.operation(o.name), Some(o));
        }
        for e in s.errors() {
            assert_eq!(s.error(e.name).map(|found| found.code), Some(e.code), "{s:?} {}", e.name);
        }
    }
    assert_eq!(service("dynamo"), None);
    assert!(by_signing_name("").is_empty());
}

#[test]
fn rest_operations_have_routes_and_rpc_operations_have_none() {
    for s in services() {
        let rest = [Protocol::Http, Protocol::RestJson, Protocol::RestXml].into_iter().any(|rest| s.speaks(rest));
        assert!(s.operations().iter().all(|o| o.route.is_some() == rest), "{s:?}");
    }
}

#[test]
fn services_that_share_a_signing_name_or_target_are_found_together() {
    let names = |found: &[&Service]| found.iter().map(|s| s.name).collect::<Vec<_>>();
    assert_eq!(names(by_signing_name("rds")), ["docdb", "neptune", "rds"]);
    assert_eq!(names(by_target_prefix("Timestream_20181101")), ["timestream-query", "timestream-write"]);
    assert_eq!(names(by_signing_name("states")), ["stepfunctions"]);
}

#[test]
fn an_error_tells_code_status_fault_retry_and_members() {
    let sqs = service("sqs").unwrap();
    assert!(sqs.query_compatible && sqs.speaks(Protocol::Query));
    let iam = service("iam").unwrap().error("NoSuchEntity").unwrap();
    assert_eq!((iam.name, iam.code, iam.status), ("NoSuchEntityException", "NoSuchEntity", 404));
    let lambda = service("lambda").unwrap();
    let throttled = lambda.error("TooManyRequestsException").unwrap();
    assert_eq!((throttled.status, throttled.message_member), (429, Some("message")));
    let retry_after =
        Member { name: "Retry-After", kind: MemberKind::String, in_header: true, is_required: false, value: None };
    assert!(throttled.members.contains(&retry_after));
    // The model gives no status here: a JSON server fault is 500 on the wire.
    let internal = service("dynamodb").unwrap().error("InternalServerError").unwrap();
    assert_eq!((internal.status, internal.fault), (500, true));
    let invoke = lambda.operation("Invoke").unwrap();
    assert!(lambda.errors_of(invoke).any(|e| e.name == "ENILimitReachedException" && e.status == 502));
}

#[test]
fn what_may_name_a_resource_is_kept_with_its_place() {
    let inputs = |name, operation| &service(name).unwrap().operation(operation).unwrap().inputs;
    let table = Input { name: "TableName", place: Place::Body, is_list: false, is_required: true };
    assert_eq!(inputs("dynamodb", "PutItem").as_slice(), [table]);
    let instances = Input { name: "InstanceId", is_list: true, ..table };
    assert!(inputs("ec2", "TerminateInstances").contains(&instances));
    let function = Input { name: "FunctionName", place: Place::Query, is_required: false, ..table };
    assert!(inputs("lambda", "ListEventSourceMappings").contains(&function));
}

#[test]
fn required_members_and_constant_queries_are_kept() {
    let s3 = service("s3").unwrap();
    assert_eq!(s3.operation("CopyObject").unwrap().required_headers, ["x-amz-copy-source"]);
    assert_eq!(s3.operation("UploadPart").unwrap().required_query, ["partNumber", "uploadId"]);
    assert_eq!(s3.operation("GetBucketAcl").unwrap().route, Some(("GET", "/{Bucket}?acl")));
}
