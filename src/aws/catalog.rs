//! What AWS's models say exists: services, operations, error shapes.

/// One AWS service of the catalog.
#[derive(Debug)]
pub struct Service {
    /// botocore's name for it, as profiles write it: `dynamodb`, `stepfunctions`.
    pub name: &'static str,
}

/// One operation of a service.
#[derive(Debug)]
pub struct Operation {
    /// `PutItem`
    pub name: &'static str,
}
