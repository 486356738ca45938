//! How trouble of each kind is named where a service has no practice of its own: in models, and in what a protocol's services have
//! in common.
//!
//! The common codes and statuses are those of the "Common Errors" pages of AWS's API references, which differ by protocol alone.

use super::Idiom;
use crate::aws::catalog::{ErrorShape, Operation};
use crate::aws::request::Protocol;

/// How models name trouble of one kind.
struct Names {
    /// Codes that say it best, the best first.
    codes: &'static [&'static str],
    /// What other codes have in them that say it too.
    parts: &'static [&'static str],
    /// What has such a part and means something else.
    not: &'static [&'static str],
    /// What it may be sent with.
    statuses: &'static [u16],
}

/// How well a modeled error says it: the lower the better. `None`: it says something else.
pub(super) fn rank(shape: &ErrorShape, idiom: Idiom, operation: Option<&Operation>) -> Option<usize> {
    let names = names(idiom)?;
    let code = shape.code;
    let has = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
    if !names.statuses.contains(&shape.status) || has(names.not) {
        return None;
    }
    let listed = names.codes.iter().position(|listed| *listed == code);
    if listed.is_none() && !has(names.parts) {
        return None;
    }
    // What is said of the very thing that the operation is about says most.
    let thing = names
        .parts
        .iter()
        .fold(code.trim_end_matches("Exception").trim_end_matches("Fault").to_owned(), |code, part| {
            code.replace(part, "")
        });
    let is_about_it = thing.len() > 2 && operation.is_some_and(|operation| operation.name.contains(&thing));
    Some(if is_about_it && idiom == Idiom::NotFound { 0 } else { 1 + listed.unwrap_or(names.codes.len()) })
}

/// `None`: no model can say it; what fails before an operation is reached is common to all services.
fn names(idiom: Idiom) -> Option<&'static Names> {
    Some(match idiom {
        Idiom::ExpiredToken | Idiom::InvalidCredentials | Idiom::Signature => return None,
        // Of others that sound like it, none is what a policy's denial gives: KMS's are about keys, NotAuthorized ones about other things.
        Idiom::AccessDenied => &Names {
            codes: &["AccessDeniedException", "AccessDenied", "AccessDeniedFault"],
            parts: &[],
            not: &[],
            statuses: &[400, 401, 403],
        },
        Idiom::Conflict => &Names {
            codes: &[
                "ConflictException",
                "ResourceConflictException",
                "TransactionConflictException",
                "ConcurrentModificationException",
                "ConcurrentModification",
                "ConcurrentUpdateException",
                "ResourceInUseException",
            ],
            parts: &["Conflict", "Concurrent", "InUse", "AlreadyExist", "Aborted"],
            not: &["Limit", "TooMany", "Exceeded"],
            statuses: &[400, 409],
        },
        Idiom::Internal => &Names {
            codes: &[
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
            ],
            parts: &[],
            not: &[],
            statuses: &[500],
        },
        Idiom::LimitExceeded => &Names {
            codes: &[
                "LimitExceededException",
                "ServiceQuotaExceededException",
                "LimitExceeded",
                "ResourceLimitExceededException",
                "ResourceLimitExceeded",
                "QuotaExceededException",
            ],
            parts: &["LimitExceeded", "QuotaExceeded", "LimitsExceeded", "TooMany"],
            not: &["RequestLimit", "TooManyRequests", "Bandwidth", "Throughput", "Throttl"],
            statuses: &[400, 402, 403, 409, 413, 429],
        },
        Idiom::NotFound => &Names {
            codes: &[
                "ResourceNotFoundException",
                "NotFoundException",
                "ResourceNotFoundFault",
                "ResourceNotFound",
                "NoSuchEntity",
            ],
            parts: &["NotFound", "NoSuch", "DoesNotExist", "NotExist", "NonExistent"],
            not: &["Kms", "KMS"],
            statuses: &[400, 404],
        },
        Idiom::Throttle => &Names { codes: THROTTLE_CODES, parts: &[], not: &[], statuses: &[400, 429, 503] },
        Idiom::Timeout => &Names {
            codes: &["RequestTimeoutException", "RequestTimeout", "ModelTimeoutException", "OperationTimeoutException"],
            parts: &[],
            not: &[],
            statuses: &[400, 408, 500, 503, 504],
        },
        Idiom::Unavailable => &Names {
            codes: &["ServiceUnavailableException", "ServiceUnavailable", "ServiceUnavailableError"],
            parts: &[],
            not: &[],
            statuses: &[503],
        },
        Idiom::Validation => &Names {
            codes: &[
                "ValidationException",
                "ValidationError",
                "InvalidParameterValueException",
                "InvalidParameterException",
                "InvalidRequestException",
                "InvalidInputException",
                "BadRequestException",
                "InvalidArgumentException",
                "InvalidParameterValue",
                "InvalidParameter",
                "InvalidInput",
                "InvalidArgument",
            ],
            parts: &[
                "Validation",
                "InvalidParameter",
                "InvalidRequest",
                "InvalidInput",
                "InvalidArgument",
                "BadRequest",
            ],
            not: &["Limit", "TooMany", "Exceeded"],
            statuses: &[400],
        },
    })
}

