// Every row of errors.json with the SDK: the typed exception, its code, status, message and request id, and the attempts made; with
// Squall as the endpoint, and through CONNECT.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

import * as bedrock from "@aws-sdk/client-bedrock-runtime";
import * as cloudwatch from "@aws-sdk/client-cloudwatch";
import * as dynamodb from "@aws-sdk/client-dynamodb";
import * as ec2 from "@aws-sdk/client-ec2";
import * as iam from "@aws-sdk/client-iam";
import * as kinesis from "@aws-sdk/client-kinesis";
import * as lambda from "@aws-sdk/client-lambda";
import * as route53 from "@aws-sdk/client-route-53";
import * as s3 from "@aws-sdk/client-s3";
import * as stepfunctions from "@aws-sdk/client-sfn";
import * as sns from "@aws-sdk/client-sns";
import * as sqs from "@aws-sdk/client-sqs";
import * as sts from "@aws-sdk/client-sts";
import { AwsSmithyRpcV2CborProtocol } from "@aws-sdk/core/protocols";

import { withSquall } from "../common/children.mjs";
import { at, through } from "../common/clients.mjs";

const NOBODY = "http://127.0.0.1:9";
const MODULES = { cloudwatch, dynamodb, ec2, iam, kinesis, lambda, route53, s3, sns, sqs, stepfunctions, sts, "bedrock-runtime": bedrock };
const WAYS = {
  endpoint: ({ url }) => ({ ...at(url), forcePathStyle: true }),
  connect: (squall, service) => ({ ...through(squall), ...(service === "cloudwatch" && { protocol: AwsSmithyRpcV2CborProtocol }) }),
};

/** CloudWatch speaks JSON by default, and CBOR too. */
const type = (way, { service }) => (way === "connect" && service === "cloudwatch" ? "application/cbor" : types[service]);

const { types, calls, errors } = JSON.parse(readFileSync(join(process.env.CASE, "../../errors.json")));
const rows = errors.map((row) => ({ ...row, ...row.javascript }));

/** Modeled errors differ by row, but the operations that meet one of them differ too. */
const kind = ({ fault }) => (typeof fault === "string" ? fault : "error");
const word = ({ fault }) => (typeof fault === "string" ? fault : fault.error.code);

/** Makes the calls of one kind of fault in one way; gives what differs. A Squall of its own counts their attempts alone. */
async function differing(way, kind, rows) {
  const match = ({ service, operation }) => ({ service, operation });
  const rules = rows.map((row) => ({ name: row.operation, match: match(row), fault: row.fault }));
  const profile = join(process.env.TMPDIR, `${way}-${kind}.yaml`);
  writeFileSync(profile, JSON.stringify({ rules }));
  let told;
  const summary = await withSquall(NOBODY, ["--profile", profile], async (squall) => {
    told = await Promise.all(rows.map((row) => call(row, WAYS[way](squall, row.service))));
  });
  const { attempts, injected } = summary.aws;
  assert.deepEqual([attempts, injected], [summary.exchanges.total, summary.exchanges.total], JSON.stringify(summary.aws));
  return rows.flatMap((row, index) => difference(way, row, told[index], summary.operations));
}

async function call(row, settings) {
  const module = MODULES[row.service];
  const [, Client] = Object.entries(module).find(([name]) => /^[A-Z].*Client$/.test(name));
  const client = new Client({ ...settings });
  const error = await client.send(new module[`${row.operation}Command`](calls[row.operation])).then(
    () => assert.fail(`${row.operation} ${word(row)}: nothing was thrown`),
    (error) => error,
  );
  client.destroy();
  return error;
}

/** None, or one line. */
function difference(way, row, error, operations) {
  const { httpStatusCode, attempts, requestId } = error.$metadata ?? {};
  const told = [error.Code ?? error.name, httpStatusCode, error.constructor.name, attempts, error.$response?.headers["content-type"]];
  const what = [way.padEnd(9), row.service.padEnd(16), row.operation.padEnd(30), word(row).padEnd(32)].join(" ");
  console.log(what, ...told);
  const count = operations.find(({ service, operation }) => service === row.service && operation === row.operation);
  const got = [...told, count?.invocations, count?.attempts, count?.injected];
  const expected = [row.code, row.status, row.class ?? base(row), row.attempts, type(way, row), 1, row.attempts, row.attempts];
  if (isDeepStrictEqual(got, expected) && error.message && requestId) return [];
  return [`${what}: ${expected}, not ${got}; request ${requestId}; ${error.stack}`];
}

/** What the SDK throws for what it has no class for. */
function base({ service }) {
  return Object.keys(MODULES[service]).find((name) => name.endsWith("ServiceException"));
}

const kinds = [...new Set(rows.map(kind))];
const all = Object.keys(WAYS).flatMap((way) => kinds.map((each) => [way, each, rows.filter((row) => kind(row) === each)]));
const wrong = await Promise.all(all.map((one) => differing(...one)));
assert.equal(wrong.flat().length, 0, wrong.flat().join("\n"));
