#!/usr/bin/env python3
"""Writes src/aws/catalog.txt: what AWS's models say exists, one fact a line.

    python3 -m venv v && v/bin/pip install botocore==1.44.5
    v/bin/python src/aws/catalog.py            # refuses another botocore than PINNED
    v/bin/python src/aws/catalog.py --accept   # takes whatever is installed; then set PINNED to it

The output depends on botocore's version alone, so that a new version shows as a readable diff: a line for each operation
or error that came, went or changed. Everything is sorted bytewise.

Grammar (version 1). Line 1 is `squall-catalog <grammar> botocore <version>`. Then, one record a line, fields parted by
tabs, the first word naming the kind of record; a field `key=value` that is absent has its default, a bare word is a flag.
Readers skip keys and kinds of records they do not know; a change that this does not cover raises the grammar's number.

    suffix  NAME                    a DNS suffix under which AWS serves APIs: of a partition, or a literal in a rule set
    partition NAME                  a partition, after all suffixes
        suffix= dual=               its DNS suffix, and that of its newer hosts
        regions=  their beginning   none: every region that is no other partition's
    service NAME                    botocore's name; the e and o lines up to the next service belong to it
        id=       service id        default: NAME           "Compute Optimizer"; SDKs write it in their User-Agent
        sign=     signing name      default: NAME           the service of a credential scope
        host=     endpoint prefix   default: NAME           usually the first label of a host
        hosts=    other prefixes    none                    comma list, from the endpoint rule set: `efs` beside `elasticfilesystem`
        target=   target prefix     none                    of X-Amz-Target, and the service shape of rpc-v2-cbor paths
        proto=    protocols         always there            comma list in the model's order; json/1.0, json/1.1, rest-json,
                                                            rest-xml, smithy-rpc-v2-cbor, query, ec2
        version=  API version       always there
        xmlns=    XML namespace     none
        global=   global endpoint   none                    a regionless host
        uid=      model's uid       default: NAME-VERSION
        auth=     signature         default: v4             v2, v4, s3, s3v4, bearer
        querycompat                                         awsQueryCompatible: legacy codes travel in a header
        at=       hosts that are not PREFIX.REGION.SUFFIX    comma list of WHERE:HOST[@REGION]; WHERE is a region, a partition or
                                                            * for all others, in this order of strength; {r} {s} {d} in HOST stand for
                                                            the region and the partition's suffixes, ? for a host that needs more
                                                            than that; REGION is signed for in place of the caller's
    e       ALIAS                   an error shape; ALIAS is its capitals, made unique within the service
        (second field)              the shape's name
        code=     wire code         default: the shape's name
        status=   HTTP status       default: 500 with `fault`, else 400
        msg=      message member    none                    its name on the wire
        m=        other members     none                    comma list of wire name:type[!][~VALUE][@header|@status]; types are
                                                            s(tring) n(umber) d(ouble) b(ool) t(ime) x(blob) L(ist) M(ap) T(structure);
                                                            `!` if required; VALUE is the likeliest of an enum's values
        fault                       the server is to blame
        retry | throttle            the model's retryable trait, without and with throttling
    o       NAME                    an operation
        (second field, REST only)   METHOD URI-template, constant queries included
        q= h=     required query keys and header names, comma lists
        in=       what may name its resource, comma list    of the top-level input members (of the payload's, where a member is the
                                                            payload) that are texts or lists of texts, and required or called like a
                                                            name: wire name, `[]` for a list, `@q` or `@h` if in query or header, `!` if
                                                            required; in the model's order. Labels stand in the URI template.
        prefix=   hostPrefix        none
        auth=     none, bearer ... where it departs from the service's; body=unsigned for an unsigned payload
        e=        its errors' aliases, comma list
        stream=   its answer is an event stream: comma list of the exceptions that may come in it, member:ALIAS
        converses                                           its request is an event stream too
        deprecated

Beside botocore's models stand the facts of EXTRA: what older SDKs still send, and current models no longer say; and those of ADDED: a
service that botocore has no model of, since all it does goes both ways over HTTP/2.
"""
import gzip
import json
import os
import re
import sys

