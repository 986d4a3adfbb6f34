/** `hardproof doctor`: what stands between this machine and a signature, from the outside in, with the remedy. */
import type { Command } from "commander";
import { diagnoseKey, type Finding } from "../index.js";
import { clockCheck, keyChecks, nodeCheck } from "./checks.js";
import { type Context, newCommand } from "./context.js";
import { EXIT } from "./exit-codes.js";

interface DoctorOptions {
  server?: string;
  login: boolean;
}

export function doctor(context: Context): Command {
  const { world, output } = context;
  return newCommand("doctor", "check all that stands between this machine and a signature")
    .argument("[uri]", "the key; or HARDPROOF_KEY; without one only the machine is checked")
    .option("--server <url>", "compare the clock with this server's")
    .option("--no-login", "do not open the key: no PIN is tried")
    .action(async (given: string | undefined, options: DoctorOptions) => {
      const findings: Finding[] = [];
      for await (const finding of lookAt(given ?? world.env.HARDPROOF_KEY, options, world.signal)) {
        findings.push(finding);
        output.finding(finding);
      }
      const healthy = findings.every(({ ok }) => ok !== false);
      output.document({ healthy, findings });
      context.exitCode = healthy ? EXIT.ok : EXIT.failed;
    });
}

async function* lookAt(
  uri: string | undefined,
  { server, login }: DoctorOptions,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  yield nodeCheck(process.versions.node);
  if (server !== undefined) yield await clockCheck(server, signal);
  if (uri === undefined) return yield { check: "key", ok: null, found: "none named: give a URI, or set HARDPROOF_KEY" };
  for await (const finding of diagnoseKey(uri)) {
    yield finding;
    // Going on could spend a try of the PIN.
    if (finding.ok === false) return yield { check: "key", ok: null, found: "not opened: mend what is above first" };
  }
  if (login) yield* keyChecks(uri, signal);
  else yield { check: "key", ok: null, found: "not opened: --no-login" };
}
