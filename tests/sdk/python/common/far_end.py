"""A far end that answers a few calls as AWS does, checksums included, and counts the requests that reach it.

    with far_end.start() as far:
        ...                          # far.url
        far.count()                  # requests since it was last asked

DynamoDB's GetItem is answered with an item and x-amz-crc32, S3's GetObject with 100,000 bytes and their CRC32, its CopyObject, UploadPartCopy
and CompleteMultipartUpload with an ETag, its ListObjectsV2 with two pages, Lambda's Invoke with a payload, and batches as when all they
hold is done. Started as a program, it prints its port and ends with its stdin; `GET /requests` then tells the count.
"""

import base64
import hashlib
import json
import re
import sys
import threading
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OBJECT = b"0123456789" * 10_000
ETAG = "8d7f4a5b9c0e1f2a3b4c5d6e7f809112"
RESULT = b'{"resized": true}'
ITEM = json.dumps({"Item": {"id": {"S": "1"}, "note": {"S": "x" * 1000}}}).encode()

RECORD = {"SequenceNumber": "1", "ShardId": "shardId-000000000000"}
# What JSON protocols are answered, by operation; the rest gets the item.
ANSWERS = {
    "BatchWriteItem": lambda _: {"UnprocessedItems": {}},
    "GetRecords": lambda _: {"Records": [], "MillisBehindLatest": 0},
    "PutRecords": lambda asked: {"FailedRecordCount": 0, "Records": [RECORD for _ in asked["Records"]]},
    "SendMessageBatch": lambda asked: {"Successful": [sent(entry) for entry in asked["Entries"]]},
    "TransactWriteItems": lambda _: {},
}
PAGES = [
    "<IsTruncated>true</IsTruncated><NextContinuationToken>second</NextContinuationToken><Contents><Key>1</Key></Contents>",
    "<IsTruncated>false</IsTruncated><Contents><Key>2</Key></Contents>",
]


def sent(entry):
    md5 = hashlib.md5(entry["MessageBody"].encode()).hexdigest()
    return {"Id": entry["Id"], "MessageId": f"m-{entry['Id']}", "MD5OfMessageBody": md5}


class FarEnd(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.requests, self.lock = 0, threading.Lock()

    def count(self):
        with self.lock:
            requests, self.requests = self.requests, 0
        return requests

    def handle_error(self, request, client_address):
        pass  # clients that leave are what the cases are about


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/requests":
            return self.answer("text/plain", str(self.server.count()).encode())
        self.counted()
        if "list-type=2" in self.path:
            return self.in_xml("ListBucketResult", PAGES["continuation-token=" in self.path])
        checksum = base64.b64encode(zlib.crc32(OBJECT).to_bytes(4, "big")).decode()
        fields = {"ETag": f'"{ETAG}"', "x-amz-checksum-crc32": checksum, "x-amz-checksum-type": "FULL_OBJECT"}
        self.answer("binary/octet-stream", OBJECT, fields)

    def do_PUT(self):
        self.counted()
        self.in_xml("CopyPartResult" if "partNumber=" in self.path else "CopyObjectResult", f'<ETag>"{ETAG}"</ETag>')

    def do_POST(self):
        asked = self.counted()
        if "uploadId=" in self.path:
            return self.in_xml("CompleteMultipartUploadResult", f'<ETag>"{ETAG}"</ETag>')
        if "?delete" in self.path:
            keys = re.findall(r"<Key>[^<]*</Key>", asked.decode())
            return self.in_xml("DeleteResult", "".join(f"<Deleted>{key}</Deleted>" for key in keys))
        if "/functions/" in self.path:
            return self.answer("application/json", RESULT, {"X-Amz-Executed-Version": "$LATEST"})
        make = ANSWERS.get(self.headers.get("X-Amz-Target", "").rpartition(".")[2])
        body = json.dumps(make(json.loads(asked))).encode() if make else ITEM
        self.answer("application/x-amz-json-1.0", body, {"x-amz-crc32": str(zlib.crc32(body))})

    def in_xml(self, name, content):
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{content}</{name}>'
        self.answer("application/xml", body.encode())

    def counted(self):
        """The request's body."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            self.server.requests += 1
        return body

    def answer(self, kind, body, fields={}):
        self.send_response(200)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), "x-amzn-RequestId": "R", **fields}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def start():
    server = FarEnd()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()


if __name__ == "__main__":
    with start() as far:
        print(far.server_port, flush=True)
        sys.stdin.read()  # ends when the other side closes it, or dies