PINNED = "1.44.5"
GRAMMAR = 1
# botocore up to 1.31 spoke query to SQS (API_Reference 2012-11-05); many other clients still do.
EXTRA = {"sqs": {"protocols": ["query"], "xmlns": "http://queue.amazonaws.com/doc/2012-11-05/"}}
# As the SDKs for Rust and JavaScript have it: of each operation the route, the required headers, and whether its answer is a stream.
ADDED = {"transcribe-streaming": {
    "metadata": {"serviceId": "Transcribe Streaming", "signingName": "transcribe", "endpointPrefix": "transcribestreaming", "protocol": "rest-json",
                 "apiVersion": "2017-10-26", "uid": "transcribe-streaming-2017-10-26", "signatureVersion": "v4"},
    "operations": {
        "GetMedicalScribeStream": ("GET /medical-scribe-stream/{SessionId}", "", False),
        "StartCallAnalyticsStreamTranscription": ("POST /call-analytics-stream-transcription", "media-encoding sample-rate", True),
        "StartMedicalScribeStream": ("POST /medical-scribe-stream", "language-code media-encoding sample-rate", True),
        "StartMedicalStreamTranscription": ("POST /medical-stream-transcription", "language-code media-encoding sample-rate specialty type", True),
        "StartStreamTranscription": ("POST /stream-transcription", "media-encoding sample-rate", True)},
    "errors": {"BadRequest": 400, "Conflict": 409, "InternalFailure": 500, "LimitExceeded": 429, "ResourceNotFound": 404, "ServiceUnavailable": 503},
    "not": {True: {"ResourceNotFound"}, False: {"Conflict", "ServiceUnavailable"}},
}}
NAMING = re.compile(r"(name|arn|id|identifier|ur[il]|bucket|cluster|group|namespace)s?$", re.I)
PREFERENCE = ["json", "rest-json", "rest-xml", "smithy-rpc-v2-cbor", "query", "ec2"]  # botocore's
TYPES = {"string": "s", "character": "s", "integer": "n", "long": "n", "double": "d", "float": "d", "boolean": "b",
         "timestamp": "t", "blob": "x", "list": "L", "map": "M", "structure": "T"}


def main():
    import botocore
    from botocore.loaders import Loader
    if botocore.__version__ != PINNED and "--accept" not in sys.argv[1:]:
        sys.exit(f"botocore {botocore.__version__} is installed, {PINNED} is pinned; install that, or say --accept")
    loader = Loader(include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH])
    names = sorted([*loader.list_available_services("service-2"), *ADDED])
    lines = [f"squall-catalog {GRAMMAR} botocore {botocore.__version__}"]
    lines += [f"suffix\t{suffix}" for suffix in suffixes(loader.BUILTIN_DATA_PATH)]
    partitions = loader.load_data("partitions")
    lines += [partition(p) for p in sorted(partitions["partitions"], key=lambda p: p["id"])]
    hosts = Hosts(partitions)
    for name in names:
        if name in ADDED:
            lines += service(name, model_of(**ADDED[name]), None, hosts)
            continue
        rules = loader.load_service_model(name, "endpoint-rule-set-1")
        lines += service(name, loader.load_service_model(name, "service-2"), rules, hosts)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "catalog.txt")
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        out.write("\n".join(lines) + "\n")
    print(f"{path}: {len(names)} services, {len(lines)} lines")


def partition(data):
    outputs, regex = data["outputs"], data["regionRegex"]
    # ^us\\-gov\\-\\w+\\-\\d+$; the first partition's regions begin in many ways.
    beginning = "" if regex.startswith("^(") else re.match(r"[a-z-]+", regex.lstrip("^").replace("\\-", "-"))[0]
    fields = [("suffix", outputs["dnsSuffix"], None), ("dual", outputs["dualStackDnsSuffix"], None), ("regions", beginning, "")]
    return record("partition", data["id"], fields)


