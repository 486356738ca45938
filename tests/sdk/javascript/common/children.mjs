// moto and `squall serve` as programs, for as long as a function runs.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

/** Gives the emulator's URL to `use`. It is one of those of the cases in Python, and ends when its stdin does. */
export async function withEmulator(use, module = "common.emulator") {
  const moto = spawn(process.env.PYTHON, ["-m", module], { stdio: ["pipe", "pipe", "ignore"] });
  const ended = once(moto, "exit");
  try {
    // It tells its port once it listens.
    const [port] = await once(createInterface(moto.stdout), "line");
    return await use(`http://127.0.0.1:${port}`);
  } finally {
    moto.stdin.end();
    await ended;
  }
}

/** Gives url and certificate of a Squall in front of `upstream` to `use`; then its summary, read from the file it wrote. */
export async function withSquall(upstream, options, use) {
  const folder = mkdtempSync(join(process.env.TMPDIR, "squall-"));
  const [ready, summary] = ["ready.json", "summary.json"].map((name) => join(folder, name));
  const files = ["--ca-dir", join(folder, "ca"), "--ready-file", ready, "--summary", summary];
  const args = ["serve", "--listen", "127.0.0.1:0", "--upstream", upstream, ...files, ...options];
  const squall = spawn(process.env.SQUALL, args, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(squall, "exit");
  let said = "";
  squall.stderr.on("data", (text) => (said += text));
  try {
    const state = await readyState(squall, ready);
    await use({ url: `http://${state.listen[0]}`, certificate: readFileSync(state.ca) });
    squall.kill("SIGTERM");
    const [code] = await ended;
    if (code !== 0) throw new Error(`squall serve ended with ${code}`);
    return JSON.parse(readFileSync(summary));
  } catch (error) {
    console.log(`squall said:\n${said}`);
    throw error;
  } finally {
    squall.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
}

async function readyState(squall, ready) {
  const deadline = Date.now() + 30_000;
  while (!existsSync(ready)) {
    if (squall.exitCode !== null || Date.now() > deadline) throw new Error("squall serve is not ready");
    await pause(20);
  }
  return JSON.parse(readFileSync(ready));
}
