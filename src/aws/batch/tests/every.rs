use super::super::shape::Says;
use super::*;

/// Every operation of `shapes.txt`, in each notation that its service speaks: the second of three items fails.
#[test]
fn every_operation_told_of_fails_item_by_item() {
    for (service, operation, shape) in shape::lines() {
        let speaks = catalog::service(service).unwrap();
        let item = |at: usize| {
            let members = shape.fields.iter().filter_map(|field| match field.says {
                Says::Member(name) => Some((name.to_owned(), json!(format!("{name} {at}")))),
                _ => None,
            });
            let members: serde_json::Map<_, _> = members.chain([("other".to_owned(), json!(at))]).collect();
            if shape.fields.iter().any(|field| field.says == Says::Item) {
                json!(format!("item {at}"))
            } else {
                Value::Object(members)
            }
        };
        let items = [item(0), item(1), item(2)];
        if speaks
            .protocols
            .iter()
            .any(|protocol| matches!(protocol, Protocol::Json10 | Protocol::Json11 | Protocol::RestJson))
        {
            let body = json!({shape.items: items});
            let answer = if shape.is_aligned { json!({shape.failed: [{"ok": 1}, {"ok": 2}]}) } else { json!({}) };
            let (forwarded, told, failed) = joined(service, operation, &body, &[false, true, false], &answer);
            assert_eq!(forwarded[shape.items], json!([items[0], items[2]]), "{service} {operation}");
            let list = told[shape.failed].as_array().unwrap();
            assert_eq!(
                (list.len(), failed),
                (if shape.is_aligned { 3 } else { 1 }, vec![false, true, false]),
                "{service} {operation}"
            );
            let failure = &list[usize::from(shape.is_aligned)];
            for field in &shape.fields {
                let says =
                    field.name.split('.').filter(|name| !name.is_empty()).fold(failure, |value, name| &value[name]);
                let wanted = match field.says {
                    Says::Item => items[1].clone(),
                    Says::Member(name) => items[1][name].clone(),
                    Says::Code => json!(shape.code),
                    Says::Number => json!(1),
                    Says::NotSender => json!(false),
                    Says::Text => says.clone(),
                };
                assert!(!says.is_null() && *says == wanted, "{service} {operation} {}: {says}", field.name);
            }
        }
        if let Some(form) = shape.form.as_ref() {
            let fields: Vec<String> = items
                .iter()
                .enumerate()
                .flat_map(|(at, item)| match item {
                    Value::Object(members) => members
                        .keys()
                        .map(|name| format!("{}.{}.{name}={name}+{at}", form.items, at + 1))
                        .collect::<Vec<_>>(),
                    _ => vec![format!("{}.{}=item+{at}", form.items, at + 1)],
                })
                .collect();
            with(service, operation, Protocol::Query, fields.join("&").as_bytes(), |batch| {
                let (entry, mut answer) = (form.entry, String::from_utf8(batch.empty_answer()).unwrap());
                if let Some(list) = form.list.filter(|_| shape.is_aligned) {
                    let ok = format!("<{entry}><Ok>1</Ok></{entry}>");
                    answer = answer.replace(&format!("<{list}>"), &format!("<{list}>{ok}{ok}"));
                }
                let told = batch.joined(&[false, true, false], &Failure::default(), answer.as_bytes()).unwrap();
                let told = String::from_utf8(told.body).unwrap();
                let entries = if shape.is_aligned { 3 } else { 1 };
                assert_eq!(told.matches(&format!("<{entry}>")).count(), entries, "{service} {operation}: {told}");
                assert!(
                    told.contains(if shape.is_aligned { shape.code } else { " 1</" }),
                    "{service} {operation}: {told}"
                );
            });
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_body_is_read_to_an_end(body in proptest::collection::vec(proptest::num::u8::ANY, 0..300), text in "[\\[\\]{}\":,a-e0-9<>/&=.]{0,200}") {
        let headers = HeaderMap::new();
        let head = Head { method: &Method::POST, host: "h", path: "/", query: None, headers: &headers };
        for (service, operation, protocol) in [
            ("dynamodb", "BatchWriteItem", Protocol::Json10), ("dynamodb", "TransactWriteItems", Protocol::Json10),
            ("sqs", "SendMessageBatch", Protocol::Query), ("sqs", "SendMessageBatch", Protocol::Cbor),
            ("s3", "DeleteObjects", Protocol::RestXml), ("logs", "PutLogEvents", Protocol::Json11),
            ("lambda", "Invoke", Protocol::RestJson), ("kinesis", "PutRecords", Protocol::Json11),
        ] {
            let request = request(service, operation, protocol);
            for body in [&body[..], text.as_bytes()] {
                if let Some(batch) = read(&request, &head, body) {
                    let failed = vec![true; batch.items().len()];
                    let _ = (batch.outcome(&failed, &Failure::default()), batch.joined(&failed, &Failure::default(), body));
                }
            }
        }
    }
}
