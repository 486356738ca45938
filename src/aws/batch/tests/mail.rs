use super::*;

/// Of what SES is told to send, an element each: those that were sent have a status as well.
const SENT: &str = "<member><Status>Success</Status><MessageId>1</MessageId></member>";
const REJECTED: &str = "<member><Status>MessageRejected</Status><Error>no</Error></member>";

fn answer(members: &[&str]) -> String {
    format!(
        "<SendBulkTemplatedEmailResponse xmlns=\"u\"><SendBulkTemplatedEmailResult><Status>{}</Status></SendBulkTemplatedEmailResult>\
         <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></SendBulkTemplatedEmailResponse>",
        members.concat()
    )
}

fn form(addresses: &[&str]) -> String {
    let to = |(at, address): (usize, &&str)| {
        format!("Destinations.member.{}.Destination.ToAddresses.member.1={address}%40example.com", at + 1)
    };
    let all: Vec<_> = addresses.iter().enumerate().map(to).collect();
    format!("Action=SendBulkTemplatedEmail&Version=2010-12-01&Source=a%40example.com&{}", all.join("&"))
}

#[test]
fn mails_in_a_form_are_told_of_in_their_places_and_by_their_addresses() {
    let body = form(&["b", "c", "d"]);
    with("ses", "SendBulkTemplatedEmail", Protocol::Query, body.as_bytes(), |batch| {
        let names: Vec<_> = batch.items().iter().map(|item| &*item.name).collect();
        assert_eq!(names, ["b@example.com", "c@example.com", "d@example.com"]);
        let second = &[false, true, false];
        let Some(Outcome::Forward(forwarded)) = batch.outcome(second, &Failure::default()) else { panic!() };
        assert_eq!(String::from_utf8(forwarded).unwrap(), form(&["b", "d"]));
        let joined = batch.joined(second, &Failure::default(), answer(&[SENT, REJECTED]).as_bytes()).unwrap();
        let ours = "<member><Status>AccountThrottled</Status><Error>Maximum sending rate exceeded.</Error></member>";
        assert_eq!(String::from_utf8(joined.body).unwrap(), answer(&[SENT, ours, REJECTED]));
        assert_eq!(joined.failed, [false, true, true]);
        for other in [&[SENT][..], &[SENT, SENT, SENT]] {
            assert_eq!(batch.joined(second, &Failure::default(), answer(other).as_bytes()), None);
        }
    });
}

#[test]
fn mails_in_json_are_told_of_in_their_places_and_by_their_addresses() {
    let entry = |address: &str| json!({"Destination": {"ToAddresses": [address], "CcAddresses": ["x"]}});
    let body = json!({"BulkEmailEntries": [entry("b"), entry("c"), entry("d")]});
    let (sent, rejected) =
        (json!({"Status": "SUCCESS", "MessageId": "1"}), json!({"Status": "MESSAGE_REJECTED", "Error": "no"}));
    let theirs = json!({"BulkEmailEntryResults": [sent, rejected]});
    let (forwarded, told, failed) = joined("sesv2", "SendBulkEmail", &body, FIRST_OF_THREE, &theirs);
    assert_eq!(forwarded, json!({"BulkEmailEntries": [entry("c"), entry("d")]}));
    let ours = json!({"Status": "ACCOUNT_THROTTLED", "Error": "Maximum sending rate exceeded."});
    assert_eq!(told, json!({"BulkEmailEntryResults": [ours, sent, rejected]}));
    assert_eq!(failed, [true, false, true]);
    assert_eq!(names("sesv2", "SendBulkEmail", &body), ["b", "c", "d"]);
}
