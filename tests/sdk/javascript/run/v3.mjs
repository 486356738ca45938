// A program that knows nothing of Squall: version 3, ESM.

import { DynamoDBClient, ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { KinesisClient, ListStreamsCommand } from "@aws-sdk/client-kinesis";
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateQueueCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

await new STSClient().send(new GetCallerIdentityCommand());
await new DynamoDBClient().send(new ListTablesCommand());
const sqs = new SQSClient();
const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "q" }));
await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "hello" }));
const s3 = new S3Client();
await s3.send(new CreateBucketCommand({ Bucket: "bucket" }));
await s3.send(new PutObjectCommand({ Bucket: "bucket", Key: "k", Body: "x".repeat(300_000) }));
const { Body } = await s3.send(new GetObjectCommand({ Bucket: "bucket", Key: "k" }));
if ((await Body.transformToString()).length !== 300_000) throw new Error("it came back short");
const kinesis = new KinesisClient();
await kinesis.send(new ListStreamsCommand());
kinesis.destroy();
console.log("done");