class Hosts:
    """Where services are: rule sets, asked as an SDK asks them that was told nothing but the region."""

    # What operations, not users, give.
    GIVEN = {"acm": {"ServiceType": "ACM"}}

    def __init__(self, partitions):
        self.partitions = partitions
        self.regions = {p["id"]: sorted(r for r in p["regions"] if not r.endswith("-global")) for p in partitions["partitions"]}
        self.outputs = {p["id"]: p["outputs"] for p in partitions["partitions"]}

    def unusual(self, name, rules, prefix):
        """WHERE:HOST for what is not the usual host there."""
        usual, found = f"{prefix}.{{r}}.{{s}}", {}
        for partition, regions in self.regions.items():
            hosts = {region: self.host(name, rules, partition, region) for region in regions}
            most = max(sorted(set(hosts.values())), key=list(hosts.values()).count)
            found[partition] = most
            found.update({region: host for region, host in hosts.items() if host != most})
        ordinary = [found[p] for p in self.regions]
        rest = max(sorted(set(ordinary)), key=ordinary.count)
        unusual = {where: host for where, host in found.items() if host != (rest if where in self.regions else None)}
        if rest != usual:
            unusual["*"] = rest
        return ",".join(f"{where}:{host}" for where, host in sorted(unusual.items()))

    def host(self, name, rules, partition, region):
        from botocore.endpoint_provider import EndpointProvider
        from botocore.exceptions import EndpointProviderError
        given = {key: value["default"] for key, value in rules["parameters"].items() if "default" in value}
        given |= {"Region": region} if "Region" in rules["parameters"] else {}
        try:
            endpoint = EndpointProvider(rules, self.partitions).resolve_endpoint(**given, **self.GIVEN.get(name, {}))
        except EndpointProviderError:
            return "?"
        outputs = self.outputs[partition]
        labels = endpoint.url.removeprefix("https://")
        for suffix, written in sorted(((outputs["dnsSuffix"], "{s}"), (outputs["dualStackDnsSuffix"], "{d}")), key=lambda s: -len(s[0])):
            if labels.endswith("." + suffix):
                labels = labels.removesuffix(suffix) + written
                break
        labels = ".".join("{r}" if label == region else label for label in labels.split("."))
        signed = endpoint.properties.get("authSchemes", [{}])[0].get("signingRegion")
        return labels + (f"@{signed}" if signed not in (None, region) or (signed and "{r}" not in labels) else "")


def service(name, model, rules, hosts):
    meta = model["metadata"]
    extra = EXTRA.get(name, {})
    listed = meta.get("protocols") or [meta["protocol"]]
    resolved = next(p for p in PREFERENCE if p in listed)
    protocols = [f"json/{meta['jsonVersion']}" if p == "json" else p for p in listed + extra.get("protocols", [])]
    xmlns = meta.get("xmlNamespace", extra.get("xmlns")) or input_namespace(model)
    prefix = meta["endpointPrefix"]
    fields = [
        ("id", meta["serviceId"], name), ("sign", meta.get("signingName", prefix), name), ("host", prefix, name),
        ("hosts", ",".join(host_prefixes(rules, prefix)) if rules else "", ""),
        ("target", meta.get("targetPrefix"), None), ("proto", ",".join(protocols), None), ("version", meta["apiVersion"], None),
        ("xmlns", xmlns["uri"] if isinstance(xmlns, dict) else xmlns, None), ("global", meta.get("globalEndpoint"), None),
        ("uid", meta["uid"], f"{name}-{meta['apiVersion']}"), ("auth", meta["signatureVersion"], "v4"),
        ("querycompat", "awsQueryCompatible" in meta, False), ("at", hosts.unusual(name, rules, prefix) if rules else "", ""),
    ]
    shapes = model["shapes"]
    errors = sorted(n for n, shape in shapes.items() if shape.get("exception"))
    aliases = alias(errors)
    lines = [record("service", name, fields)]
    lines += [error(aliases[n], n, shapes) for n in errors]
    lines += [operation(n, o, shapes, aliases, resolved) for n, o in sorted(model["operations"].items())]
    return lines


def model_of(metadata, operations, errors, **but):
    """A model as botocore would have it."""
    shapes = {"Text": {"type": "string", "enum": ["any"]}}
    for name, status in errors.items():
        error = {"type": "structure", "members": {"Message": {"shape": "Text"}}, "exception": True, "fault": status >= 500}
        shapes[f"{name}Exception"] = error | {"error": {"httpStatusCode": status}}
    calls = {}
    for name, (route, headers, streams) in operations.items():
        method, uri = route.split(" ")
        members = {header: {"shape": "Text", "location": "header", "locationName": f"x-amzn-transcribe-{header}"} for header in headers.split()}
        own = [f"{error}Exception" for error in errors if error not in but["not"][streams]]
        shapes[f"{name}Request"] = {"type": "structure", "members": members | {"Audio": {"shape": f"{name}Audio"}}, "required": list(members)}
        shapes[f"{name}Audio"] = {"type": "structure", "eventstream": streams, "members": {}}
        shapes[f"{name}Events"] = {"type": "structure", "eventstream": streams, "members": {error: {"shape": error} for error in own}}
        shapes[f"{name}Response"] = {"type": "structure", "members": {"Events": {"shape": f"{name}Events"}}}
        calls[name] = {"http": {"method": method, "requestUri": uri}, "input": {"shape": f"{name}Request"},
                       "output": {"shape": f"{name}Response"}, "errors": [{"shape": error} for error in own]}
    return {"metadata": metadata, "operations": calls, "shapes": shapes}


