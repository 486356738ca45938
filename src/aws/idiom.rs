//! Which error a service gives when it throttles, breaks or is away.
//!
//! [`idiom`] chooses, in this order: what the service is known to do (where models and practice differ), what the
//! operation models, what the service models, what the protocol's services have in common. Where a request has several readings that
//! would choose differently, the common error is taken, for it is right for all.
//!
//! It chooses an error and writes nothing: that is [`synthesize`](super::protocol::synthesize)'s affair.

use http::StatusCode;

use super::catalog::{ErrorShape, Service};
use super::protocol::AwsError;
use super::request::{AwsRequest, Protocol, Reading};

/// Trouble by its kind, without a service's name for it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Idiom {
    /// The service broke.
    Internal,
    /// The caller is too fast.
    Throttle,
    /// The service is away for a while.
    Unavailable,
}

/// The error that this request's service gives for this kind of trouble; status and message always set.
///
/// SDKs class the code of [`Idiom::Throttle`] as throttling, and the others as transient by their status.
pub fn idiom(request: &AwsRequest, idiom: Idiom) -> AwsError {
    let mut choices = request.readings.iter().map(|reading| choose(reading, request.protocol, idiom));
    let usual = || usual(request.protocol, idiom);
    let Some(first) = choices.next() else { return usual() };
    if choices.all(|choice| choice.code == first.code && choice.status == first.status) { first } else { usual() }
}

/// What a service is known to send, and how.
pub(super) struct Practice {
    services: &'static [&'static str],
    idiom: Idiom,
    pub(super) code: &'static str,
    pub(super) status: u16,
    pub(super) message: &'static str,
    /// Only for operations that model the code.
    where_modeled: bool,
}

/// What is known of a code in practice.
pub(super) fn practised(service: &Service, code: &str) -> Option<&'static Practice> {
    PRACTICE.iter().find(|practice| practice.code == code && practice.services.contains(&service.name))
}

fn choose(reading: &Reading, protocol: Protocol, idiom: Idiom) -> AwsError {
    if let Some(practice) = PRACTICE.iter().find(|practice| practice.idiom == idiom && practice.fits(reading)) {
        return error(practice.code, practice.status, practice.message);
    }
    let of_operation = reading.operation.into_iter().flat_map(|operation| reading.service.errors_of(operation));
    let modeled = best(of_operation, idiom).or_else(|| best(reading.service.errors().iter(), idiom));
    match modeled {
        Some(shape) => error(shape.code, shape.status, usual_message(idiom)),
        None => usual(protocol, idiom),
    }
}

impl Practice {
    fn fits(&self, reading: &Reading) -> bool {
        let modeled =
            || reading.operation.is_some_and(|operation| reading.service.error_of(operation, self.code).is_some());
        self.services.contains(&reading.service.name) && (!self.where_modeled || modeled())
    }
}

/// The modeled error that says it best: for throttling one that the SDKs' retry code knows by name, by the order of that list.
fn best(shapes: impl Iterator<Item = &'static ErrorShape>, idiom: Idiom) -> Option<&'static ErrorShape> {
    let rank = |shape: &ErrorShape| -> Option<usize> {
        let (codes, statuses): (&[&str], &[u16]) = match idiom {
            Idiom::Internal => (INTERNAL_CODES, &[500]),
            Idiom::Throttle => (THROTTLE_CODES, &[400, 429, 503]),
            Idiom::Unavailable => (UNAVAILABLE_CODES, &[503]),
        };
        let rank = codes.iter().position(|code| *code == shape.code)?;
        statuses.contains(&shape.status).then_some(rank)
    };
    shapes.filter_map(|shape| Some((rank(shape)?, shape))).min_by_key(|(rank, _)| *rank).map(|(_, shape)| shape)
}

/// What services of a protocol have in common.
fn usual(protocol: Protocol, idiom: Idiom) -> AwsError {
    let (code, status) = match (idiom, protocol) {
        (Idiom::Internal, Protocol::Ec2 | Protocol::RestXml) => ("InternalError", 500),
        (Idiom::Internal, _) => ("InternalFailure", 500),
        (Idiom::Throttle, Protocol::Ec2) => ("RequestLimitExceeded", 503),
        (Idiom::Throttle, Protocol::Query | Protocol::RestXml) => ("Throttling", 400),
        (Idiom::Throttle, Protocol::RestJson) => ("ThrottlingException", 429),
        (Idiom::Throttle, Protocol::Cbor | Protocol::Json10 | Protocol::Json11) => ("ThrottlingException", 400),
        (Idiom::Unavailable, Protocol::Ec2) => ("Unavailable", 503),
        (Idiom::Unavailable, Protocol::RestJson) => ("ServiceUnavailableException", 503),
        (Idiom::Unavailable, _) => ("ServiceUnavailable", 503),
    };
    error(code, status, usual_message(idiom))
}

fn usual_message(idiom: Idiom) -> &'static str {
    match idiom {
        Idiom::Internal => "The request processing has failed because of an unknown error, exception or failure.",
        Idiom::Throttle => "Rate exceeded",
        Idiom::Unavailable => "The request has failed due to a temporary failure of the server.",
    }
}

