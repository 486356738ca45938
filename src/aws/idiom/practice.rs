//! What services are known to send, where models are silent or say otherwise.
//!
//! From what services are seen to send and what their API references and developer guides document.

use super::Idiom;
use crate::aws::catalog::{Operation, Service};
use crate::aws::request::Reading;

/// What a service is known to send, and how.
pub(in crate::aws) struct Practice {
    services: &'static [&'static str],
    idiom: Idiom,
    pub(in crate::aws) code: &'static str,
    pub(in crate::aws) status: u16,
    pub(in crate::aws) message: &'static str,
    fits: Fits,
}

/// Which of a service's operations a practice is for.
#[derive(Clone, Copy)]
enum Fits {
    All,
    /// Those that model its code.
    Modeled,
    /// Those whose name has one of these in it.
    Named(&'static [&'static str]),
    /// Those whose path has a label of this name.
    Labelled(&'static str),
}

/// What this reading's service is known to send.
pub(super) fn of(reading: &Reading, idiom: Idiom) -> Option<&'static Practice> {
    PRACTICE.iter().find(|practice| practice.idiom == idiom && practice.is_for(reading))
}

/// What is known of a code in practice.
pub(in crate::aws) fn practised(service: &Service, code: &str) -> Option<&'static Practice> {
    PRACTICE.iter().find(|practice| practice.code == code && practice.services.contains(&service.name))
}

impl Practice {
    fn is_for(&self, reading: &Reading) -> bool {
        self.services.contains(&reading.service.name)
            && match self.fits {
                Fits::All => true,
                Fits::Modeled => {
                    reading.operation.is_some_and(|operation| reading.service.error_of(operation, self.code).is_some())
                }
                Fits::Named(parts) => {
                    reading.operation.is_some_and(|operation| parts.iter().any(|part| operation.name.contains(part)))
                }
                Fits::Labelled(label) => reading.operation.is_some_and(|operation| has_label(operation, label)),
            }
    }
}

fn has_label(operation: &Operation, label: &str) -> bool {
    operation.route.is_some_and(|(_, path)| path.split('{').any(|part| part.starts_with(label)))
}

const fn known(
    services: &'static [&'static str],
    idiom: Idiom,
    code: &'static str,
    status: u16,
    message: &'static str,
) -> Practice {
    Practice { services, idiom, code, status, message, fits: Fits::All }
}

const fn where_modeled(
    services: &'static [&'static str],
    idiom: Idiom,
    code: &'static str,
    status: u16,
    message: &'static str,
) -> Practice {
    Practice { fits: Fits::Modeled, ..known(services, idiom, code, status, message) }
}

const fn s3(fits: Fits, idiom: Idiom, code: &'static str, status: u16, message: &'static str) -> Practice {
    Practice { fits, ..known(&["s3"], idiom, code, status, message) }
}

const fn ec2(fits: Fits, idiom: Idiom, code: &'static str, status: u16, message: &'static str) -> Practice {
    Practice { fits, ..known(&["ec2"], idiom, code, status, message) }
}

