#!/usr/bin/env python3
"""Writes src/aws/batch/shapes.txt: how answers tell of items that failed, one operation a line.

    python3 -m venv v && v/bin/pip install botocore==1.44.5
    v/bin/python src/aws/batch/shapes.py           # writes the file
    v/bin/python src/aws/batch/shapes.py --rest    # prints what it leaves out, and why

An operation is told of if its output has a list of failures whose elements are made of an item's own members, a code, a text, or the item's
number, and its input one list in the body whose elements can be that item (of those that must be given, if any must); and those of KNOWN, which other
lists, other words or other defaults are known of. Fields are parted by tabs:

    SERVICE OPERATION
    items=    the list of items, in the request
    failed=   the list of failures, in the answer
    as=       a failure's members, comma list of NAME<WHAT; NAME may have dots, and none is the failure as a whole. WHAT is `.` (the item),
              `.MEMBER` (a member of it), `#` (its number), `code`, `text`, `no` (false)
    aligned   the list of failures has an element for each item, in the items' order
    done=     in such a list, the code of what did not fail; absent: that has none
    count=    where the number of failures stands
    code= text=     if none is given
    empty=    lists that the answer has in any case, comma list
    zero=     numbers that it has in any case, comma list
    name=     the item's member that names it best, with dots below others; of a list the first
    ticket=   the item's member that means nothing beyond the batch
    form=     in query's protocol: ITEMS,LIST,ENTRY: what stands before an item's number, the list's element (none if flattened),
              a failure's element
"""
import re
import sys
from pathlib import Path

from botocore.loaders import Loader
from botocore.model import ServiceModel

SQS = ["failed=Failed", "as=Id<.Id,SenderFault<no,Code<code,Message<text", "code=InternalError",
       "text=We encountered an internal error. Please try again.", "empty=Successful", "name=Id", "ticket=Id"]
KNOWN = {
    ("dynamodb", "BatchExecuteStatement"): ["items=Statements", "failed=Responses", "as=Error.Code<code,Error.Message<text", "aligned",
        "code=ProvisionedThroughputExceeded", "text=The level of configured provisioned throughput for the table was exceeded. "
        "Consider increasing your provisioning level with the UpdateTable API.", "name=Statement"],
    ("eventbridgev2", "PutEvents"): ["items=Entries", "failed=Entries", "as=ErrorCode<code,ErrorMessage<text", "aligned",
        "count=FailedEntryCount", "code=ThrottlingException", "text=Rate exceeded", "name=DetailType"],
    ("events", "PutEvents"): ["items=Entries", "failed=Entries", "as=ErrorCode<code,ErrorMessage<text", "aligned", "count=FailedEntryCount",
        "code=ThrottlingException", "text=Rate exceeded", "name=DetailType"],
    ("events", "PutPartnerEvents"): ["items=Entries", "failed=Entries", "as=ErrorCode<code,ErrorMessage<text", "aligned",
        "count=FailedEntryCount", "code=ThrottlingException", "text=Rate exceeded", "name=DetailType"],
    ("events", "PutTargets"): ["items=Targets", "failed=FailedEntries", "as=TargetId<.Id,ErrorCode<code,ErrorMessage<text",
        "count=FailedEntryCount", "code=ConcurrentModificationException", "text=The rule is being modified at the moment.", "name=Id"],
    ("events", "RemoveTargets"): ["items=Ids", "failed=FailedEntries", "as=TargetId<.,ErrorCode<code,ErrorMessage<text",
        "count=FailedEntryCount", "code=ConcurrentModificationException", "text=The rule is being modified at the moment."],
    ("firehose", "PutRecordBatch"): ["items=Records", "failed=RequestResponses", "as=ErrorCode<code,ErrorMessage<text", "aligned",
        "count=FailedPutCount", "code=ServiceUnavailableException", "text=Slow down."],
    ("kinesis", "PutRecords"): ["items=Records", "failed=Records", "as=ErrorCode<code,ErrorMessage<text", "aligned",
        "count=FailedRecordCount", "code=ProvisionedThroughputExceededException",
        "text=Rate exceeded for shard shardId-000000000000 in stream {resource} under account {account}.", "name=PartitionKey"],
    ("meteringmarketplace", "BatchMeterUsage"): ["items=UsageRecords", "failed=UnprocessedRecords", "as=<.", "empty=Results",
        "name=CustomerIdentifier"],
    ("ses", "SendBulkTemplatedEmail"): ["items=Destinations", "failed=Status", "as=Status<code,Error<text", "aligned", "done=Success",
        "code=AccountThrottled", "text=Maximum sending rate exceeded.", "name=Destination.ToAddresses.member.1",
        "form=Destinations.member,Status,member"],
    ("sesv2", "SendBulkEmail"): ["items=BulkEmailEntries", "failed=BulkEmailEntryResults", "as=Status<code,Error<text", "aligned",
        "done=SUCCESS", "code=ACCOUNT_THROTTLED", "text=Maximum sending rate exceeded.", "name=Destination.ToAddresses"],
    ("sns", "PublishBatch"): ["items=PublishBatchRequestEntries", *SQS[:-3], "empty=Successful", "name=Id", "ticket=Id",
        "form=PublishBatchRequestEntries.member,Failed,member"],
    ("sqs", "ChangeMessageVisibilityBatch"): ["items=Entries", *SQS, "form=ChangeMessageVisibilityBatchRequestEntry,,BatchResultErrorEntry"],
    ("sqs", "DeleteMessageBatch"): ["items=Entries", *SQS, "form=DeleteMessageBatchRequestEntry,,BatchResultErrorEntry"],
    ("sqs", "SendMessageBatch"): ["items=Entries", *SQS, "form=SendMessageBatchRequestEntry,,BatchResultErrorEntry"],
}
# Told of in code: their lists stand in maps, in headers, in XML, or are no lists of failures.
IN_CODE = {("dynamodb", "BatchGetItem"), ("dynamodb", "BatchWriteItem"), ("s3", "DeleteObjects"), ("logs", "PutLogEvents"),
           ("dynamodb", "TransactGetItems"), ("dynamodb", "TransactWriteItems"), ("dynamodb", "ExecuteTransaction"), ("lambda", "Invoke")}
