/**
 * Runs a command with the key of a throw-away SoftHSM token in `HARDPROOF_KEY`. If SoftHSM is unavailable, the command
 * runs with an unchanged environment. Usage: `tsx test/softhsm/run.ts npx hardproof demo`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { softHsm } from "hardproof/softhsm";

const [command, ...args] = process.argv.slice(2);
if (!command) throw new Error("Usage: tsx test/softhsm/run.ts COMMAND [ARGUMENT…]");
await using hsm = await softHsm({ label: "hardproof" }).catch((error: Error) => {
  console.error(`A SoftHSM token can't be created. ${error.message}`);
  console.error("Continuing with a key in memory: it demonstrates the protocol but protects nothing.\n");
  return undefined;
});
const key = hsm && { HARDPROOF_KEY: hsm.uri() };
const child = spawn(command, args, { stdio: "inherit", env: { ...process.env, ...key } });
[process.exitCode] = await once(child, "exit");
