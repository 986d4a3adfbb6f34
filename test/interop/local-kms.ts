/**
 * local-kms, an emulator of AWS KMS that others wrote, in Go. It listens on all interfaces, so it and its client run in a
 * network namespace that has nothing but a loopback interface.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDirectory, run as execute } from "./cache.js";
import { assertNamespaces, inNamespace } from "./local-kms/namespace.js";
import type { Peer, Scenario, Seen } from "./scenario.js";
import { TheirFault } from "./scenario.js";

const MODULE = "github.com/nsmithuk/local-kms";
/** The newest commit of its branch in November 2026. Its last tag is older. */
const VERSION = "v0.0.0-20260228092603-2a5e92d09ab6";
const CLIENT = fileURLToPath(new URL("local-kms/client.ts", import.meta.url));
/** Seconds. Without an answer of the module proxy, Go waits longer. */
const INSTALL_TIMEOUT = 300;

/** local-kms. It needs Go, and Linux with the right to make a network namespace. */
export const localKms: Peer = { title: "local-kms", kind: "store", install, run };

async function install(): Promise<string> {
  await assertNamespaces();
  if (!existsSync(program())) await build();
  return VERSION.slice(-12);
}

async function build(): Promise<void> {
  await execute("go", ["version"]);
  const env = { GOBIN: directory(), GOFLAGS: "-mod=mod" };
  await execute("timeout", [`${INSTALL_TIMEOUT}`, "go", "install", `${MODULE}@${VERSION}`], { env });
}

/** Runs the client in the namespace, and reports what it has seen. */
async function run(scenario: Scenario): Promise<void> {
  const output = await inNamespace([process.execPath, ...process.execArgv, CLIENT, program()]);
  const results: Seen[] = output.split("\n").flatMap((line) => (line.startsWith("{") ? JSON.parse(line) : []));
  for (const { row, title, outcome, what } of results)
    await scenario(row, title, async () => {
      if (outcome === "passed") return what;
      throw outcome === "failed" ? new Error(what) : new TheirFault(what);
    });
}

function directory(): string {
  return cacheDirectory(join("local-kms", VERSION));
}

function program(): string {
  return join(directory(), "local-kms");
}