fn error(code: &str, status: u16, message: &str) -> AwsError {
    AwsError { code: code.into(), status: StatusCode::from_u16(status).ok(), message: Some(message.into()) }
}

const fn known(
    services: &'static [&'static str],
    idiom: Idiom,
    code: &'static str,
    status: u16,
    message: &'static str,
) -> Practice {
    Practice { services, idiom, code, status, message, where_modeled: false }
}

const fn where_modeled(
    services: &'static [&'static str],
    idiom: Idiom,
    code: &'static str,
    status: u16,
    message: &'static str,
) -> Practice {
    Practice { services, idiom, code, status, message, where_modeled: true }
}

/// Codes that botocore, the JavaScript, Rust and Go SDKs all class as throttling, without those that blame another service or a quota.
const THROTTLE_CODES: &[&str] = &[
    "ThrottlingException",
    "TooManyRequestsException",
    "Throttling",
    "ThrottledException",
    "RequestThrottledException",
    "RequestThrottled",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "SlowDown",
];

const INTERNAL_CODES: &[&str] = &[
    "InternalServerException",
    "InternalServerError",
    "InternalServiceException",
    "InternalServiceError",
    "InternalFailureException",
    "InternalFailure",
    "InternalErrorException",
    "InternalError",
    "InternalException",
    "ServerException",
    "ServiceException",
    "InternalServerErrorException",
    "InternalServiceErrorException",
    "ServiceFailureException",
    "ServiceFailure",
];

const UNAVAILABLE_CODES: &[&str] = &["ServiceUnavailableException", "ServiceUnavailable", "ServiceUnavailableError"];

