// An AWS SDK for JavaScript v3 program that knows nothing of Squall. Run by tests/it/clients.rs, as tests/sdk/python/transparent is:
// over the proxy in HTTPS_PROXY, which the SDK does not read by itself, or with AWS_ENDPOINT_URL.

import https from "node:https";
import http from "node:http";
import { Readable } from "node:stream";

import { CloudWatchClient, PutMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import { DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { KinesisClient, PutRecordCommand } from "@aws-sdk/client-kinesis";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

import { agent, asTheEnvironmentSays } from "../common/clients.mjs";

const PART = 5 << 20;
const CONFIG = { ...asTheEnvironmentSays(), maxAttempts: 1 };
const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);

async function s3() {
  const client = new S3Client({ ...CONFIG, forcePathStyle: true });
  const put = (Key, Body, more) => client.send(new PutObjectCommand({ Bucket: "bucket", Key, Body, ...more }));
  await put("dir//odd key+\u00fc.bin", "x".repeat(100_000), { Metadata: { Team: "check  out" } });
  await put("empty", "");
  // A stream goes aws-chunked, with its checksum in a trailer.
  await put("stream", Readable.from([Buffer.alloc(70_000, "y"), Buffer.alloc(30_000, "z")]), { ContentLength: 100_000 });
  const params = { Bucket: "bucket", Key: "parts", Body: Buffer.alloc(2 * PART + 1, "z") };
  await new Upload({ client, params, partSize: PART, queueSize: 2 }).done();
  const got = await client.send(new GetObjectCommand({ Bucket: "bucket", Key: "a b/c=d&e~%2F/.//", VersionId: "v 1" }));
  await got.Body.transformToString();
  await client.send(new ListObjectsV2Command({ Bucket: "bucket", Prefix: "p q/", Delimiter: "/" }));
  const key = { Bucket: "bucket", Key: "pre signed/+\u00fc" };
  await plain("GET", await getSignedUrl(client, new GetObjectCommand(key), { expiresIn: 900 }));
  await plain("PUT", await getSignedUrl(client, new PutObjectCommand(key), { expiresIn: 900 }), "hello");
}

/** Node's own client, which knows as little of Squall. */
function plain(method, url, body = "") {
  const headers = body ? { "Content-Length": body.length } : {};
  const sent = url.startsWith("https:") ? https.request(url, { method, headers, agent: agent(process.env.HTTPS_PROXY) }) : http.request(url, { method, headers });
  return new Promise((resolve, reject) => {
    sent.on("error", reject);
    sent.on("response", (answer) => answer.resume().on("end", resolve));
    sent.end(body);
  });
}

await s3();
const dynamodb = new DynamoDBClient(CONFIG);
await dynamodb.send(new PutItemCommand({ TableName: "t", Item: { id: { S: "\u00fc/ %2F" }, b: { B: bytes } } }));
await dynamodb.send(new GetItemCommand({ TableName: "t", Key: { id: { S: "1" } }, ConsistentRead: true }));
const QueueUrl = "https://sqs.us-east-1.amazonaws.com/123456789012/queue";
const sqs = new SQSClient({ ...CONFIG, useQueueUrlAsEndpoint: false });
await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "a body with <angles> & \u00fc" }));
await new STSClient(CONFIG).send(new GetCallerIdentityCommand({}));
await new LambdaClient(CONFIG).send(new InvokeCommand({ FunctionName: "f", Qualifier: "$LATEST", Payload: bytes }));
// Over http this client speaks HTTP/2 from the first byte.
const record = { StreamName: "s", Data: bytes, PartitionKey: "p" };
await new KinesisClient(CONFIG).send(new PutRecordCommand(record));
const metric = { Namespace: "n", MetricData: [{ MetricName: "m", Value: 1.5 }] };
await new CloudWatchClient(CONFIG).send(new PutMetricDataCommand(metric));
