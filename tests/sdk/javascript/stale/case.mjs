// Every read after a write of faults.json with the SDK in front of moto: what the program reads right after it has written, while the
// emulator already has what was written; and that it reads that once the time is over.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import {
  CreateTableCommand, DeleteItemCommand, DynamoDBClient, GetItemCommand, PutItemCommand,
} from "@aws-sdk/client-dynamodb";
import { DescribeInstancesCommand, EC2Client, RunInstancesCommand } from "@aws-sdk/client-ec2";
import { CreateRoleCommand, GetRoleCommand, IAMClient } from "@aws-sdk/client-iam";
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateQueueCommand, GetQueueUrlCommand, SQSClient } from "@aws-sdk/client-sqs";

import { withEmulator, withSquall } from "../common/children.mjs";
import { at, through } from "../common/clients.mjs";

const Key = { id: { S: "1" } };

function itemOf(TableName, written, write) {
  const put = (value) => new PutItemCommand({ TableName, Item: { ...Key, value: { S: value } } });
  const schema = {
    KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
    AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
    BillingMode: "PAY_PER_REQUEST",
  };
  return {
    Client: DynamoDBClient,
    before: async (client) => {
      await client.send(new CreateTableCommand({ TableName, ...schema }));
      await client.send(put("old"));
    },
    write: (client) => client.send(write ?? put("new")),
    read: async (client) => (await client.send(new GetItemCommand({ TableName, Key }))).Item?.value.S ?? "none",
    written,
  };
}

let instance;
const putObject = (Body) => new PutObjectCommand({ Bucket: "put", Key: "1", Body });

// What is there before, the write, the read, and what that tells of what was written.
const CALLS = {
  "GetItem after PutItem": itemOf("put", "new"),
  "GetItem after DeleteItem": itemOf("deleted", "none", new DeleteItemCommand({ TableName: "deleted", Key })),
  "GetObject after PutObject": {
    Client: S3Client,
    before: async (client) => {
      await client.send(new CreateBucketCommand({ Bucket: "put" }));
      await client.send(putObject("old"));
    },
    write: (client) => client.send(putObject("new")),
    read: async (client) => (await client.send(new GetObjectCommand({ Bucket: "put", Key: "1" }))).Body.transformToString(),
    written: "new",
  },
  "DescribeInstances after RunInstances": {
    Client: EC2Client,
    write: async (client) => {
      const { Instances } = await client.send(new RunInstancesCommand({ ImageId: "ami-12c6146b", MinCount: 1, MaxCount: 1 }));
      instance = Instances[0].InstanceId;
    },
    read: async (client) => {
      const { Reservations } = await client.send(new DescribeInstancesCommand({ InstanceIds: [instance] }));
      return Reservations[0].Instances[0].InstanceId === instance ? "run" : "another";
    },
    written: "run",
  },
  "GetRole after CreateRole": {
    Client: IAMClient,
    write: (client) => client.send(new CreateRoleCommand({ RoleName: "stale", AssumeRolePolicyDocument: "{}" })),
    read: async (client) => (await client.send(new GetRoleCommand({ RoleName: "stale" }))).Role.RoleName,
    written: "stale",
  },
  "GetQueueUrl after CreateQueue": {
    Client: SQSClient,
    write: (client) => client.send(new CreateQueueCommand({ QueueName: "stale" })),
    read: async (client) => (await client.send(new GetQueueUrlCommand({ QueueName: "stale" }))).QueueUrl.split("/").at(-1),
    written: "stale",
  },
};

/** What was read right after the write, by how many attempts, and how many of those the emulator was asked. */
async function seen(emulator, row, number) {
  const { Client, before, write, read, written } = CALLS[row.call];
  const profile = join(process.env.TMPDIR, `row-${number}.yaml`);
  writeFileSync(profile, JSON.stringify({ rules: [{ name: "fault", fault: row.fault }] }));
  const straight = new Client({ ...at(emulator), forcePathStyle: true });
  let saw;
  const { aws } = await withSquall(emulator, ["--profile", profile], async (squall) => {
    const client = new Client(through(squall));
    if (before) {
      await before(straight);
      assert.equal(await read(client), "old");
    }
    await write(client);
    saw = await read(client).then((value) => `ok, and what was ${value}`, (error) => error.name);
    assert.equal(await read(straight), written, `${row.call}: it was not carried out`);
    await pause(1000 * parseFloat(row.fault.stale.for));
    assert.equal(await read(client), written, `${row.call}: it is not seen in the end`);
    client.destroy();
  });
  straight.destroy();
  return { saw, attempts: aws.injected, carried_out: aws.attempts - aws.injected - (before ? 3 : 2) };
}

/** None, or one line. */
async function difference(emulator, row, number) {
  const got = await seen(emulator, row, number);
  console.log(row.call, JSON.stringify(got));
  const same = JSON.stringify(got) === JSON.stringify(row.javascript);
  return same ? [] : [`${row.call}: ${JSON.stringify(row.javascript)}, not ${JSON.stringify(got)}`];
}

const { after_a_write: rows } = JSON.parse(readFileSync(join(process.env.CASE, "../../faults.json")));
await withEmulator(async (emulator) => {
  const wrong = (await Promise.all(rows.map((row, number) => difference(emulator, row, number)))).flat();
  assert.equal(wrong.length, 0, wrong.join("\n"));
});
