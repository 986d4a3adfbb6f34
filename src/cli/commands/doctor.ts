/** `hardproof doctor`: what stands between this machine and a signature, from the outside in, with the remedy. */
import type { Command } from "commander";
import { diagnoseKey, type Finding, openSigner } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { clockCheck, keyChecks, nodeCheck } from "../doctor-checks.js";
import { EXIT, isOurs } from "../exit-codes.js";

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
  if (uri === undefined) return yield notOpened("none named: give a URI, or set HARDPROOF_KEY");
  await using signer = await openSigner(uri); // a malformed URI ends it here
  for await (const finding of told("store", diagnoseKey(uri))) {
    yield finding;
    // Going on could spend a try of the PIN.
    if (finding.ok === false) return yield notOpened("not opened: mend what is above first");
  }
  if (!login) return yield notOpened("not opened: --no-login");
  yield* told("key", keyChecks(signer, signal));
}

function notOpened(found: string): Finding {
  return { check: "key", ok: null, found };
}

/** A key store's error says what to do: that is the last finding. */
async function* told(check: string, findings: AsyncIterable<Finding>): AsyncGenerator<Finding> {
  try {
    yield* findings;
  } catch (error) {
    if (!isOurs(error) || error.name !== "SignerError") throw error;
    yield { check, ok: false, found: error.code, remedy: error.message };
  }
}