/// The first that fits counts.
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
    // S3: its list of error codes.
    s3(Fits::All, Idiom::AccessDenied, "AccessDenied", 403, "Access Denied"),
    s3(Fits::All, Idiom::ExpiredToken, "ExpiredToken", 400, "The provided token has expired."),
    s3(
        Fits::All,
        Idiom::InvalidCredentials,
        "InvalidAccessKeyId",
        403,
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    s3(
        Fits::All,
        Idiom::Signature,
        "SignatureDoesNotMatch",
        403,
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    ),
    s3(Fits::Named(&["HeadObject", "HeadBucket"]), Idiom::NotFound, "NotFound", 404, "Not Found"),
    s3(
        Fits::Named(&["UploadPart", "MultipartUpload", "ListParts"]),
        Idiom::NotFound,
        "NoSuchUpload",
        404,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    ),
    s3(Fits::Labelled("Key"), Idiom::NotFound, "NoSuchKey", 404, "The specified key does not exist."),
    s3(Fits::All, Idiom::NotFound, "NoSuchBucket", 404, "The specified bucket does not exist"),
    s3(
        Fits::All,
        Idiom::Conflict,
        "OperationAborted",
        409,
        "A conflicting conditional operation is currently in progress against this resource. Please try again.",
    ),
    s3(Fits::All, Idiom::Validation, "InvalidArgument", 400, "Invalid Argument"),
    s3(
        Fits::All,
        Idiom::LimitExceeded,
        "TooManyBuckets",
        400,
        "You have attempted to create more buckets than allowed",
    ),
    s3(
        Fits::All,
        Idiom::Timeout,
        "RequestTimeout",
        400,
        "Your socket connection to the server was not read from or written to within the timeout period. \
         Idle connections will be closed.",
    ),
    // EC2 models no errors at all: its list of error codes.
    ec2(
        Fits::All,
        Idiom::AccessDenied,
        "UnauthorizedOperation",
        403,
        "You are not authorized to perform this operation.",
    ),
    ec2(Fits::All, Idiom::ExpiredToken, "RequestExpired", 400, "Request has expired."),
    ec2(
        Fits::All,
        Idiom::InvalidCredentials,
        "AuthFailure",
        401,
        "AWS was not able to validate the provided access credentials",
    ),
    ec2(
        Fits::All,
        Idiom::Signature,
        "AuthFailure",
        401,
        "AWS was not able to validate the provided access credentials",
    ),
    ec2(Fits::Named(&["KeyPair"]), Idiom::NotFound, "InvalidKeyPair.NotFound", 400, "The key pair does not exist"),
    ec2(Fits::Named(&["Snapshot"]), Idiom::NotFound, "InvalidSnapshot.NotFound", 400, "The snapshot does not exist."),
    ec2(Fits::Named(&["Volume"]), Idiom::NotFound, "InvalidVolume.NotFound", 400, "The volume does not exist."),
    ec2(Fits::Named(&["Image"]), Idiom::NotFound, "InvalidAMIID.NotFound", 400, "The image id does not exist"),
    ec2(
        Fits::Named(&["SecurityGroup"]),
        Idiom::NotFound,
        "InvalidGroup.NotFound",
        400,
        "The security group does not exist",
    ),
    ec2(Fits::Named(&["Subnet"]), Idiom::NotFound, "InvalidSubnetID.NotFound", 400, "The subnet ID does not exist"),
    ec2(Fits::Named(&["Vpc"]), Idiom::NotFound, "InvalidVpcID.NotFound", 400, "The vpc ID does not exist"),
    ec2(Fits::All, Idiom::NotFound, "InvalidInstanceID.NotFound", 400, "The instance ID does not exist"),
    ec2(Fits::All, Idiom::Conflict, "IncorrectState", 400, "The resource is in an incorrect state for the request."),
    ec2(Fits::All, Idiom::Validation, "InvalidParameterValue", 400, "A value specified in a parameter is not valid."),
    ec2(
        Fits::Named(&["RunInstances", "StartInstances"]),
        Idiom::LimitExceeded,
        "InstanceLimitExceeded",
        400,
        "You have requested more instances than your current instance limit allows.",
    ),
    ec2(
        Fits::All,
        Idiom::LimitExceeded,
        "ResourceCountExceeded",
        400,
        "You have exceeded the number of resources allowed for this request.",
    ),
    // Messages where the model's own shape is what is sent.
    where_modeled(
        &["dynamodb", "dynamodbstreams"],
        Idiom::NotFound,
        "ResourceNotFoundException",
        400,
        "Requested resource not found",
    ),
    known(&["cloudwatch", "sqs"], Idiom::AccessDenied, "AccessDenied", 403, "Access to the resource is denied."),
    known(&["sns"], Idiom::AccessDenied, "AuthorizationError", 403, "User is not authorized to perform this action"),
    where_modeled(&["sqs"], Idiom::NotFound, "QueueDoesNotExist", 400, "The specified queue does not exist."),
    where_modeled(&["sns"], Idiom::NotFound, "NotFound", 404, "Topic does not exist"),
    where_modeled(
        &["secretsmanager"],
        Idiom::NotFound,
        "ResourceNotFoundException",
        400,
        "Secrets Manager can't find the specified secret.",
    ),
    where_modeled(
        &["logs"],
        Idiom::NotFound,
        "ResourceNotFoundException",
        400,
        "The specified log group does not exist.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::catalog;

    #[test]
    fn practice_names_services_and_operations_that_exist() {
        for practice in PRACTICE {
            for name in practice.services {
                let service = catalog::service(name).unwrap();
                let parts = if let Fits::Named(parts) = practice.fits { parts } else { &[] };
                let is_named = |part: &str| service.operations().iter().any(|operation| operation.name.contains(part));
                assert!(parts.iter().all(|part| is_named(part)), "{name}: {parts:?}");
            }
        }
    }
}
