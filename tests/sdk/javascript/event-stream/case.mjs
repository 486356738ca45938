// Every row of event-streams.json with the SDK: how many events of a broken stream come, and what is thrown behind them.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { BedrockRuntimeClient, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";

import { withEmulator, withSquall } from "../common/children.mjs";
import { at } from "../common/clients.mjs";

const rows = JSON.parse(readFileSync(join(process.env.CASE, "../../event-streams.json")));

async function differing(upstream, number, row) {
  const profile = join(process.env.TMPDIR, `${number}.yaml`);
  writeFileSync(profile, JSON.stringify({ rules: [{ name: "stream", fault: { event_stream: row.fault } }] }));
  let seen;
  const summary = await withSquall(upstream, ["--profile", profile], async ({ url }) => {
    const bedrock = new BedrockRuntimeClient(at(url));
    const converse = new ConverseStreamCommand({ modelId: "amazon.nova-lite-v1:0", messages: [] });
    seen = await read(() => bedrock.send(converse));
    bedrock.destroy();
  });
  const [got, expected] = [[...seen, summary.aws.injected], [row.events, ...row.javascript]];
  console.log(JSON.stringify(row.fault), ...got);
  return JSON.stringify(got) === JSON.stringify(expected) ? [] : [`${JSON.stringify(row.fault)}: ${expected}, not ${got}`];
}

/** How many events came, and how it ended. */
async function read(send) {
  let events = 0;
  try {
    const { stream } = await send();
    for await (const _ of stream) events += 1;
  } catch (error) {
    return [events, error.name === "Error" ? `Error ${error.message.replace(/\d+/g, "N")}` : error.name];
  }
  return [events, "end"];
}

const wrong = await withEmulator((upstream) => Promise.all(rows.map((row, number) => differing(upstream, number, row))), "common.streams");
assert.equal(wrong.flat().length, 0, wrong.flat().join("\n"));
