//! What an error tells of the very request it answers, where only the request's body holds it.
//!
//! A canceled transaction gives a reason for each of its items, DynamoDB's throttling names the table, many a ResourceNotFoundException
//! what was not found. [`asks_body`] says how much of a body must be read for that, and [`look_into`] takes it from there.

use super::{AwsError, best_known};
use crate::aws::quirk::dynamodb;
use crate::aws::request::{AwsRequest, Head, MOST_OF_BODY};
use crate::aws::resource;
use crate::aws::{catalog::ErrorShape, protocol::Known};

/// How many bytes of the request's body this error depends on: 0 where the head tells all.
pub fn asks_body(request: &AwsRequest, head: &Head<'_>, error: &AwsError) -> usize {
    let (_, Known::ByOperation(shape) | Known::ByService(shape)) = best_known(request, &error.code) else { return 0 };
    if has_reasons(shape) {
        return MOST_OF_TRANSACTION;
    }
    let lacks = |name: &str| !error.members.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let is_about = shape.members.iter().any(|member| names_resource(member.name) && lacks(member.name));
    if is_about && request.resource.is_none() && resource::stands_in_body(request, head) { MOST_OF_BODY } else { 0 }
}

/// Takes from so much of the body what the error depends on.
pub fn look_into(request: &mut AwsRequest, head: &Head<'_>, error: &AwsError, body: &[u8]) {
    let (_, Known::ByOperation(shape) | Known::ByService(shape)) = best_known(request, &error.code) else { return };
    if has_reasons(shape) {
        request.items = dynamodb::items(body);
    } else if request.resource.is_none() {
        request.is_about(resource::read(request, head, body));
    }
}

/// Whether it gives a reason for each item of a transaction.
fn has_reasons(shape: &ErrorShape) -> bool {
    shape.members.iter().any(|member| member.name == "CancellationReasons")
}

fn names_resource(member: &str) -> bool {
    let is = |name: &str| member.eq_ignore_ascii_case(name);
    let ends_with = |end: &str| {
        let start = member.len().checked_sub(end.len());
        start.and_then(|start| member.get(start..)).is_some_and(|found| found.eq_ignore_ascii_case(end))
    };
    is("throttlingreasons") || ["name", "id", "resource"].into_iter().any(ends_with)
}

/// DynamoDB takes four megabytes in a transaction; JSON makes more of binary values.
const MOST_OF_TRANSACTION: usize = 6 << 20;

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};
    use serde_json::{Value, json};

    use super::*;
    use crate::aws::protocol::{Stamp, synthesize};
    use crate::aws::request::decode;

    /// How much is asked for, and the body of the answer once it was looked at.
    fn answer(target: &'static str, code: &str, given: &[(&str, Value)], body: &[u8]) -> (usize, Value) {
        let scope = "AWS4-HMAC-SHA256 Credential=ASIAQNZGKIQY56JQ7WML/20261121/eu-west-1/x/aws4_request, Signature=0";
        let headers = HeaderMap::from_iter([
            (http::HeaderName::from_static("x-amz-target"), HeaderValue::from_static(target)),
            (http::header::AUTHORIZATION, HeaderValue::from_static(scope)),
        ]);
        let head = Head { method: &Method::POST, host: "localhost", path: "/", query: None, headers: &headers };
        let mut request = decode(&head, b"").unwrap();
        let members = given.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        let error = AwsError { code: code.into(), status: None, message: None, members };
        let asked = asks_body(&request, &head, &error);
        look_into(&mut request, &head, &error, &body[..asked.min(body.len())]);
        let answer = synthesize(&request, &error, &Stamp { date: jiff::Timestamp::UNIX_EPOCH, id: 1 });
        (asked, serde_json::from_slice(&answer.body).unwrap())
    }

    #[test]
    fn a_canceled_transaction_gives_a_reason_for_each_item_in_its_order() {
        let body = br#"{"TransactItems": [{"Put": {}}, {"Update": {}}, {"Delete": {}}]}"#;
        let (asked, told) = answer("DynamoDB_20120810.TransactWriteItems", "TransactionCanceledException", &[], body);
        assert_eq!(asked, MOST_OF_TRANSACTION);
        let codes: Vec<_> = told["CancellationReasons"].as_array().unwrap().iter().map(|r| r["Code"].clone()).collect();
        assert_eq!(codes, ["ConditionalCheckFailed", "None", "None"]);
        let message = "Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed, None, None]";
        assert_eq!(told["Message"], message);
    }

    #[test]
    fn reasons_that_are_given_are_those_of_the_first_items_and_told_in_the_message() {
        let body = br#"{"TransactItems": [{"Put": {}}, {"Update": {}}, {"Delete": {}}]}"#;
        let given = [("CancellationReasons", json!([{"Code": "None"}, {"Code": "ThrottlingError"}]))];
        let (_, told) = answer("DynamoDB_20120810.TransactWriteItems", "TransactionCanceledException", &given, body);
        assert!(told["Message"].as_str().unwrap().ends_with("[None, ThrottlingError, None]"), "{told}");
        let (_, cut_off) =
            answer("DynamoDB_20120810.TransactWriteItems", "TransactionCanceledException", &given, &body[..20]);
        assert!(cut_off["Message"].as_str().unwrap().ends_with("[None, ThrottlingError]"), "{cut_off}");
    }

    #[test]
    fn throttling_names_the_table_and_by_what_it_was_exceeded() {
        let throttled = |target| {
            let body = br#"{"TableName": "orders", "Item": {}}"#;
            let (asked, told) = answer(target, "ProvisionedThroughputExceededException", &[], body);
            assert_eq!(asked, MOST_OF_BODY);
            told["ThrottlingReasons"][0].clone()
        };
        let arn = "arn:aws:dynamodb:eu-west-1:029608264753:table/orders";
        let put = throttled("DynamoDB_20120810.PutItem");
        assert_eq!(put, json!({"reason": "TableWriteProvisionedThroughputExceeded", "resource": arn}));
        assert_eq!(throttled("DynamoDB_20120810.Query")["reason"], "TableReadProvisionedThroughputExceeded");
    }

    #[test]
    fn what_was_not_found_is_named() {
        let (asked, told) = answer(
            "AWSStepFunctions.DescribeStateMachine",
            "ResourceNotFound",
            &[],
            br#"{"stateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:orders"}"#,
        );
        assert_eq!((asked, &told["resourceName"]), (MOST_OF_BODY, &json!("orders")));
    }

    #[test]
    fn most_errors_need_no_body() {
        assert_eq!(answer("DynamoDB_20120810.PutItem", "InternalServerError", &[], b"{}").0, 0);
    }
}