/// What services of a protocol have in common: code and status.
pub(super) fn common(protocol: Protocol, idiom: Idiom) -> (&'static str, u16) {
    use Protocol::{Cbor, Ec2, Http, Json10, Json11, Query, RestJson, RestXml};
    let is_xml = matches!(protocol, Ec2 | Query | RestXml);
    match (idiom, protocol) {
        (Idiom::AccessDenied, Cbor | Json10 | Json11) => ("AccessDeniedException", 400),
        (Idiom::AccessDenied, RestJson) => ("AccessDeniedException", 403),
        (Idiom::AccessDenied, _) => ("AccessDenied", 403),
        (Idiom::Conflict, RestJson) => ("ConflictException", 409),
        (Idiom::Conflict, _) if is_xml => ("Conflict", 409),
        (Idiom::Conflict, _) => ("ConflictException", 400),
        (Idiom::ExpiredToken, RestJson) => ("ExpiredTokenException", 403),
        (Idiom::ExpiredToken, _) if is_xml => ("ExpiredToken", 403),
        (Idiom::ExpiredToken, _) => ("ExpiredTokenException", 400),
        (Idiom::Internal, Ec2 | RestXml) => ("InternalError", 500),
        (Idiom::Internal, _) => ("InternalFailure", 500),
        (Idiom::InvalidCredentials, RestJson) => ("UnrecognizedClientException", 403),
        (Idiom::InvalidCredentials, _) if is_xml => ("InvalidClientTokenId", 403),
        (Idiom::InvalidCredentials, _) => ("UnrecognizedClientException", 400),
        (Idiom::LimitExceeded, RestJson) => ("ServiceQuotaExceededException", 402),
        (Idiom::LimitExceeded, _) if is_xml => ("LimitExceeded", 400),
        (Idiom::LimitExceeded, _) => ("LimitExceededException", 400),
        (Idiom::NotFound, RestJson) => ("ResourceNotFoundException", 404),
        (Idiom::NotFound, _) if is_xml => ("ResourceNotFound", 404),
        (Idiom::NotFound, _) => ("ResourceNotFoundException", 400),
        (Idiom::Signature, RestJson) => ("InvalidSignatureException", 403),
        (Idiom::Signature, _) if is_xml => ("SignatureDoesNotMatch", 403),
        (Idiom::Signature, _) => ("InvalidSignatureException", 400),
        (Idiom::Throttle, Ec2) => ("RequestLimitExceeded", 503),
        (Idiom::Throttle, Query | RestXml) => ("Throttling", 400),
        (Idiom::Throttle, Http | RestJson) => ("ThrottlingException", 429),
        (Idiom::Throttle, Cbor | Json10 | Json11) => ("ThrottlingException", 400),
        (Idiom::Timeout, _) if is_xml => ("RequestTimeout", 408),
        (Idiom::Timeout, _) => ("RequestTimeoutException", 408),
        (Idiom::Unavailable, Ec2) => ("Unavailable", 503),
        (Idiom::Unavailable, RestJson) => ("ServiceUnavailableException", 503),
        (Idiom::Unavailable, _) => ("ServiceUnavailable", 503),
        (Idiom::Validation, _) if is_xml => ("ValidationError", 400),
        (Idiom::Validation, _) => ("ValidationException", 400),
    }
}

/// What is said with it where nothing better is known.
pub(super) fn message(idiom: Idiom) -> &'static str {
    match idiom {
        Idiom::AccessDenied => "User is not authorized to perform this action",
        Idiom::Conflict => "The request conflicts with the current state of the resource.",
        Idiom::ExpiredToken => "The security token included in the request is expired",
        Idiom::Internal => "The request processing has failed because of an unknown error, exception or failure.",
        Idiom::InvalidCredentials => "The security token included in the request is invalid.",
        Idiom::LimitExceeded => "The request would exceed a limit of this account.",
        Idiom::NotFound => "The requested resource was not found.",
        Idiom::Signature => {
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and \
             signing method. Consult the service documentation for details."
        }
        Idiom::Throttle => "Rate exceeded",
        Idiom::Timeout => "The request was not completed in time.",
        Idiom::Unavailable => "The request has failed due to a temporary failure of the server.",
        Idiom::Validation => "A parameter of the request is not valid.",
    }
}

/// Codes that botocore, the JavaScript, Rust and Go SDKs all class as throttling, without those that blame another service or a quota.
pub(super) const THROTTLE_CODES: &[&str] = &[
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
