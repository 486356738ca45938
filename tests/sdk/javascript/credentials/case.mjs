// Every row of credentials.json with the SDK's default chain, held to them as the case in Python is.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("program.mjs", import.meta.url));
const node = [process.execPath, "--no-warnings", "--preserve-symlinks", "--preserve-symlinks-main"];
const args = ["-m", "common.chain", "javascript", ...node, program];
process.exit(spawnSync(process.env.PYTHON, args, { stdio: "inherit" }).status ?? 1);
