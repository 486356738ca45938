//! How services without a model say it: instance metadata by the status, the agent of containers by a code of its own.
//!
//! Instance metadata's statuses are those of EC2's user guide; over its limit of requests it answers 429. What containers hear of
//! policies and tokens is what the agent of EKS Pod Identity passes on from EKS; the rest is ECS's agent's.

use super::Idiom;
use crate::aws::catalog::Service;

/// Code and status.
pub(super) fn of(service: &Service, idiom: Idiom) -> Option<(&'static str, u16)> {
    match service.name {
        "container-credentials" => Some(of_containers(idiom)),
        "imds" => Some(of_instances(idiom)),
        _ => None,
    }
}

fn of_instances(idiom: Idiom) -> (&'static str, u16) {
    match idiom {
        Idiom::AccessDenied => ("Forbidden", 403),
        Idiom::Conflict | Idiom::LimitExceeded | Idiom::Validation => ("BadRequest", 400),
        Idiom::ExpiredToken | Idiom::InvalidCredentials | Idiom::Signature => ("Unauthorized", 401),
        Idiom::Internal => ("InternalServerError", 500),
        Idiom::NotFound => ("NotFound", 404),
        Idiom::Throttle => ("TooManyRequests", 429),
        Idiom::Timeout | Idiom::Unavailable => ("ServiceUnavailable", 503),
    }
}

fn of_containers(idiom: Idiom) -> (&'static str, u16) {
    match idiom {
        Idiom::AccessDenied => ("AccessDeniedException", 403),
        Idiom::Conflict | Idiom::LimitExceeded | Idiom::Validation => ("NoIdInRequest", 400),
        Idiom::ExpiredToken => ("ExpiredTokenException", 400),
        Idiom::Internal => ("InternalServerError", 500),
        Idiom::InvalidCredentials | Idiom::Signature => ("InvalidTokenException", 400),
        Idiom::NotFound => ("InvalidIdInRequest", 400),
        Idiom::Throttle => ("TooManyRequests", 429),
        Idiom::Timeout | Idiom::Unavailable => ("CredentialsUninitialized", 503),
    }
}
