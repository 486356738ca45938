// `squall run` around unchanged programs for node, which reads no HTTPS_PROXY: version 3 of the SDK in ESM and in CommonJS, and version 2.
//
// They have no endpoint, no agent and no proxy in their code. Every call of theirs is seen, the first try of each to DynamoDB is
// throttled, and the SDK recovers; queue URLs are followed as the emulator gives them, and Kinesis speaks HTTP/2.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { withEmulator } from "../common/children.mjs";

const PROFILE = join(process.env.CASE, "first-tries.yaml");
const KEYS = { AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE", AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };
const NODE = ["--no-warnings", "--preserve-symlinks", "--preserve-symlinks-main"];
const SEEN = {
  "v3.mjs": ["GetCallerIdentity", "ListTables", "CreateQueue", "SendMessage", "CreateBucket", "PutObject", "GetObject", "ListStreams"],
  "v3.cjs": ["GetCallerIdentity", "ListTables", "CreateQueue", "SendMessage"],
  "v2.cjs": ["GetCallerIdentity", "ListTables", "CreateQueue", "SendMessage", "CreateBucket", "PutObject", "GetObject"],
};

async function run(upstream, options, program, env) {
  const summary = join(process.env.TMPDIR, `${program}.json`);
  const words = ["run", "--listen", "127.0.0.1:0", "--upstream", upstream, "--profile", PROFILE, "--summary", summary, ...options, "--"];
  // Where it stands and not where it lies: packages are looked for beside it.
  const file = join(import.meta.dirname, program);
  const squall = spawn(process.env.SQUALL, [...words, "node", ...NODE, file], { env, stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) squall[name].on("data", (text) => (said[name] += text));
  const [code] = await once(squall, "close");
  assert.equal(code, 0, `${program}: ${code}\n${said.stdout}${said.stderr}`);
  return { ...said, summary: JSON.parse(readFileSync(summary)) };
}

for (const [program, seen] of Object.entries(SEEN)) {
  await withEmulator(async (upstream) => {
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...KEYS, AWS_REGION: "us-east-1" };
    const { stdout, stderr, summary } = await run(upstream, [], program, env);
    const counts = Object.fromEntries(summary.operations.map(({ operation, attempts, injected }) => [operation, [attempts, injected]]));
    const tries = (operation) => (operation === "ListTables" ? [2, 1] : [1, 0]);
    assert.deepEqual(counts, Object.fromEntries(seen.map((operation) => [operation, tries(operation)])), stderr);
    assert.equal(stdout, "done\n");
    assert.match(stderr, /looks like node's/);
    assert.equal(summary.connections.refused_handshakes, 0);
    console.log(`${program}: ${seen.join(", ")}: all through Squall`);
  });
}

await withEmulator(async (upstream) => {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...KEYS, AWS_REGION: "us-east-1", AWS_ENDPOINT_URL_SQS: "http://127.0.0.1:9" };
  const { stderr, summary } = await run(upstream, ["--endpoint"], "v3.cjs", env);
  assert.match(stderr, /AWS_ENDPOINT_URL_SQS was http:\/\/127\.0\.0\.1:9.*left out/);
  assert.equal(summary.operations.length, SEEN["v3.cjs"].length, stderr);
  console.log("v3.cjs with --endpoint: all through Squall");
});