# One item that fails is not all that the answer says.
NOT = {("datapipeline", "PutPipelineDefinition"): "an error in one of its items rejects them all",
       ("datapipeline", "ValidatePipelineDefinition"): "its answer says in a member of its own that there are errors"}
FAILED = re.compile(r"(^(failed|failure|errors?$|unprocessed|unsuccessful|rejected)|errors$|failures$|errorlist$)", re.I)
COUNT = re.compile(r"^(failed|failure|error|unprocessed|unsuccessful)\w*count$", re.I)
CODE = re.compile(r"^(error|failure|exception|failure_?reason)?_?(code|name|type)$", re.I)
TEXT = re.compile(r"^(error|failure|exception)?_?(message|reason|description|detail|reasonmessage)$", re.I)
NEST = re.compile(r"^(error|errordetails?|errorinfo|failure|partitionerror)$", re.I)
USUAL = re.compile(r"throttl|internal|limit|unavailable|service", re.I)


class No(Exception):
    """Why an operation cannot be told of."""


def main():
    loader = Loader(include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH])
    lines, rest = [], []
    for name in sorted(loader.list_available_services("service-2")):
        model = ServiceModel(loader.load_service_model(name, "service-2"), name)
        for operation in sorted(model.operation_names):
            if (name, operation) in IN_CODE:
                continue
            try:
                if why := NOT.get((name, operation)):
                    raise No(why)
                words = KNOWN.get((name, operation)) or words_of(model, model.operation_model(operation))
                if words:
                    lines.append("\t".join([name, operation, *words]))
            except No as why:
                rest.append(f"{name} {operation}: {why}")
    if "--rest" in sys.argv[1:]:
        print("\n".join(rest))
        return
    path = Path(__file__).with_name("shapes.txt")
    path.write_text("# Written by shapes.py from botocore's models; its head documents the grammar.\n" + "\n".join(lines) + "\n")
    print(f"{len(lines)} operations told of, {len(rest)} left out", file=sys.stderr)


