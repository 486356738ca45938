// Every row of faults.json with the SDK: what the program sees, how often the SDK tries, and what reaches the far end.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { NodeHttpHandler } from "@smithy/node-http-handler";

import { withSquall } from "../common/children.mjs";
import { agent, through } from "../common/clients.mjs";
import { CALLS, kind } from "./calls.mjs";

/** Gives the far end of the cases in Python to `use`: its URL, and how many requests reached it. It ends when its stdin does. */
async function withFarEnd(use) {
  const far = spawn(process.env.PYTHON, ["-m", "common.far_end"], { stdio: ["pipe", "pipe", "ignore"] });
  const ended = once(far, "exit");
  try {
    const [port] = await once(createInterface(far.stdout), "line");
    const url = `http://127.0.0.1:${port}`;
    return await use(url, async () => Number(await (await fetch(`${url}/requests`)).text()));
  } finally {
    far.stdin.end();
    await ended;
  }
}

/** Over TLS through CONNECT, with two seconds for each request, the connection included. */
async function seen(row, number) {
  const match = row.connection ? { service: ["dynamodb", "s3"] } : { operation: row.call };
  const profile = join(process.env.TMPDIR, `row-${number}.yaml`);
  writeFileSync(profile, JSON.stringify({ rules: [{ name: "fault", match, fault: row.fault }] }));
  return withFarEnd(async (url, count) => {
    let saw;
    const summary = await withSquall(url, ["--profile", profile, "--seed", "7"], async (squall) => {
      const [Client, call] = CALLS[row.call];
      const requestHandler = new NodeHttpHandler({ httpsAgent: agent(squall.url, squall.certificate), requestTimeout: 2000, throwOnRequestTimeout: true });
      const client = new Client({ ...through(squall), requestHandler, maxAttempts: 3 });
      for (let times = row.calls ?? 1; times > 0; times--) saw = await call(client).catch(kind);
      client.destroy();
    });
    const { attempts, early, upstream_failed, proxy_failed } = summary.aws;
    assert.deepEqual([upstream_failed, proxy_failed], [0, 0], JSON.stringify(summary.aws));
    return { saw, attempts: attempts + summary.connections.ended, carried_out: await count(), early };
  });
}

/** None, or one line. */
async function difference(row, number) {
  const got = await seen(row, number);
  const what = `${JSON.stringify(row.fault)} ${row.call}`;
  console.log(what, JSON.stringify(got));
  const { saw = "", ...expected } = row.javascript ?? {};
  const { saw: sight, ...counts } = got;
  const same = saw.split(" or ").includes(sight) && JSON.stringify(counts) === JSON.stringify(expected);
  return same ? [] : [`${what}: ${JSON.stringify(row.javascript)}, not ${JSON.stringify(got)}`];
}

const { rows } = JSON.parse(readFileSync(join(process.env.CASE, "../../faults.json")));
const wrong = [];
// A few at a time: each has three processes of its own.
for (let first = 0; first < rows.length; first += 4) {
  const some = rows.slice(first, first + 4).map((row, index) => difference(row, first + index));
  wrong.push(...(await Promise.all(some)).flat());
}
assert.equal(wrong.length, 0, wrong.join("\n"));