def input_namespace(model):
    """rest-xml models name the namespace at inputs that have a body; it is one for the whole service."""
    uris = {(o.get("input") or {}).get("xmlNamespace", {}).get("uri") for o in model["operations"].values()} - {None}
    assert len(uris) < 2, uris
    return uris.pop() if uris else None


def error(short, name, shapes):
    shape = shapes[name]
    trait = shape.get("error") or {}
    fault = bool(shape.get("fault") or trait.get("fault"))
    retry = shape.get("retryable")
    message, members = None, []
    for member, ref in shape["members"].items():
        wire = ref.get("locationName", member)
        if wire.lower() == "message" and ref.get("location") is None and message is None:
            message = wire
        else:
            where = {"header": "@header", "headers": "@header", "statusCode": "@status"}.get(ref.get("location"), "")
            required = "!" if member in shape.get("required", ()) else ""
            value = likeliest(name, shapes[ref["shape"]].get("enum", ()))
            members.append(f"{wire}:{TYPES[shapes[ref['shape']]['type']]}{required}{value}{where}")
    fields = [
        ("code", trait.get("code"), name), ("status", trait.get("httpStatusCode"), 500 if fault else 400), ("msg", message, None),
        ("m", ",".join(sorted(members)), ""), ("fault", fault, False),
        ("throttle" if (retry or {}).get("throttling") else "retry", retry is not None, False),
    ]
    return record(f"e\t{short}", name, fields)


def likeliest(error, values):
    """Of an enum in an error's member: the value that says what the error's name says, else the vaguest, else the first."""
    plain = lambda text: re.sub(r"[^a-z]", "", text.lower())
    said = plain(re.sub(r"(Exception|Error)$", "", error))
    ranks = [lambda value: plain(value) == said, lambda value: plain(value) == "other",
             lambda value: "validationfailed" in plain(value), lambda value: True]
    usable = [value for value in values if re.fullmatch(r"[\w.:/ -]+", value)]
    found = next((value for rank in ranks for value in usable if rank(value)), None)
    return f"~{found}" if found else ""


def stream(model, shapes, aliases):
    """The exceptions of an answer that is an event stream; None of any other."""
    out = shapes.get((model.get("output") or {}).get("shape"), {}).get("members", {})
    events = next((shapes[ref["shape"]] for ref in out.values() if shapes[ref["shape"]].get("eventstream")), None)
    if events is None:
        return None
    return ",".join(f"{m}:{aliases[ref['shape']]}" for m, ref in sorted(events["members"].items()) if ref["shape"] in aliases)


def converses(given, shapes):
    """Whether a request is an event stream: it goes on while the answer does."""
    return any(shapes[ref["shape"]].get("eventstream") for ref in given.get("members", {}).values())


def operation(name, model, shapes, aliases, resolved):
    http = model["http"]
    route = f"{http['method']} {http['requestUri']}" if resolved.startswith("rest-") else None
    shape = shapes.get((model.get("input") or {}).get("shape"), {})
    required = {m: shape["members"][m] for m in shape.get("required", ()) if m in shape["members"]}
    at = lambda place: ",".join(sorted(ref.get("locationName", m) for m, ref in required.items() if ref.get("location") == place))
    auth = model.get("authtype")
    fields = [
        ("in", ",".join(inputs(shape, shapes, resolved)), ""),
        ("q", at("querystring") if route else "", ""), ("h", at("header") if route else "", ""),
        ("prefix", (model.get("endpoint") or {}).get("hostPrefix"), None),
        ("auth", None if auth == "v4-unsigned-body" else auth, None), ("body", "unsigned" if model.get("unsignedPayload") else None, None),
        ("e", ",".join(sorted({aliases[e["shape"]] for e in model.get("errors", ()) if e["shape"] in aliases})), ""),
        ("stream", stream(model, shapes, aliases), None), ("converses", converses(shape, shapes), False),
        ("deprecated", bool(model.get("deprecated")), False),
    ]
    return record("o", name + (f"\t{route}" if route else ""), fields)


