use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::aws::catalog;
use crate::aws::protocol::Stamp;

mod every;
mod mail;

fn request(service: &str, operation: &str, protocol: Protocol) -> AwsRequest {
    let service = catalog::service(service).unwrap();
    let operation = Some(service.operation(operation).unwrap());
    AwsRequest::of(Reading { service, operation }, protocol)
}

/// Takes a body apart and hands it on.
fn with<T>(service: &str, operation: &str, protocol: Protocol, body: &[u8], then: impl FnOnce(&Batch<'_>) -> T) -> T {
    let headers = HeaderMap::new();
    let head = Head { method: &Method::POST, host: "localhost", path: "/", query: None, headers: &headers };
    let request = request(service, operation, protocol);
    then(&read(&request, &head, body).unwrap_or_else(|| panic!("{service} {operation}: no batch")))
}

/// What is forwarded of a JSON batch, and what the client gets if `answer` comes to that.
fn joined(service: &str, operation: &str, body: &Value, failed: &[bool], answer: &Value) -> (Value, Value, Vec<bool>) {
    with(service, operation, Protocol::Json11, body.to_string().as_bytes(), |batch| {
        let Some(Outcome::Forward(forwarded)) = batch.outcome(failed, &Failure::default()) else { panic!() };
        let joined = batch.joined(failed, &Failure::default(), answer.to_string().as_bytes()).unwrap();
        let json = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap();
        (json(&forwarded), json(&joined.body), joined.failed)
    })
}

fn whole(service: &str, operation: &str, body: &Value, failure: &Failure) -> Outcome {
    with(service, operation, Protocol::Json11, body.to_string().as_bytes(), |batch| {
        batch.outcome(&vec![true; batch.items().len()], failure).unwrap()
    })
}

fn names(service: &str, operation: &str, body: &Value) -> Vec<String> {
    with(service, operation, Protocol::Json11, body.to_string().as_bytes(), |batch| {
        batch.items().iter().map(|item| item.name.to_string()).collect()
    })
}

const FIRST_OF_THREE: &[bool] = &[true, false, false];

#[test]
fn writes_of_dynamodb_come_back_as_they_were_sent_and_a_table_without_writes_is_not_asked() {
    let put = |id: &str| json!({"PutRequest": {"Item": {"id": {"S": id}, "n": {"N": "1"}}}});
    let delete = json!({"DeleteRequest": {"Key": {"pk": {"S": "x"}, "sk": {"N": "2"}}}});
    let body = json!({"RequestItems": {"a": [put("1")], "b": [put("2"), delete]}, "ReturnConsumedCapacity": "TOTAL"});
    let answer = json!({"UnprocessedItems": {"b": [delete]}, "ConsumedCapacity": []});
    let (forwarded, told, failed) = joined("dynamodb", "BatchWriteItem", &body, FIRST_OF_THREE, &answer);
    assert_eq!(forwarded, json!({"RequestItems": {"b": [put("2"), delete]}, "ReturnConsumedCapacity": "TOTAL"}));
    assert_eq!(told, json!({"UnprocessedItems": {"a": [put("1")], "b": [delete]}, "ConsumedCapacity": []}));
    assert_eq!(failed, [true, false, true]);
    assert_eq!(names("dynamodb", "BatchWriteItem", &body), ["a/1", "b/2", "b/x/2"]);
    let Outcome::Error(error) = whole("dynamodb", "BatchWriteItem", &body, &Failure::default()) else { panic!() };
    assert_eq!(error.code, "ProvisionedThroughputExceededException");
}

#[test]
fn what_goes_on_keeps_its_spelling() {
    let body = br#"{"RequestItems": {"t": [{"x": 1.0}, {"PutRequest" : {"Item":{"n":{"N":"1e5"}, "m": 12345678901234567890.10}}}]}}"#;
    with("dynamodb", "BatchWriteItem", Protocol::Json10, body, |batch| {
        let Some(Outcome::Forward(forwarded)) = batch.outcome(&[true, false], &Failure::default()) else { panic!() };
        let expected =
            br#"{"RequestItems":{"t":[{"PutRequest" : {"Item":{"n":{"N":"1e5"}, "m": 12345678901234567890.10}}}]}}"#;
        assert_eq!(std::str::from_utf8(&forwarded).unwrap(), std::str::from_utf8(expected).unwrap());
    });
}

#[test]
fn reads_of_dynamodb_come_back_with_all_that_was_asked_of_the_table() {
    let table = |ids: &[&str]| {
        let keys: Vec<_> = ids.iter().map(|id| json!({"id": {"S": id}})).collect();
        json!({"Keys": keys, "ConsistentRead": true, "ProjectionExpression": "id"})
    };
    let body = json!({"RequestItems": {"a": table(&["1"]), "b": table(&["2", "3"])}});
    let answer = json!({"Responses": {"b": [{"id": {"S": "2"}}]}, "UnprocessedKeys": {}});
    let (forwarded, told, _) = joined("dynamodb", "BatchGetItem", &body, &[true, false, true], &answer);
    assert_eq!(forwarded, json!({"RequestItems": {"b": table(&["2"])}}));
    let unprocessed = json!({"a": table(&["1"]), "b": table(&["3"])});
    assert_eq!(told, json!({"Responses": {"b": [{"id": {"S": "2"}}], "a": []}, "UnprocessedKeys": unprocessed}));
}

#[test]
fn one_item_of_a_transaction_fails_all_and_each_is_given_a_reason() {
    let body = json!({"TransactItems": [
        {"Put": {"TableName": "t", "Item": {"id": {"S": "1"}}}},
        {"Update": {"TableName": "t", "Key": {"id": {"S": "2"}}}},
    ]});
    let outcome = with("dynamodb", "TransactWriteItems", Protocol::Json10, body.to_string().as_bytes(), |batch| {
        batch.outcome(&[false, true], &Failure { code: Some("ConditionalCheckFailed".into()), message: None })
    });
    let Some(Outcome::Error(error)) = outcome else { panic!() };
    let reasons =
        json!([{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}]);
    assert_eq!((&*error.code, &error.members[0].1), ("TransactionCanceledException", &reasons));
    assert_eq!(names("dynamodb", "TransactWriteItems", &body), ["t/1", "t/2"]);
    let reads = json!({"TransactItems": [{"Get": {"TableName": "t", "Key": {"id": {"S": "7"}}}}]});
    assert_eq!(names("dynamodb", "TransactGetItems", &reads), ["t/7"]);
    let statements = json!({"TransactStatements": [{"Statement": "DELETE FROM t", "Parameters": []}]});
    assert_eq!(names("dynamodb", "ExecuteTransaction", &statements), ["DELETE FROM t"]);
}

#[test]
fn entries_of_sqs_fail_by_their_ids_in_the_order_sent() {
    let entry = |id: &str| json!({"Id": id, "MessageBody": format!("body {id}")});
    let body = json!({"QueueUrl": "https://q", "Entries": [entry("a"), entry("b"), entry("c")]});
    let theirs = json!({"Id": "b", "SenderFault": true, "Code": "X", "Message": "m"});
    let answer = json!({"Successful": [{"Id": "c", "MessageId": "1"}], "Failed": [theirs]});
    let (forwarded, told, failed) = joined("sqs", "SendMessageBatch", &body, FIRST_OF_THREE, &answer);
    assert_eq!(forwarded, json!({"QueueUrl": "https://q", "Entries": [entry("b"), entry("c")]}));
    let ours = json!({"Id": "a", "SenderFault": false, "Code": "InternalError",
        "Message": "We encountered an internal error. Please try again."});
    assert_eq!(told, json!({"Successful": [{"Id": "c", "MessageId": "1"}], "Failed": [ours, theirs]}));
    assert_eq!(failed, [true, true, false]);
    let Outcome::Answer(all) =
        whole("sqs", "SendMessageBatch", &body, &Failure { code: Some("C".into()), message: Some("M".into()) })
    else {
        panic!()
    };
    let all: Value = serde_json::from_slice(&all).unwrap();
    assert_eq!(
        (all["Successful"].clone(), all["Failed"][2].clone()),
        (json!([]), json!({"Id": "c", "SenderFault": false, "Code": "C", "Message": "M"}))
    );
}

#[test]
fn an_answer_that_counts_counts_what_failed_and_what_did_not() {
    let body = json!({"Findings": [{"Id": "a"}, {"Id": "b"}]});
    let ours = |id: &str| {
        let text = "An internal error occurred while the item was processed.";
        json!({"Id": id, "ErrorCode": "InternalFailure", "ErrorMessage": text})
    };
    let theirs = json!({"FailedCount": 0, "SuccessCount": 1, "FailedFindings": []});
    let (_, told, _) = joined("securityhub", "BatchImportFindings", &body, &[true, false], &theirs);
    assert_eq!(told, json!({"FailedCount": 1, "SuccessCount": 1, "FailedFindings": [ours("a")]}));
    let Outcome::Answer(all) = whole("securityhub", "BatchImportFindings", &body, &Failure::default()) else {
        panic!()
    };
    let told: Value = serde_json::from_slice(&all).unwrap();
    assert_eq!(told, json!({"FailedCount": 2, "SuccessCount": 0, "FailedFindings": [ours("a"), ours("b")]}));
}

#[test]
fn an_entry_sent_again_under_another_id_is_the_same_item() {
    let prints = |queue: &str, id: &str, text: &str| {
        let body = json!({"QueueUrl": queue, "Entries": [{"MessageBody": text, "Id": id}]});
        with("sqs", "SendMessageBatch", Protocol::Json10, body.to_string().as_bytes(), |batch| batch.items()[0].print)
    };
    assert_eq!(prints("q", "1", "text"), prints("q", "2", "text"));
    assert_ne!(prints("q", "1", "text"), prints("q", "1", "other"));
    assert_ne!(prints("q", "1", "text"), prints("r", "1", "text"));
}

#[test]
fn an_item_sent_alone_is_the_same_as_in_a_batch() {
    let print = |service: &str, operation: &str, body: &Value| {
        with(service, operation, Protocol::Json10, body.to_string().as_bytes(), |batch| batch.items()[0].print)
    };
    let alone = |service: &str, operation: &str, body: &Value| {
        let (headers, request) = (HeaderMap::new(), request(service, operation, Protocol::Json10));
        let head = Head { method: &Method::POST, host: "localhost", path: "/", query: None, headers: &headers };
        let (request, doc) = as_batch(&request, &head, body.to_string().as_bytes()).unwrap();
        read(&request, &head, &doc).unwrap().items()[0].print
    };
    let (item, key) = (json!({"id": {"S": "1"}, "n": {"N": "2"}}), json!({"id": {"S": "1"}}));
    let record = json!({"Data": "AA==", "PartitionKey": "p"});
    for (service, one, one_body, many, many_body) in [
        (
            "dynamodb",
            "PutItem",
            json!({"TableName": "t", "Item": item, "ReturnValues": "NONE"}),
            "BatchWriteItem",
            json!({"RequestItems": {"t": [{"PutRequest": {"Item": item}}]}}),
        ),
        (
            "dynamodb",
            "DeleteItem",
            json!({"TableName": "t", "Key": key}),
            "BatchWriteItem",
            json!({"RequestItems": {"t": [{"DeleteRequest": {"Key": key}}]}}),
        ),
        (
            "sqs",
            "SendMessage",
            json!({"QueueUrl": "q", "MessageBody": "x", "DelaySeconds": 1}),
            "SendMessageBatch",
            json!({"QueueUrl": "q", "Entries": [{"Id": "7", "DelaySeconds": 1, "MessageBody": "x"}]}),
        ),
        (
            "kinesis",
            "PutRecord",
            json!({"StreamName": "s", "Data": "AA==", "PartitionKey": "p"}),
            "PutRecords",
            json!({"StreamName": "s", "Records": [record]}),
        ),
        (
            "firehose",
            "PutRecord",
            json!({"DeliveryStreamName": "s", "Record": {"Data": "AA=="}}),
            "PutRecordBatch",
            json!({"DeliveryStreamName": "s", "Records": [{"Data": "AA=="}]}),
        ),
    ] {
        assert_eq!(alone(service, one, &one_body), print(service, many, &many_body), "{service} {one}");
        let operation = batch_of(request(service, one, Protocol::Json10).reading().unwrap()).unwrap().operation;
        assert_eq!(operation.map(|operation| operation.name), Some(many));
    }
}

#[test]
fn records_that_failed_stand_in_their_places_and_are_counted() {
    let record = |key: &str| json!({"Data": "AA==", "PartitionKey": key});
    let body = json!({"StreamName": "s", "Records": [record("1"), record("2"), record("3")]});
    let (ok, theirs) =
        (json!({"SequenceNumber": "9", "ShardId": "s"}), json!({"ErrorCode": "InternalFailure", "ErrorMessage": "x"}));
    let answer = json!({"FailedRecordCount": 1, "Records": [ok, theirs], "EncryptionType": "NONE"});
    let (_, told, failed) = joined("kinesis", "PutRecords", &body, &[false, true, false], &answer);
    let ours = json!({"ErrorCode": "ProvisionedThroughputExceededException",
        "ErrorMessage": "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000."});
    assert_eq!(told, json!({"FailedRecordCount": 2, "Records": [ok, ours, theirs], "EncryptionType": "NONE"}));
    assert_eq!(failed, [false, true, true]);
    let firehose = json!({"DeliveryStreamName": "d", "Records": [{"Data": "AA=="}, {"Data": "BB=="}]});
    let answer = json!({"FailedPutCount": 0, "Encrypted": false, "RequestResponses": [{"RecordId": "r"}]});
    let (_, told, _) = joined("firehose", "PutRecordBatch", &firehose, &[false, true], &answer);
    let ours = json!({"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."});
    assert_eq!(told, json!({"FailedPutCount": 1, "Encrypted": false, "RequestResponses": [{"RecordId": "r"}, ours]}));
    let events = json!({"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}"}]});
    let Outcome::Answer(all) = whole("events", "PutEvents", &events, &Failure::default()) else { panic!() };
    let all: Value = serde_json::from_slice(&all).unwrap();
    assert_eq!(
        all,
        json!({"Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded"}], "FailedEntryCount": 1})
    );
}

