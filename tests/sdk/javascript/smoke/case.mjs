// A calm Squall is not there: S3, SQS, STS, DynamoDB and Kinesis answer the same with it as without it.
//
// The same calls go three ways, each to an emulator of its own: straight, through CONNECT to AWS's own names, and with Squall as the
// endpoint. Kinesis speaks HTTP/2 over http, which the emulator does not, and Squall translates; straight it is made to speak HTTP/1.1.

import assert from "node:assert/strict";

import { CreateTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { CreateStreamCommand, KinesisClient, ListStreamsCommand } from "@aws-sdk/client-kinesis";
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateQueueCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { NodeHttpHandler } from "@smithy/node-http-handler";

import { withEmulator, withSquall } from "../common/children.mjs";
import { at, through } from "../common/clients.mjs";

/** What was called, and what is the same about its answer on each run. */
async function calls(settings, kinesisSettings = settings) {
  const answers = {};
  const s3 = new S3Client({ ...settings, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: "smoke" }));
  for (const [Key, Body] of Object.entries({ plain: "hello", empty: "", "odd name +&=%20\u00fc": "x".repeat(100_000) })) {
    answers[`PutObject ${Key}`] = (await s3.send(new PutObjectCommand({ Bucket: "smoke", Key, Body }))).ETag;
    const got = await s3.send(new GetObjectCommand({ Bucket: "smoke", Key }));
    answers[`GetObject ${Key}`] = [got.ContentType, got.ContentLength, await got.Body.transformToString()];
  }
  const list = await s3.send(new ListObjectsV2Command({ Bucket: "smoke" }));
  answers.ListObjectsV2 = list.Contents.map(({ Key, Size, ETag }) => [Key, Size, ETag]);
  answers["GetObject absent"] = await s3.send(new GetObjectCommand({ Bucket: "smoke", Key: "absent" })).catch(told);

  const sqs = new SQSClient({ ...settings, useQueueUrlAsEndpoint: false });
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "smoke" }));
  const sent = await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "a body with <angles> & \u00fc" }));
  const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
  answers.SQS = [sent.MD5OfMessageBody, Messages.map(({ Body }) => Body)];

  const { Account, Arn } = await new STSClient(settings).send(new GetCallerIdentityCommand({}));
  answers.GetCallerIdentity = [Account, Arn];

  const dynamodb = new DynamoDBClient(settings);
  const table = { TableName: "smoke", KeySchema: [{ AttributeName: "id", KeyType: "HASH" }], BillingMode: "PAY_PER_REQUEST" };
  await dynamodb.send(new CreateTableCommand({ ...table, AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }] }));
  const item = { TableName: "smoke", Item: { id: { S: "\u00fc" }, n: { N: "1" } } };
  await dynamodb.send(new PutItemCommand(item));
  answers.GetItem = (await dynamodb.send(new GetItemCommand({ TableName: "smoke", Key: { id: { S: "\u00fc" } } }))).Item;
  const condition = { ConditionExpression: "attribute_not_exists(id)" };
  answers["PutItem refused"] = await dynamodb.send(new PutItemCommand({ ...item, ...condition })).catch(told);

  const kinesis = new KinesisClient(kinesisSettings);
  await kinesis.send(new CreateStreamCommand({ StreamName: "smoke", ShardCount: 1 }));
  answers.ListStreams = (await kinesis.send(new ListStreamsCommand({}))).StreamNames;
  kinesis.destroy();
  return answers;
}

const told = ({ name, $fault, $metadata: { httpStatusCode, attempts } }) => [name, $fault, httpStatusCode, attempts];

const expected = await withEmulator((url) => calls(at(url), { ...at(url), requestHandler: new NodeHttpHandler() }));
for (const [way, settings] of Object.entries({ connect: through, endpoint: ({ url }) => at(url) })) {
  const summary = await withEmulator((upstream) =>
    withSquall(upstream, ["--profile", "calm"], async (squall) => {
      assert.deepEqual(await calls(settings(squall)), expected);
    }),
  );
  const { aws, exchanges } = summary;
  console.log(`${way}: ${Object.keys(expected).length} answers the same, ${exchanges.total} exchanges`);
  assert.equal(aws.answered, exchanges.total);
  assert.deepEqual([aws.attempts, exchanges.aws, aws.injected, aws.proxy_failed], [exchanges.total, exchanges.total, 0, 0]);
}
