//! Errors that no model has to list: AWS's common errors, and those every service is known to send.
//!
//! Codes and texts are from the "Common Errors" pages of AWS's API references; JSON services send client errors as 400 where REST
//! services send 401, 403 or 429.

/// A code that any service may send.
pub(super) struct Common {
    code: &'static str,
    status: u16,
    rest_json: u16,
    /// AWS's text.
    pub(super) message: &'static str,
}

impl Common {
    pub(super) fn status(&self, rest_json: bool) -> u16 {
        if rest_json { self.rest_json } else { self.status }
    }
}

pub(super) fn error(code: &str) -> Option<&'static Common> {
    COMMON.iter().find(|common| common.code == code)
}

/// The code in words, for want of AWS's text: `NoSuchEntity` is "No such entity."
pub(super) fn sentence(code: &str) -> String {
    let code = code.strip_suffix("Exception").filter(|rest| !rest.is_empty()).unwrap_or(code);
    let mut out = String::with_capacity(code.len() + 8);
    let mut letters = code.chars().peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        let word_ends = before.is_lowercase() && letter.is_uppercase();
        let acronym_ends =
            before.is_uppercase() && letter.is_uppercase() && letters.peek().is_some_and(|l| l.is_lowercase());
        if (word_ends || acronym_ends) && !out.ends_with(' ') {
            out.push(' ');
        }
        let in_word = letters.peek().is_none_or(|next| !next.is_uppercase());
        match letter {
            '.' | '_' | '-' => out.push(' '),
            _ if (word_ends || acronym_ends) && in_word => out.extend(letter.to_lowercase()),
            _ => out.push(letter),
        }
        before = letter;
    }
    out.push('.');
    out
}

const fn common(code: &'static str, status: u16, message: &'static str) -> Common {
    Common { code, status, rest_json: status, message }
}

const fn split(code: &'static str, status: u16, rest_json: u16, message: &'static str) -> Common {
    Common { code, status, rest_json, message }
}

const UNKNOWN_FAILURE: &str = "The request processing has failed because of an unknown error, exception or failure.";
const TEMPORARY_FAILURE: &str = "The request has failed due to a temporary failure of the server.";
const NOT_AUTHORIZED: &str = "You are not authorized to perform this operation.";
const EXPIRED: &str = "The security token included in the request is expired";
const INVALID_TOKEN: &str = "The security token included in the request is invalid.";
const WRONG_SIGNATURE: &str = "The request signature we calculated does not match the signature you provided. \
    Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";

const COMMON: &[Common] = &[
    common("AccessDenied", 403, "Access Denied"),
    split("AccessDeniedException", 400, 403, NOT_AUTHORIZED),
    common("AuthFailure", 401, "AWS was not able to validate the provided access credentials"),
    common("BandwidthLimitExceeded", 509, "Bandwidth limit exceeded"),
    common("ExpiredToken", 403, EXPIRED),
    split("ExpiredTokenException", 400, 403, EXPIRED),
    common("InternalError", 500, "An internal error has occurred"),
    common("InternalFailure", 500, UNKNOWN_FAILURE),
    common("InternalServerError", 500, "Internal server error"),
    common("InternalServerException", 500, UNKNOWN_FAILURE),
    common("InternalServiceError", 500, UNKNOWN_FAILURE),
    common("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
    common("InvalidClientTokenId", 403, INVALID_TOKEN),
    split("InvalidSignatureException", 400, 403, WRONG_SIGNATURE),
    common("RequestExpired", 400, "Request has expired."),
    common("RequestLimitExceeded", 503, "Request limit exceeded."),
    common("RequestThrottled", 403, "Request is throttled."),
    common("RequestTimeTooSkewed", 403, "The difference between the request time and the current time is too large."),
    common(
        "RequestTimeout",
        400,
        "Your socket connection to the server was not read from or written to within the timeout period.",
    ),
    common("ServerException", 500, UNKNOWN_FAILURE),
    common("ServiceFailure", 500, UNKNOWN_FAILURE),
    common("ServiceUnavailable", 503, TEMPORARY_FAILURE),
    common("ServiceUnavailableException", 503, TEMPORARY_FAILURE),
    common("SignatureDoesNotMatch", 403, WRONG_SIGNATURE),
    common("SlowDown", 503, "Please reduce your request rate."),
    common("Throttled", 429, "Rate exceeded"),
    split("ThrottledException", 400, 429, "Rate exceeded"),
    common("Throttling", 400, "Rate exceeded"),
    split("ThrottlingException", 400, 429, "Rate exceeded"),
    split("TooManyRequestsException", 400, 429, "Too Many Requests"),
    common("Unavailable", 503, "The service is unavailable. Please try again shortly."),
    common("UnauthorizedOperation", 403, NOT_AUTHORIZED),
    split("UnrecognizedClientException", 400, 403, INVALID_TOKEN),
    common("ValidationError", 400, "The input fails to satisfy the constraints specified by an AWS service."),
    common("ValidationException", 400, "The input fails to satisfy the constraints specified by an AWS service."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_sentences() {
        for (code, expected) in [
            ("NoSuchEntity", "No such entity."),
            ("ResourceNotFoundException", "Resource not found."),
            ("KMSInternalException", "KMS internal."),
            ("InvalidInstanceID.NotFound", "Invalid instance ID Not found."),
            ("DBInstanceNotFound", "DB instance not found."),
            ("Exception", "Exception."),
            ("x", "x."),
            ("", "."),
        ] {
            assert_eq!(sentence(code), expected);
        }
    }

    #[test]
    fn rest_services_answer_throttling_with_429() {
        let throttling = error("ThrottlingException").unwrap();
        assert_eq!((throttling.status(false), throttling.status(true)), (400, 429));
        assert!(error("NoSuchThing").is_none());
    }
}