/// Practice where it departs from the models, or where they are silent; the first that fits counts.
///
/// From what services are seen to send and what their API references and developer guides document.
const PRACTICE: &[Practice] = &[
    where_modeled(
        &["dynamodb"],
        Idiom::Throttle,
        "ProvisionedThroughputExceededException",
        400,
        "The level of configured provisioned throughput for the table was exceeded. \
         Consider increasing your provisioning level with the UpdateTable API.",
    ),
    known(&["dynamodb", "dynamodbstreams"], Idiom::Internal, "InternalServerError", 500, "Internal server error"),
    known(&["s3"], Idiom::Throttle, "SlowDown", 503, "Please reduce your request rate."),
    known(&["s3"], Idiom::Internal, "InternalError", 500, "We encountered an internal error. Please try again."),
    known(&["s3"], Idiom::Unavailable, "ServiceUnavailable", 503, "Reduce your request rate."),
    known(&["lambda"], Idiom::Throttle, "TooManyRequestsException", 429, "Rate Exceeded."),
    known(
        &["lambda"],
        Idiom::Internal,
        "ServiceException",
        500,
        "An error occurred and the request cannot be processed.",
    ),
    known(&["sqs"], Idiom::Throttle, "RequestThrottled", 403, "Request is throttled."),
    where_modeled(&["sns"], Idiom::Throttle, "Throttled", 429, "Rate exceeded"),
    known(&["sns"], Idiom::Internal, "InternalError", 500, "An internal error has occurred"),
    where_modeled(
        &["kinesis"],
        Idiom::Throttle,
        "ProvisionedThroughputExceededException",
        400,
        "Rate exceeded for shard shardId-000000000000.",
    ),
    where_modeled(&["kinesis"], Idiom::Throttle, "LimitExceededException", 400, "Rate exceeded"),
    known(&["ec2"], Idiom::Throttle, "RequestLimitExceeded", 503, "Request limit exceeded."),
    known(&["ec2"], Idiom::Unavailable, "Unavailable", 503, "The service is unavailable. Please try again shortly."),
    known(&["ec2"], Idiom::Internal, "InternalError", 500, "An internal error has occurred"),
    known(
        &["kms"],
        Idiom::Throttle,
        "ThrottlingException",
        400,
        "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
    ),
    where_modeled(
        &["kms"],
        Idiom::Internal,
        "KMSInternalException",
        500,
        "The request was rejected because an internal exception occurred. The request can be retried.",
    ),
    where_modeled(
        &["kms"],
        Idiom::Unavailable,
        "KeyUnavailableException",
        500,
        "The request was rejected because the specified KMS key was not available. You can retry the request.",
    ),
    known(
        &["iam"],
        Idiom::Internal,
        "ServiceFailure",
        500,
        "The request processing has failed because of an unknown error.",
    ),
    known(&["route53", "cloudfront", "cloudwatch", "sns"], Idiom::Throttle, "Throttling", 400, "Rate exceeded"),
    known(
        &["cloudwatch"],
        Idiom::Internal,
        "InternalServiceError",
        500,
        "Request processing has failed due to some unknown error.",
    ),
    known(&["apigateway"], Idiom::Throttle, "TooManyRequestsException", 429, "Too Many Requests"),
    known(
        &[
            "ssm",
            "secretsmanager",
            "ecs",
            "ecr",
            "stepfunctions",
            "codebuild",
            "logs",
            "events",
            "acm",
            "config",
            "cloudtrail",
            "glue",
        ],
        Idiom::Throttle,
        "ThrottlingException",
        400,
        "Rate exceeded",
    ),
    known(
        &["bedrock-runtime"],
        Idiom::Throttle,
        "ThrottlingException",
        429,
        "Too many requests, please wait before trying again.",
    ),
    where_modeled(&["firehose"], Idiom::Throttle, "ServiceUnavailableException", 503, "Slow down."),
    where_modeled(&["firehose"], Idiom::Unavailable, "ServiceUnavailableException", 503, "Slow down."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::catalog;

    fn request(service: &str, operation: &str, protocol: Protocol) -> AwsRequest {
        let service = catalog::service(service).unwrap();
        AwsRequest::of(Reading { service, operation: service.operation(operation) }, protocol)
    }

    fn told(service: &str, operation: &str, protocol: Protocol, kind: Idiom) -> (String, u16) {
        let error = idiom(&request(service, operation, protocol), kind);
        assert!(error.message.is_some_and(|message| !message.is_empty()));
        (error.code.into(), error.status.unwrap().as_u16())
    }

    #[test]
    fn throttling_is_each_services_own() {
        use Protocol::{Cbor, Ec2, Json10, Json11, Query, RestJson, RestXml};
        for (service, operation, protocol, code, status) in [
            ("dynamodb", "PutItem", Json10, "ProvisionedThroughputExceededException", 400),
            ("dynamodb", "CreateTable", Json10, "ThrottlingException", 400),
            ("s3", "GetObject", RestXml, "SlowDown", 503),
            ("lambda", "Invoke", RestJson, "TooManyRequestsException", 429),
            ("sqs", "SendMessage", Json10, "RequestThrottled", 403),
            ("sqs", "SendMessage", Query, "RequestThrottled", 403),
            ("sns", "Publish", Query, "Throttling", 400),
            ("kinesis", "PutRecord", Json11, "ProvisionedThroughputExceededException", 400),
            ("kinesis", "CreateStream", Json11, "LimitExceededException", 400),
            ("ec2", "RunInstances", Ec2, "RequestLimitExceeded", 503),
            ("kms", "Encrypt", Json11, "ThrottlingException", 400),
            ("sts", "AssumeRole", Query, "Throttling", 400),
            ("route53", "ListHostedZones", RestXml, "Throttling", 400),
            ("cloudwatch", "PutMetricData", Cbor, "Throttling", 400),
            ("bedrock-runtime", "InvokeModel", RestJson, "ThrottlingException", 429),
            ("cognito-idp", "InitiateAuth", Json11, "TooManyRequestsException", 400),
            ("athena", "StartQueryExecution", Json11, "TooManyRequestsException", 400),
            ("xray", "PutTraceSegments", RestJson, "ThrottledException", 429),
            ("eks", "DescribeCluster", RestJson, "ThrottlingException", 429),
            ("firehose", "PutRecord", Json11, "ServiceUnavailableException", 503),
        ] {
            assert_eq!(
                told(service, operation, protocol, Idiom::Throttle),
                (code.to_owned(), status),
                "{service}.{operation}"
            );
        }
    }

    #[test]
    fn throttling_is_classed_as_throttling_by_sdks_for_every_operation() {
        // Firehose throttles records with a 503 of its own name, which is retried as transient.
        for service in catalog::services().iter().filter(|service| service.name != "firehose") {
            for operation in service.operations() {
                let reading = Reading { service, operation: Some(operation) };
                let error = idiom(&AwsRequest::of(reading, service.protocols[0]), Idiom::Throttle);
                let known = THROTTLE_CODES.contains(&&*error.code) || error.code == "LimitExceededException";
                assert!(known || error.status.unwrap() == 429, "{reading:?} {error:?}");
            }
        }
    }

    #[test]
    fn breaking_and_being_away_are_server_errors_everywhere() {
        for service in catalog::services() {
            let reading = Reading { service, operation: None };
            for kind in [Idiom::Internal, Idiom::Unavailable] {
                let error = idiom(&AwsRequest::of(reading, service.protocols[0]), kind);
                assert!(error.status.unwrap().is_server_error(), "{service:?} {error:?}");
            }
        }
    }

    #[test]
    fn readings_that_would_choose_differently_get_what_is_common() {
        let mut twins = request("lambda", "ListTags", Protocol::RestJson);
        assert_eq!(idiom(&twins, Idiom::Throttle).code, "TooManyRequestsException");
        twins.readings.push(Reading { service: catalog::service("iotsitewise").unwrap(), operation: None });
        assert_eq!(idiom(&twins, Idiom::Throttle).code, "ThrottlingException");
        let mut same = request("rds", "CreateDBCluster", Protocol::Query);
        same.readings.push(Reading { service: catalog::service("docdb").unwrap(), operation: None });
        assert_eq!(idiom(&same, Idiom::Throttle).code, "Throttling");
    }

    #[test]
    fn practice_names_services_that_exist() {
        let names = PRACTICE.iter().flat_map(|practice| practice.services);
        assert!(names.clone().all(|name| catalog::service(name).is_some()));
    }
}
