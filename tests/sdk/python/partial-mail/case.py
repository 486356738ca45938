"""Mails that fail within a bulk send, as boto3 sees them, and those that MiniStack has sent then: exactly the others.

Both of SES's APIs answer with a status for each destination, in their order.
"""

import json
import os
import sys
import urllib.request
from pathlib import Path

from common import clients, ministack, squall

RULES = """
rules:
  - {name: bad, match: {operation: SendBulkTemplatedEmail}, fault: {partial: {items: {keys: "bad-*"}}}}
  - {name: second, match: {operation: SendBulkEmail}, fault: {partial: {items: every 2nd, code: TRANSIENT_FAILURE, message: again}}}
"""
SENDER = "shop@example.com"
TEMPLATE = {"TemplateName": "receipt", "SubjectPart": "order {{n}}", "TextPart": "thanks for {{n}}"}


def main():
    rules, whole = (Path(os.environ["TMPDIR"], name) for name in ("rules.yaml", "whole.yaml"))
    rules.write_text(RULES)
    whole.write_text("rules: [{name: all, fault: {partial: 100%}}]")
    with ministack.start() as upstream:
        direct = clients.at(upstream)
        direct("ses").verify_email_identity(EmailAddress=SENDER)
        direct("ses").create_template(Template=TEMPLATE)
        sent = Sent(upstream)
        with squall.serve(upstream, "--profile", rules) as proxy:
            for make in (clients.through(proxy), clients.at(proxy.url)):
                templated(make("ses"), sent)
                bulk(make("sesv2"), sent)
        fired = {rule["name"]: (rule["fired"], rule["items"]["failed"], rule["items"]["names"]) for rule in proxy.summary["rules"]}
        print(f"fired: {fired}")
        assert fired["bad"] == (2, 4, ["bad-1@example.com", "bad-2@example.com"]), fired
        assert fired["second"][:2] == (2, 2), fired
        with squall.serve(upstream, "--profile", whole) as proxy:
            none(clients.through(proxy), sent)


class Sent:
    """What MiniStack has sent since it was last asked: to whom, and about what."""

    def __init__(self, upstream):
        self.url, self.known = f"{upstream}/_ministack/ses/messages", 0

    def take(self):
        by_account = json.loads(urllib.request.urlopen(self.url).read())["messages"]
        [messages] = by_account.values() or [[]]
        new, self.known = messages[self.known :], len(messages)
        return [(message["To"], message["Subject"]) for message in new]


def address(name):
    return f"{name}@example.com"


def templated(client, sent):
    data = lambda n: json.dumps({"n": n})  # noqa: E731
    to = lambda n, name: {"Destination": {"ToAddresses": [address(name)]}, "ReplacementTemplateData": data(n)}  # noqa: E731
    destinations = [to(1, "bad-1"), to(2, "b"), to(3, "bad-2"), to(4, "d")]
    answer = client.send_bulk_templated_email(Source=SENDER, Template="receipt", DefaultTemplateData=data(0), Destinations=destinations)
    assert [status["Status"] for status in answer["Status"]] == ["AccountThrottled", "Success", "AccountThrottled", "Success"], answer
    assert [bool(status.get("MessageId")) for status in answer["Status"]] == [False, True, False, True], answer
    assert answer["Status"][0]["Error"] == "Maximum sending rate exceeded.", answer
    assert sent.take() == [([address("b")], "order 2"), ([address("d")], "order 4")]


def bulk(client, sent):
    answer = client.send_bulk_email(**entries("a", "b", "c"))
    results = answer["BulkEmailEntryResults"]
    assert [result["Status"] for result in results] == ["SUCCESS", "TRANSIENT_FAILURE", "SUCCESS"], answer
    assert results[1] == {"Status": "TRANSIENT_FAILURE", "Error": "again"} and results[0]["MessageId"], answer
    assert sent.take() == [([address("a")], "order a"), ([address("c")], "order c")]


def none(make, sent):
    answer = make("sesv2").send_bulk_email(**entries("a", "b"))
    assert [result["Status"] for result in answer["BulkEmailEntryResults"]] == ["ACCOUNT_THROTTLED"] * 2, answer
    destinations = [{"Destination": {"ToAddresses": [address("a")]}}]
    answer = make("ses").send_bulk_templated_email(Source=SENDER, Template="receipt", DefaultTemplateData="{}", Destinations=destinations)
    assert [status["Status"] for status in answer["Status"]] == ["AccountThrottled"], answer
    assert sent.take() == []
    print("where every mail fails, none is sent")


def entries(*names):
    data = lambda name: {"ReplacementTemplate": {"ReplacementTemplateData": json.dumps({"n": name})}}  # noqa: E731
    to = lambda name: {"Destination": {"ToAddresses": [address(name)]}, "ReplacementEmailContent": data(name)}  # noqa: E731
    content = {"Template": {"TemplateName": "receipt", "TemplateData": "{}"}}
    return {"FromEmailAddress": SENDER, "DefaultContent": content, "BulkEmailEntries": [to(name) for name in names]}


if __name__ == "__main__":
    sys.exit(main())