#[test]
fn an_answer_to_another_number_of_records_is_not_joined() {
    let body = json!({"Records": [{"Data": "AA==", "PartitionKey": "1"}, {"Data": "AA==", "PartitionKey": "2"}]});
    with("kinesis", "PutRecords", Protocol::Json11, body.to_string().as_bytes(), |batch| {
        let join = |answer: &[u8]| batch.joined(&[true, false], &Failure::default(), answer);
        assert_eq!((join(br#"{"Records":[]}"#), join(b"<html>"), join(b"")), (None, None, None));
    });
}

#[test]
fn log_events_are_rejected_from_one_end() {
    let event = |at: u32| json!({"timestamp": at, "message": format!("line {at}")});
    let body =
        json!({"logGroupName": "g", "logStreamName": "s", "logEvents": [event(1), event(2), event(3), event(4)]});
    let told = |code: Option<&str>, answer: Value| {
        with("logs", "PutLogEvents", Protocol::Json11, body.to_string().as_bytes(), |batch| {
            let failure = Failure { code: code.map(Into::into), message: None };
            let mut chosen = [false, true, false, false];
            batch.settle(&mut chosen, &failure);
            let Some(Outcome::Forward(forwarded)) = batch.outcome(&chosen, &failure) else { panic!() };
            let forwarded: Value = serde_json::from_slice(&forwarded).unwrap();
            let joined = batch.joined(&chosen, &failure, answer.to_string().as_bytes()).unwrap();
            let told: Value = serde_json::from_slice(&joined.body).unwrap();
            (forwarded["logEvents"][0]["timestamp"].clone(), told["rejectedLogEventsInfo"].clone(), joined.failed)
        })
    };
    assert_eq!(
        told(None, json!({})),
        (json!(2), json!({"tooOldLogEventEndIndex": 1}), vec![true, false, false, false])
    );
    assert_eq!(
        told(Some("TooNew"), json!({})),
        (json!(1), json!({"tooNewLogEventStartIndex": 3}), vec![false, false, false, true])
    );
    let theirs = json!({"rejectedLogEventsInfo": {"tooNewLogEventStartIndex": 2}});
    let info = json!({"tooNewLogEventStartIndex": 3, "expiredLogEventEndIndex": 1});
    assert_eq!(told(Some("Expired"), theirs), (json!(2), info, vec![true, false, false, true]));
}

#[test]
fn records_of_an_event_fail_by_their_identifiers() {
    let body = json!({"Records": [{"messageId": "a", "body": "x"}, {"messageId": "b", "body": "y"}]});
    let told = |answer: &[u8]| {
        with("lambda", "Invoke", Protocol::RestJson, body.to_string().as_bytes(), |batch| {
            batch
                .joined(&[true, false], &Failure::default(), answer)
                .map(|joined| String::from_utf8(joined.body).unwrap())
        })
    };
    let one = r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#;
    assert_eq!((told(b"null").as_deref(), told(br#"{"batchItemFailures": []}"#).as_deref()), (Some(one), Some(one)));
    let both = r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"}]}"#;
    assert_eq!(told(br#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#).as_deref(), Some(both));
    assert_eq!(told(br#""text""#), None);
    let kinesis = json!({"Records": [{"kinesis": {"sequenceNumber": "49"}}, {"dynamodb": {"SequenceNumber": "7"}}]});
    let names = with("lambda", "Invoke", Protocol::RestJson, kinesis.to_string().as_bytes(), |batch| {
        batch.items().iter().map(|item| item.name.to_string()).collect::<Vec<_>>()
    });
    assert_eq!(names, ["49", "7"]);
}

#[test]
fn objects_that_are_not_deleted_are_told_in_the_order_asked_even_in_quiet_mode() {
    let body = b"<Delete xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Object><Key>a &amp; b</Key></Object>\
        <Object><Key>c</Key><VersionId>v</VersionId></Object><Object><Key>d</Key></Object><Quiet>true</Quiet></Delete>";
    with("s3", "DeleteObjects", Protocol::RestXml, body, |batch| {
        let names: Vec<_> = batch.items().iter().map(|item| item.name.as_str()).collect();
        assert_eq!(names, ["a & b", "c?versionId=v", "d"]);
        let failed = [false, true, false];
        let Some(Outcome::Forward(forwarded)) = batch.outcome(&failed, &Failure::default()) else { panic!() };
        let forwarded = String::from_utf8(forwarded).unwrap();
        assert!(
            !forwarded.contains("<Key>c</Key>")
                && forwarded.contains("a &amp; b")
                && forwarded.ends_with("<Quiet>true</Quiet></Delete>")
        );
        let answer = b"<?xml version=\"1.0\"?><DeleteResult xmlns=\"x\"><Deleted><Key>d</Key></Deleted><Deleted><Key>a &amp; b</Key></Deleted></DeleteResult>";
        let told =
            batch.joined(&failed, &Failure { code: Some("AccessDenied".into()), message: None }, answer).unwrap();
        let error = "<Error><Key>c</Key><VersionId>v</VersionId><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        let wanted =
            format!("<Deleted><Key>a &amp; b</Key></Deleted>{error}<Deleted><Key>d</Key></Deleted></DeleteResult>");
        assert!(String::from_utf8(told.body).unwrap().ends_with(&wanted));
        let quiet = batch.joined(&failed, &Failure::default(), b"<DeleteResult xmlns='x'/>").unwrap();
        assert!(String::from_utf8(quiet.body).unwrap().contains("<Error><Key>c</Key>"));
        let theirs = b"<DeleteResult><Error><Key>d</Key><Code>X</Code></Error></DeleteResult>";
        assert_eq!(batch.joined(&failed, &Failure::default(), theirs).unwrap().failed, [false, true, true]);
    });
}

#[test]
fn forms_are_numbered_anew_and_answered_in_xml() {
    let sqs = b"Action=SendMessageBatch&Version=2012-11-05&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=x%20%26\
        &SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=y+z";
    with("sqs", "SendMessageBatch", Protocol::Query, sqs, |batch| {
        let Some(Outcome::Forward(forwarded)) = batch.outcome(&[true, false], &Failure::default()) else { panic!() };
        let wanted = "Action=SendMessageBatch&Version=2012-11-05&SendMessageBatchRequestEntry.1.Id=b&SendMessageBatchRequestEntry.1.MessageBody=y+z";
        assert_eq!(String::from_utf8(forwarded).unwrap(), wanted);
        let answer = b"<SendMessageBatchResponse><SendMessageBatchResult><SendMessageBatchResultEntry><Id>b</Id></SendMessageBatchResultEntry>\
            </SendMessageBatchResult><ResponseMetadata/></SendMessageBatchResponse>";
        let told = String::from_utf8(batch.joined(&[true, false], &Failure::default(), answer).unwrap().body).unwrap();
        let entry = "<BatchResultErrorEntry><Id>a</Id><SenderFault>false</SenderFault><Code>InternalError</Code>";
        assert!(
            told.contains(&format!("</SendMessageBatchResultEntry>{entry}"))
                && told.ends_with("<ResponseMetadata/></SendMessageBatchResponse>")
        );
    });
    let sns = b"Action=PublishBatch&PublishBatchRequestEntries.member.1.Id=a&PublishBatchRequestEntries.member.2.Id=b&TopicArn=t";
    with("sns", "PublishBatch", Protocol::Query, sns, |batch| {
        for failed in ["", "<Failed/>", "<Failed></Failed>"] {
            let answer = format!(
                "<PublishBatchResponse xmlns='x'><PublishBatchResult>{failed}<Successful/></PublishBatchResult></PublishBatchResponse>"
            );
            let told = batch.joined(&[false, true], &Failure::default(), answer.as_bytes()).unwrap();
            let told = String::from_utf8(told.body).unwrap();
            assert!(told.contains("<Failed><member><Id>b</Id>") && told.contains("<Successful/>"), "{told}");
        }
        let Some(Outcome::Answer(all)) = batch.outcome(&[true, true], &Failure::default()) else { panic!() };
        let request = request("sns", "PublishBatch", Protocol::Query);
        let answer = answer(&request, &all, &Stamp { date: jiff::Timestamp::UNIX_EPOCH, id: 1 });
        let text = std::str::from_utf8(&answer.body).unwrap();
        assert!(text.contains("</member><member><Id>b</Id>") && !text.contains("<RequestId></RequestId>"), "{text}");
        assert_eq!(answer.headers["content-length"], answer.body.len().to_string());
    });
}

#[test]
fn cbor_is_rewritten_as_json_is() {
    // {"Entries": [{"Id": "a"}, {"Id": "b"}]}
    let body = b"\xa1\x67Entries\x82\xa1\x62Id\x61a\xa1\x62Id\x61b";
    with("sqs", "DeleteMessageBatch", Protocol::Cbor, body, |batch| {
        let Some(Outcome::Forward(forwarded)) = batch.outcome(&[true, false], &Failure::default()) else { panic!() };
        assert_eq!(forwarded, b"\xa1\x67Entries\x81\xa1\x62Id\x61b");
        // {"Successful": [{"Id": "b"}]}
        let told = batch.joined(&[true, false], &Failure::default(), b"\xa1\x6aSuccessful\x81\xa1\x62Id\x61b").unwrap();
        let failed = Notation::Cbor.elements(Notation::Cbor.member(&told.body, "Failed").unwrap()).unwrap();
        assert_eq!(failed.len(), 1);
        assert_eq!(Notation::Cbor.at(failed[0], "SenderFault"), Some(&b"\xf4"[..]));
        assert_eq!(Notation::Cbor.scalar(Notation::Cbor.at(failed[0], "Id").unwrap()).unwrap(), "a");
    });
}

#[test]
fn items_told_by_number_keep_the_numbers_of_the_whole_batch() {
    let body = json!({"TextList": ["x", "y", "z"], "LanguageCode": "en"});
    let answer = json!({"ResultList": [{"Index": 0}], "ErrorList": [{"Index": 1, "ErrorCode": "E"}]});
    let (_, told, failed) = joined("comprehend", "BatchDetectSentiment", &body, FIRST_OF_THREE, &answer);
    assert_eq!(told["ResultList"], json!([{"Index": 1}]));
    let indices: Vec<_> = told["ErrorList"].as_array().unwrap().iter().map(|error| error["Index"].clone()).collect();
    assert_eq!((indices, failed), (vec![json!(0), json!(2)], vec![true, false, true]));
}
