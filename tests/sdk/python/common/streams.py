"""A far end whose answers are streams of five events, each in a piece of its own; started like the emulator.

Bedrock's ConverseStream, Kinesis' SubscribeToShard and S3's SelectObjectContent are answered over HTTP/1.1 or HTTP/2, as the other side
likes it; Transcribe's StartStreamTranscription over HTTP/2, and in turns: an event comes for each piece of audio, as soon as it is there and
while the request goes on. `GET /spoken` tells the versions of HTTP that requests came in, one a line, since it was last asked.

Where CERTIFICATE names a file, it is written there, and all goes over TLS but for that question.
"""

import base64
import datetime
import ipaddress
import json
import os
import socket
import ssl
import struct
import sys
import tempfile
import threading
from binascii import crc32
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import h2.config
import h2.connection
import h2.events

EVENTS = 5
STREAM = "application/vnd.amazon.eventstream"


def frame(kind, payload=b"", media="application/json"):
    fields = {":event-type": kind, ":message-type": "event", **({":content-type": media} if payload else {})}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode() for name, value in fields.items()
    )
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + body
    return message + struct.pack("!I", crc32(message))


def payload_of(message):
    """What a frame holds; both its checksums must be right."""
    length, headers, prelude = struct.unpack("!III", message[:12])
    assert (crc32(message[:8]), crc32(message[:-4])) == (prelude, struct.unpack("!I", message[-4:])[0]), "a wrong checksum"
    return message[12 + headers : length - 4]


def events_of(target, path):
    """The frames of an answer."""
    if target.endswith(".SubscribeToShard"):
        data = lambda n: base64.b64encode(b"order %d" % n).decode()  # noqa: E731
        record = lambda n: {"SequenceNumber": str(n), "Data": data(n), "PartitionKey": "k"}  # noqa: E731
        media = "application/x-amz-json-1.1"
        yield frame("initial-response", {}, media)
        for n in range(EVENTS):
            yield frame("SubscribeToShardEvent", {"Records": [record(n)], "ContinuationSequenceNumber": str(n), "MillisBehindLatest": 0}, media)
    elif "select" in path:
        for n in range(EVENTS - 1):
            yield frame("Records", b"%d,order\n" % n, "application/octet-stream")
        yield frame("End")
    else:
        assert path.endswith("/converse-stream"), path
        for n in range(EVENTS):
            yield frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": str(n)}})


class FarEnd(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, tls=None):
        super().__init__(("127.0.0.1", 0), Http1)
        self.tls, self.spoken, self.lock = tls, [], threading.Lock()

    def finish_request(self, connection, address):
        first = connection.recv(4, socket.MSG_PEEK)
        is_http2 = first == b"PRI "
        if self.tls and first[:1] == b"\x16":
            connection = self.tls.wrap_socket(connection, server_side=True)
            is_http2 = connection.selected_alpn_protocol() == "h2"
        if is_http2:
            Http2(self, connection).serve()
        else:
            super().finish_request(connection, address)

    def came(self, version):
        with self.lock:
            self.spoken.append(version)

    def told(self):
        with self.lock:
            spoken, self.spoken = self.spoken, []
        return "\n".join(spoken)

    def handle_error(self, request, client_address):
        pass  # streams that are given up are what the cases are about


class Http1(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        spoken = self.server.told().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(spoken)))
        self.end_headers()
        self.wfile.write(spoken)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came("HTTP/1.1")
        self.send_response(200)
        for name, value in {"Content-Type": STREAM, "Transfer-Encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        for event in events_of(self.headers.get("X-Amz-Target", ""), self.path):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


class Http2:
    """One connection, with all its streams."""

    def __init__(self, server, socket):
        self.server, self.socket = server, socket
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests, self.audio = {}, {}

    def serve(self):
        self.connection.initiate_connection()
        while True:
            self.socket.sendall(self.connection.data_to_send())
            data = self.socket.recv(65_536)
            if not data:
                return
            for event in self.connection.receive_data(data):
                self.take(event)

    def take(self, event):
        match event:
            case h2.events.RequestReceived(stream_id=stream, headers=headers):
                self.server.came("HTTP/2")
                self.requests[stream] = fields = dict(headers)
                if fields[":path"] == "/stream-transcription":
                    self.audio[stream] = b""
                    self.begin(stream)
            case h2.events.DataReceived(stream_id=stream, data=data, flow_controlled_length=length):
                self.connection.acknowledge_received_data(length, stream)
                if stream in self.audio:
                    self.audio[stream] += data
                    self.transcribe(stream)
            case h2.events.StreamEnded(stream_id=stream) if stream in self.audio:
                self.connection.end_stream(stream)
                del self.audio[stream]
            case h2.events.StreamEnded(stream_id=stream):
                self.begin(stream)
                fields = self.requests.pop(stream)
                for frame in events_of(fields.get("x-amz-target", ""), fields[":path"]):
                    self.connection.send_data(stream, frame)
                    self.socket.sendall(self.connection.data_to_send())
                self.connection.end_stream(stream)
            case h2.events.StreamReset(stream_id=stream):
                self.requests.pop(stream, None)
                self.audio.pop(stream, None)

    def begin(self, stream):
        self.connection.send_headers(stream, [(":status", "200"), ("content-type", STREAM)])

    def transcribe(self, stream):
        """An event for each piece of audio that is whole: what it said. The last piece is empty."""
        while len(self.audio[stream]) >= 4 and len(self.audio[stream]) >= (length := struct.unpack("!I", self.audio[stream][:4])[0]):
            signed, self.audio[stream] = self.audio[stream][:length], self.audio[stream][length:]
            if inner := payload_of(signed):
                said = payload_of(inner).decode()
                result = {"ResultId": said, "IsPartial": False, "Alternatives": [{"Transcript": said}]}
                self.connection.send_data(stream, frame("TranscriptEvent", {"Transcript": {"Results": [result]}}))


def certified(file):
    """TLS with a new certificate for 127.0.0.1, which goes to the file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "far end")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
    own = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = made.add_extension(own, critical=False).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with tempfile.NamedTemporaryFile() as both:
        both.write(certificate + key.private_bytes(*plain))
        both.flush()
        context.load_cert_chain(both.name)
    with open(file, "wb") as out:
        out.write(certificate)
    return context


def main():
    file = os.environ.get("CERTIFICATE")
    server = FarEnd(certified(file) if file else None)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()  # ends when the other side closes it, or dies


if __name__ == "__main__":
    main()
