//! Which error a service gives for trouble of each kind: when it throttles, breaks, is away, or refuses.
//!
//! [`idiom`] chooses, in this order: what the service is known to do (`practice`: where models and practice differ), what the operation
//! models, what the service models, what the protocol's services have in common (`usual`). Where a request has several readings that
//! would choose differently, the common error is taken, for it is right for all.
//!
//! It chooses an error and writes nothing: that is [`synthesize`](super::protocol::synthesize)'s affair.

mod link_local;
mod practice;
mod usual;

use compact_str::CompactString;
use http::StatusCode;

pub(super) use practice::practised;

use super::catalog::ErrorShape;
use super::protocol::AwsError;
use super::quirk;
use super::request::{AwsRequest, Protocol, Reading};

/// Trouble by its kind, without a service's name for it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Idiom {
    /// No policy allows the caller to do it.
    AccessDenied,
    /// Something else is being done to the same resource.
    Conflict,
    /// The caller's session is over.
    ExpiredToken,
    /// The service broke.
    Internal,
    /// Nobody knows the caller.
    InvalidCredentials,
    /// The account may not have so many, or so much.
    LimitExceeded,
    /// What the request is about does not exist.
    NotFound,
    /// The request is not signed right.
    Signature,
    /// The caller is too fast.
    Throttle,
    /// The service waited too long for something.
    Timeout,
    /// The service is away for a while.
    Unavailable,
    /// The request makes no sense.
    Validation,
}

impl Idiom {
    /// All of them, as profiles and the command line write them.
    pub const WORDS: &[(&str, Self)] = &[
        ("throttle", Self::Throttle),
        ("internal", Self::Internal),
        ("unavailable", Self::Unavailable),
        ("timeout", Self::Timeout),
        ("access_denied", Self::AccessDenied),
        ("expired_token", Self::ExpiredToken),
        ("invalid_credentials", Self::InvalidCredentials),
        ("signature", Self::Signature),
        ("not_found", Self::NotFound),
        ("conflict", Self::Conflict),
        ("validation", Self::Validation),
        ("limit_exceeded", Self::LimitExceeded),
    ];

    /// The idiom that this word names.
    pub fn named(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(name, _)| *name == word).map(|(_, idiom)| *idiom)
    }
}

/// The error that this request's service gives for this kind of trouble; status and message always set.
///
/// SDKs class the code of [`Idiom::Throttle`] as throttling, and [`Idiom::Internal`] and [`Idiom::Unavailable`] as transient by their
/// status.
pub fn idiom(request: &AwsRequest, idiom: Idiom) -> AwsError {
    let mut choices = request.readings.iter().map(|reading| choose(reading, request.protocol, idiom));
    let common = || common(request.protocol, idiom);
    let Some(first) = choices.next() else { return common() };
    if choices.all(|choice| choice.code == first.code && choice.status == first.status) { first } else { common() }
}

/// The code that an operation is known to give for this kind of trouble, if it is: it models one, or gives one in practice.
pub fn told(reading: &Reading, idiom: Idiom) -> Option<&'static str> {
    let of_operation = reading.operation.into_iter().flat_map(|operation| reading.service.errors_of(operation));
    let practised = practice::of(reading, idiom).map(|practice| practice.code);
    practised.or_else(|| best(of_operation, idiom, reading).map(|shape| shape.code))
}

fn choose(reading: &Reading, protocol: Protocol, idiom: Idiom) -> AwsError {
    if let Some(practice) = practice::of(reading, idiom) {
        return error(practice.code, practice.status, practice.message);
    }
    if let Some((code, status)) = link_local::of(reading.service, idiom) {
        return error(code, status, quirk::text(reading.service, code).unwrap_or_else(|| usual::message(idiom)));
    }
    let of_operation = reading.operation.into_iter().flat_map(|operation| reading.service.errors_of(operation));
    let modeled = best(of_operation, idiom, reading).or_else(|| best(reading.service.errors().iter(), idiom, reading));
    let mut chosen = match modeled {
        Some(shape) => error(shape.code, shape.status, usual::message(idiom)),
        None => common(protocol, idiom),
    };
    if let (Idiom::AccessDenied, Some(operation)) = (idiom, reading.operation) {
        // IAM's prefix of actions is the signing name but for this one.
        let prefix = if reading.service.name == "cloudwatch" { "cloudwatch" } else { reading.service.signing_name };
        let action = format!("{prefix}:{}", operation.name);
        let text = format!(
            "User is not authorized to perform: {action} because no identity-based policy allows the {action} action"
        );
        chosen.message = Some(text.into());
    }
    chosen
}

