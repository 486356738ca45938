// The calls of faults.json: each says what came of it, as a program that looks at its answer would.

import assert from "node:assert/strict";

import { BatchWriteItemCommand, DynamoDBClient, GetItemCommand, TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import { GetRecordsCommand, KinesisClient, PutRecordsCommand } from "@aws-sdk/client-kinesis";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  CompleteMultipartUploadCommand, CopyObjectCommand, DeleteObjectsCommand, GetObjectCommand, paginateListObjectsV2, S3Client,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { SendMessageBatchCommand, SQSClient } from "@aws-sdk/client-sqs";

const OBJECT = "0123456789".repeat(10_000);
const ETAG = "8d7f4a5b9c0e1f2a3b4c5d6e7f809112";
const RESULT = '{"resized": true}';
const NOTE = "x".repeat(1000);
const NAMES = ["a", "b", "c"];

export const CALLS = {
  GetItem: [DynamoDBClient, async (client) => {
    const { Item } = await client.send(new GetItemCommand({ TableName: "orders", Key: { id: { S: "1" } } }));
    return !Item ? "ok, and no item" : Item.note?.S === NOTE ? "ok" : "ok, and another item";
  }],
  GetObject: [S3Client, async (client) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: "orders", Key: "1" }));
    return (await Body.transformToString()) === OBJECT ? "ok" : "ok, and another object";
  }],
  CopyObject: [S3Client, async (client) => {
    const { CopyObjectResult } = await client.send(new CopyObjectCommand({ Bucket: "orders", Key: "2", CopySource: "orders/1" }));
    return CopyObjectResult?.ETag?.includes(ETAG) ? "ok" : "ok, and another object";
  }],
  UploadPartCopy: [S3Client, async (client) => {
    const part = { Bucket: "orders", Key: "2", UploadId: "u", PartNumber: 1, CopySource: "orders/1" };
    const { CopyPartResult } = await client.send(new UploadPartCopyCommand(part));
    return CopyPartResult?.ETag?.includes(ETAG) ? "ok" : "ok, and another part";
  }],
  CompleteMultipartUpload: [S3Client, async (client) => {
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: ETAG }] };
    const upload = { Bucket: "orders", Key: "2", UploadId: "u", MultipartUpload };
    const { ETag } = await client.send(new CompleteMultipartUploadCommand(upload));
    return ETag?.includes(ETAG) ? "ok" : "ok, and another object";
  }],
  /** All pages; of a scan that breaks off, how many keys had come. */
  ListObjectsV2: [S3Client, async (client) => {
    const keys = [];
    try {
      for await (const page of paginateListObjectsV2({ client }, { Bucket: "orders" })) keys.push(...page.Contents.map(({ Key }) => Key));
    } catch (error) {
      return `${kind(error)} after ${keys.length} of 2 keys`;
    }
    return keys.join() === "1,2" ? "ok" : `ok, and ${keys}`;
  }],
  GetRecords: [KinesisClient, async (client) => {
    const { Records } = await client.send(new GetRecordsCommand({ ShardIterator: "AAAA" }));
    return Records.length === 0 ? "ok" : "ok, and records";
  }],
  Invoke: [LambdaClient, async (client) => {
    const { FunctionError, Payload } = await client.send(new InvokeCommand({ FunctionName: "resize", Payload: "{}" }));
    const payload = Payload.transformToString();
    if (FunctionError) return `ok, and FunctionError ${FunctionError} with ${JSON.parse(payload).errorType}`;
    return payload === RESULT ? "ok" : "ok, and another result";
  }],
  BatchWriteItem: [DynamoDBClient, async (client) => {
    const orders = NAMES.map((name) => ({ PutRequest: { Item: { id: { S: name } } } }));
    const { UnprocessedItems } = await client.send(new BatchWriteItemCommand({ RequestItems: { orders } }));
    const left = UnprocessedItems.orders ?? [];
    return ofThree(3 - left.length, left.length);
  }],
  TransactWriteItems: [DynamoDBClient, async (client) => {
    const TransactItems = NAMES.map((name) => ({ Put: { TableName: "orders", Item: { id: { S: name } } } }));
    await client.send(new TransactWriteItemsCommand({ TransactItems }));
    return "ok";
  }],
  SendMessageBatch: [SQSClient, async (client) => {
    const Entries = NAMES.map((name) => ({ Id: name, MessageBody: `order ${name}` }));
    const QueueUrl = "https://sqs.us-east-1.amazonaws.com/123456789012/orders";
    const { Successful = [], Failed = [] } = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
    return ofThree(Successful.length, Failed.length);
  }],
  PutRecords: [KinesisClient, async (client) => {
    const asked = NAMES.map((name) => ({ Data: Buffer.from(name), PartitionKey: name }));
    const { FailedRecordCount, Records } = await client.send(new PutRecordsCommand({ StreamName: "orders", Records: asked }));
    const failed = Records.filter(({ ErrorCode }) => ErrorCode);
    assert.equal(failed.length, FailedRecordCount);
    return ofThree(Records.length - failed.length, failed.length);
  }],
  DeleteObjects: [S3Client, async (client) => {
    const Delete = { Objects: NAMES.map((Key) => ({ Key })) };
    const { Deleted = [], Errors = [] } = await client.send(new DeleteObjectsCommand({ Bucket: "orders", Delete }));
    return ofThree(Deleted.length, Errors.length);
  }],
};

function ofThree(done, failed) {
  assert.equal(done + failed, 3);
  return failed ? `ok, and ${failed} of 3 failed` : "ok";
}

/** What tells an error best: the system's code, its name, or its words where that says nothing. */
export function kind(error) {
  return error.code ?? (error.name === "Error" ? error.message.split(":")[0] : error.name);
}