def words_of(model, operation):
    given, answer = operation.input_shape, operation.output_shape
    if not given or not answer:
        return None
    failed = [(name, shape) for name, shape in answer.members.items() if shape.type_name == "list" and FAILED.search(name)]
    if not failed:
        return None
    if len(failed) != 1:
        raise No("its output has several lists of failures")
    failed_name, failure = failed[0]
    lists = [(name, shape) for name, shape in given.members.items() if shape.type_name == "list" and not shape.serialization.get("location")]
    needed = [(name, shape) for name, shape in lists if name in given.required_members]
    found, why = [], None
    for name, shape in needed or lists:
        try:
            found.append((name, shape, fields_of(shape.member, failure.member)))
        except No as reason:
            why = reason
    if len(found) != 1:
        raise No("its input has several lists that may be meant" if found else why or "its input has no list")
    item_name, item, fields = found[0]
    protocol = model.resolved_protocol
    words = [f"items={wire(item_name, item)}", f"failed={wire(failed_name, failure)}", "as=" + ",".join(fields)]
    codes = enum_of(failure.member)
    code = next((code for code in codes if USUAL.search(code)), codes[0] if codes else None)
    if code:
        words.append(f"code={code}")
    numbers = {name: shape for name, shape in answer.members.items() if shape.type_name in ("integer", "long")}
    counts = [name for name in numbers if COUNT.search(name)]
    words += [f"count={wire(name, numbers[name])}" for name in counts]
    empty = [wire(name, shape) for name, shape in answer.members.items()
             if name in answer.required_members and shape.type_name == "list" and name != failed_name]
    if empty:
        words.append("empty=" + ",".join(empty))
    zero = [wire(name, shape) for name, shape in numbers.items() if name in answer.required_members and name not in counts]
    if zero:
        words.append("zero=" + ",".join(zero))
    if protocol in ("ec2", "rest-xml"):
        raise No(f"its protocol is {protocol}")
    if protocol == "query":
        if item.serialization.get("flattened") or failure.serialization.get("flattened"):
            raise No("its lists are flattened")
        member = item.member.serialization.get("name", "member")
        words.append(f"form={wire(item_name, item)}.{member},{wire(failed_name, failure)},{failure.member.serialization.get('name', 'member')}")
    return words


def fields_of(item, failure):
    if failure.name == item.name and item.type_name == "structure":
        return ["<."]
    if failure.type_name != "structure":
        raise No("its failures are no structures")
    fields, own, left = [], 0, []
    for name, shape in failure.members.items():
        kind, written = shape.type_name, wire(name, shape)
        if kind == "structure" and shape.name == item.name:
            fields.append(f"{written}<.")
            own += 1
        elif item.type_name == "structure" and name in item.members and item.members[name].name == shape.name:
            fields.append(f"{written}<.{wire(name, item.members[name])}")
            own += 1
        elif kind == "string" and CODE.match(name):
            fields.append(f"{written}<code")
        elif kind == "string" and TEXT.match(name):
            fields.append(f"{written}<text")
        elif kind == "structure" and NEST.match(name):
            fields += nested(written, shape)
        elif kind == "integer" and name.lower() == "index":
            fields.append(f"{written}<#")
            own += 1
        else:
            left.append((name, shape))
    if not own and item.type_name == "structure":
        for name, shape in left:
            like = [wire(other, of) for other, of in item.members.items() if of.name == shape.name or other.lower() == name.lower()]
            if shape.type_name == "string" and len(like) == 1:
                fields.append(f"{wire(name, shape)}<.{like[0]}")
                own += 1
    if not own and item.type_name == "string":
        texts = [(name, shape) for name, shape in left if shape.type_name == "string"]
        same = [pair for pair in texts if pair[1].name == item.name] or texts
        if len(same) == 1:
            fields.append(f"{wire(*same[0])}<.")
            own += 1
    if not own:
        raise No("its failures do not say whose they are")
    needed = {wire(name, failure.members[name]) for name in failure.required_members}
    lacking = needed - {field.split("<")[0].split(".")[0] for field in fields}
    if lacking:
        raise No("its failures must say more: " + ", ".join(sorted(lacking)))
    return fields


def nested(outer, shape):
    fields = []
    for name, inner in shape.members.items():
        if inner.type_name == "string" and CODE.match(name):
            fields.append(f"{outer}.{wire(name, inner)}<code")
        elif inner.type_name == "string" and (TEXT.match(name) or name.lower() == "message"):
            fields.append(f"{outer}.{wire(name, inner)}<text")
    return fields


def enum_of(failure):
    for name, shape in getattr(failure, "members", {}).items():
        if shape.type_name == "string" and CODE.match(name):
            return shape.enum
        if shape.type_name == "structure" and NEST.match(name):
            return next((inner.enum for key, inner in shape.members.items() if inner.type_name == "string" and CODE.match(key)), [])
    return []


def wire(name, shape):
    return shape.serialization.get("name", name)


if __name__ == "__main__":
    main()
