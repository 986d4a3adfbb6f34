/**
 * Runs a command with the key of a throw-away SoftHSM token in `HARDPROOF_KEY`. If SoftHSM is unavailable, the command
 * runs with an unchanged environment. Usage: `tsx softhsm/run.ts npx hardproof demo`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { softHsm } from "./index.js";

const [command, ...args] = process.argv.slice(2);
if (!command) throw new Error("Usage: tsx softhsm/run.ts COMMAND [ARGUMENT…]");
await using hsm = await softHsm({ label: "hardproof" }).catch((error: Error) => {
  console.error(`A SoftHSM token can't be created. ${error.message}`);
  console.error("Continuing with a key in memory: it demonstrates the protocol but protects nothing.\n");
  return undefined;
});
const path = `token=${encodeURIComponent(hsm?.token ?? "")};object=${encodeURIComponent(hsm?.key.label ?? "")}`;
const key = hsm && { HARDPROOF_KEY: `pkcs11:${path}?module-path=${hsm.module}&pin-source=env:PIN`, PIN: hsm.pin };
const child = spawn(command, args, { stdio: "inherit", env: { ...process.env, ...key } });
[process.exitCode] = await once(child, "exit");
