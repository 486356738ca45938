// A DynamoDB that throttles every attempt: the SDK retries as often as it is set to, and throws the service's own typed exception.

import assert from "node:assert/strict";
import { join } from "node:path";

import { DynamoDBClient, GetItemCommand, ProvisionedThroughputExceededException } from "@aws-sdk/client-dynamodb";

import { withEmulator, withSquall } from "../common/children.mjs";
import { at, through } from "../common/clients.mjs";

const ATTEMPTS = 3;
const profile = join(process.env.CASE, "../../throttle-all.yaml");

async function throttled(way, settings) {
  const client = new DynamoDBClient({ ...settings, maxAttempts: ATTEMPTS });
  const call = client.send(new GetItemCommand({ TableName: "orders", Key: { id: { S: "1" } } }));
  const error = await call.then(
    () => assert.fail("it was to be throttled"),
    (error) => error,
  );
  console.log(`${way}: ${error.name} after ${error.$metadata.attempts} attempts: ${error.message}`);
  assert(error instanceof ProvisionedThroughputExceededException, String(error));
  assert.deepEqual([error.$metadata.attempts, error.$metadata.httpStatusCode, error.$fault], [ATTEMPTS, 400, "client"]);
  client.destroy();
}

const summary = await withEmulator((upstream) =>
  withSquall(upstream, ["--profile", profile], async (squall) => {
    await throttled("connect", through(squall));
    await throttled("endpoint", at(squall.url));
  }),
);
const [row] = summary.operations;
const counted = [row.operation, row.invocations, row.attempts, row.injected];
assert.deepEqual(counted, ["GetItem", 2, 2 * ATTEMPTS, 2 * ATTEMPTS], JSON.stringify(row));
assert.deepEqual(summary.invocations.gave_up, { [ATTEMPTS]: 2 });
