/** Runs a command with the key of a throw-away SoftHSM token in `HARDPROOF_KEY`: `tsx softhsm/run.ts npx hardproof demo`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { softHsm } from "./index.js";

const [command, ...args] = process.argv.slice(2);
if (!command) throw new Error("Expected a command.");
await using hsm = await softHsm({ label: "hardproof" }).catch((error: Error) => {
  console.error(`No PKCS#11 token is available here. ${error.message}`);
  console.error("Continuing with a key in memory: it shows the protocol and protects nothing.\n");
  return undefined;
});
const path = `token=${encodeURIComponent(hsm?.token ?? "")};object=${encodeURIComponent(hsm?.key.label ?? "")}`;
const key = hsm && { HARDPROOF_KEY: `pkcs11:${path}?module-path=${hsm.module}&pin-source=env:PIN`, PIN: hsm.pin };
const child = spawn(command, args, { stdio: "inherit", env: { ...process.env, ...key } });
[process.exitCode] = await once(child, "exit");
