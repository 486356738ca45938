// Every row of event-streams.json with the SDK: how many events of a broken stream come, and what is thrown behind them.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { BedrockRuntimeClient, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";
import { KinesisClient, SubscribeToShardCommand } from "@aws-sdk/client-kinesis";
import { S3Client, SelectObjectContentCommand } from "@aws-sdk/client-s3";
import { StartStreamTranscriptionCommand, TranscribeStreamingClient } from "@aws-sdk/client-transcribe-streaming";

import { withEmulator, withSquall } from "../common/children.mjs";
import { at } from "../common/clients.mjs";

const PIECES = 5;
/** Of each operation the client, and what reads its stream, telling of each event. */
const CALLS = {
  ConverseStream: [BedrockRuntimeClient, async (client, came) => {
    const { stream } = await client.send(new ConverseStreamCommand({ modelId: "amazon.nova-lite-v1:0", messages: [] }));
    for await (const event of stream) came(event);
  }],
  SelectObjectContent: [S3Client, async (client, came) => {
    const how = { ExpressionType: "SQL", InputSerialization: { CSV: {} }, OutputSerialization: { CSV: {} } };
    const select = new SelectObjectContentCommand({ Bucket: "orders", Key: "1", Expression: "SELECT * FROM S3Object", ...how });
    const { Payload } = await client.send(select);
    for await (const event of Payload) came(event);
  }],
  StartStreamTranscription: [TranscribeStreamingClient, transcribe],
  SubscribeToShard: [KinesisClient, async (client, came) => {
    const ConsumerARN = "arn:aws:kinesis:us-east-1:123456789012:stream/orders/consumer/c:1";
    const shard = { ConsumerARN, ShardId: "shardId-000000000000", StartingPosition: { Type: "LATEST" } };
    const { EventStream } = await client.send(new SubscribeToShardCommand(shard));
    for await (const event of EventStream) came(event);
  }],
};

/** Each piece of audio is sent only when what the one before it said has come back; none after the answer has ended. */
async function transcribe(client, came) {
  let [goOn, isOver] = [() => {}, false];
  async function* AudioStream() {
    for (let n = 0; n < PIECES && !isOver; n++) {
      const heard = new Promise((resolve) => (goOn = resolve));
      yield { AudioEvent: { AudioChunk: Buffer.from(`piece ${n}`) } };
      await heard;
    }
  }
  const how = { LanguageCode: "en-US", MediaEncoding: "pcm", MediaSampleRateHertz: 16000 };
  try {
    const { TranscriptResultStream } = await client.send(new StartStreamTranscriptionCommand({ ...how, AudioStream: AudioStream() }));
    let n = 0;
    for await (const event of TranscriptResultStream) {
      assert.equal(event.TranscriptEvent.Transcript.Results[0].ResultId, `piece ${n++}`);
      came(event);
      goOn();
    }
  } finally {
    isOver = true;
    goOn();
  }
}

async function differing(number, { operation, http }, row) {
  const profile = join(process.env.TMPDIR, `${number}.yaml`);
  writeFileSync(profile, JSON.stringify({ rules: [{ name: "stream", fault: { event_stream: row.fault } }] }));
  const [Client, call] = CALLS[operation];
  return withEmulator(async (upstream) => {
    let seen;
    const summary = await withSquall(upstream, ["--profile", profile], async ({ url }) => {
      const client = new Client(at(url));
      seen = await read((came) => call(client, came));
      client.destroy();
    });
    const spoken = [...new Set((await (await fetch(`${upstream}/spoken`)).text()).split("\n"))].filter(Boolean);
    const [got, expected] = [[...seen, summary.aws.injected], [row.events, ...row.javascript]];
    console.log(operation, JSON.stringify(row.fault), ...got, ...spoken);
    assert.ok(spoken.every((version) => version === http.javascript), `${operation}: ${spoken}`);
    const what = `${operation} ${JSON.stringify(row.fault)}`;
    return JSON.stringify(got) === JSON.stringify(expected) ? [] : [`${what}: ${expected}, not ${got}; ${JSON.stringify(summary)}`];
  }, "common.streams");
}

/** How many events came, and how it ended. */
async function read(call) {
  let events = 0;
  try {
    await call(() => (events += 1));
  } catch (error) {
    return [events, error.name === "Error" ? `Error ${error.message.split("\n")[0].replace(/\d+/g, "N")}` : error.name];
  }
  return [events, "end"];
}

const streams = JSON.parse(readFileSync(join(process.env.CASE, "../../event-streams.json")));
const rows = streams.flatMap((stream) => stream.rows.map((row) => [stream, row]));
const wrong = [];
// A few at a time: each has two processes of its own.
for (let first = 0; first < rows.length; first += 6) {
  const some = rows.slice(first, first + 6).map(([stream, row], index) => differing(first + index, stream, row));
  wrong.push(...(await Promise.all(some)).flat());
}
assert.equal(wrong.length, 0, wrong.join("\n"));