def inputs(shape, shapes, protocol):
    """The members of an input that may name a resource."""
    payload = shape.get("payload")
    for name, ref in shape.get("members", {}).items():
        if name == payload and shapes[ref["shape"]]["type"] == "structure":
            inner = dict(shapes[ref["shape"]], payload=None)
            yield from inputs(inner, shapes, protocol)
            continue
        place = {None: "", "querystring": "@q", "header": "@h"}.get(ref.get("location"))
        required = name in shape.get("required", ())
        if place is None or name == payload or not (required or NAMING.search(name)) or ref.get("idempotencyToken"):
            continue
        if wire := text_name(name, ref, shapes, protocol):
            yield wire + place + ("!" if required else "")


def text_name(name, ref, shapes, protocol):
    """A member's name on the wire, if it is a free text or a list of such; in forms, what stands before a list's number."""
    shape = shapes[ref["shape"]]
    wire = ref.get("locationName", name)
    if protocol == "ec2":
        wire = ref.get("queryName") or wire[0].upper() + wire[1:]
    if shape["type"] == "string" and ("enum" not in shape or NAMING.search(name)):
        return wire
    item = shape.get("member")
    if shape["type"] != "list" or shapes[item["shape"]]["type"] != "string" or "enum" in shapes[item["shape"]]:
        return None
    if protocol == "query":
        own = item.get("locationName")
        wire = (own or wire) if shape.get("flattened") else f"{wire}.{own}" if own else wire
    return f"{wire}[]"


def record(kind, name, fields):
    parts = [kind, name]
    for key, value, default in fields:
        if value is None or value == default:
            continue
        parts.append(key if value is True else f"{key}={value}")
    line = "\t".join(parts)
    assert "\n" not in line, line
    return line


def alias(names):
    """Capitals of each name, numbered where two names share them; stable while neither comes nor goes."""
    taken, out = {}, {}
    for name in names:
        short = re.sub(r"[^A-Z0-9]", "", name[0].upper() + name[1:])
        count = taken[short] = taken.get(short, 0) + 1
        out[name] = short if count == 1 else f"{short}.{count}"
    return out


def suffixes(data):
    """Partitions' suffixes, then what rule sets name literally under none of these (`on.aws`, sign-in hosts)."""
    partitions = json.load(open(os.path.join(data, "partitions.json")))["partitions"]
    known = {p["outputs"][key] for p in partitions for key in ("dnsSuffix", "dualStackDnsSuffix")}
    known |= {value for value in walk(json.load(open(os.path.join(data, "endpoints.json"))), "dnsSuffix")}
    literal = set()
    for folder, _, files in os.walk(data):
        if "endpoint-rule-set-1.json.gz" in files:
            with gzip.open(os.path.join(folder, "endpoint-rule-set-1.json.gz")) as rules:
                literal |= {tail for url in walk(json.load(rules), "url") if (tail := url.split("//")[-1].split("}.")[-1])}
    under = lambda name: any(name == suffix or name.endswith("." + suffix) for suffix in known)
    host = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
    return sorted(known | {tail for tail in literal if host.fullmatch(tail) and not under(tail)})


def host_prefixes(rules, usual):
    """What stands before the region in a rule set's URLs, but for the endpoint prefix and dualstack variants; `-fips` is taken off."""
    label, region = r"[a-z][a-z0-9-]*", r"[a-z]{2,4}(?:-[a-z]+)+-\d"
    before = re.compile(rf"https://({label}(?:\.{label}){{0,2}}?)\.(?:\{{Region\}}|\{{[pP]artitionResult#|{region}\.)")
    found = {re.sub(r"-fips\b", "", prefix[1]) for url in walk(rules, "url") if (prefix := before.match(url))}
    pseudo = re.compile(rf"\b(dualstack|global|us-gov|{region})$")
    return sorted(prefix for prefix in found if prefix != usual and not pseudo.search(prefix))


def walk(node, key):
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key and isinstance(value, str):
                yield value
            else:
                yield from walk(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value, key)


if __name__ == "__main__":
    main()