/// The modeled error that says it best.
fn best(
    shapes: impl Iterator<Item = &'static ErrorShape>,
    idiom: Idiom,
    reading: &Reading,
) -> Option<&'static ErrorShape> {
    let ranked = shapes.filter_map(|shape| Some((usual::rank(shape, idiom, reading.operation)?, shape)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, shape)| shape)
}

fn common(protocol: Protocol, idiom: Idiom) -> AwsError {
    let (code, status) = usual::common(protocol, idiom);
    error(code, status, usual::message(idiom))
}

fn error(code: &'static str, status: u16, message: &'static str) -> AwsError {
    AwsError {
        code: CompactString::const_new(code),
        status: StatusCode::from_u16(status).ok(),
        message: Some(CompactString::const_new(message)),
        members: Vec::new(),
    }
}

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
                let known = usual::THROTTLE_CODES.contains(&&*error.code) || error.code == "LimitExceededException";
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
    fn refusals_are_each_services_own() {
        use Protocol::{Ec2, Json10, Json11, Query, RestJson, RestXml};
        for (kind, service, operation, protocol, code, status) in [
            (Idiom::AccessDenied, "dynamodb", "PutItem", Json10, "AccessDeniedException", 400),
            (Idiom::AccessDenied, "s3", "GetObject", RestXml, "AccessDenied", 403),
            (Idiom::AccessDenied, "ec2", "RunInstances", Ec2, "UnauthorizedOperation", 403),
            (Idiom::AccessDenied, "sts", "AssumeRole", Query, "AccessDenied", 403),
            (Idiom::Conflict, "dynamodb", "PutItem", Json10, "TransactionConflictException", 400),
            (Idiom::Conflict, "lambda", "UpdateFunctionCode", RestJson, "ResourceConflictException", 409),
            (Idiom::ExpiredToken, "dynamodb", "PutItem", Json10, "ExpiredTokenException", 400),
            (Idiom::ExpiredToken, "sts", "AssumeRole", Query, "ExpiredToken", 403),
            (Idiom::InvalidCredentials, "kms", "Encrypt", Json11, "UnrecognizedClientException", 400),
            (Idiom::InvalidCredentials, "iam", "ListUsers", Query, "InvalidClientTokenId", 403),
            (Idiom::LimitExceeded, "iam", "CreateUser", Query, "LimitExceeded", 409),
            (Idiom::NotFound, "s3", "GetObject", RestXml, "NoSuchKey", 404),
            (Idiom::NotFound, "s3", "ListObjectsV2", RestXml, "NoSuchBucket", 404),
            (Idiom::NotFound, "s3", "UploadPart", RestXml, "NoSuchUpload", 404),
            (Idiom::NotFound, "ec2", "DeleteVpc", Ec2, "InvalidVpcID.NotFound", 400),
            (Idiom::NotFound, "rds", "DeleteDBInstance", Query, "DBInstanceNotFound", 404),
            (Idiom::NotFound, "iam", "GetUser", Query, "NoSuchEntity", 404),
            (Idiom::NotFound, "lambda", "Invoke", RestJson, "ResourceNotFoundException", 404),
            (Idiom::Signature, "lambda", "Invoke", RestJson, "InvalidSignatureException", 403),
            (Idiom::Timeout, "s3", "PutObject", RestXml, "RequestTimeout", 400),
            (Idiom::Timeout, "bedrock-runtime", "InvokeModel", RestJson, "ModelTimeoutException", 408),
            (Idiom::Validation, "dynamodb", "PutItem", Json10, "ValidationException", 400),
        ] {
            assert_eq!(
                told(service, operation, protocol, kind),
                (code.to_owned(), status),
                "{kind:?} {service}.{operation}"
            );
        }
    }

    #[test]
    fn refusals_are_the_clients_errors_everywhere() {
        let refusals = Idiom::WORDS.iter().map(|(_, idiom)| *idiom);
        let broken = [Idiom::Internal, Idiom::Throttle, Idiom::Timeout, Idiom::Unavailable];
        for kind in refusals.filter(|idiom| !broken.contains(idiom)) {
            for service in catalog::services() {
                let reading = Reading { service, operation: service.operations().first() };
                let error = idiom(&AwsRequest::of(reading, service.protocols[0]), kind);
                assert!(error.status.unwrap().is_client_error(), "{kind:?} {reading:?} {error:?}");
            }
        }
    }
}
