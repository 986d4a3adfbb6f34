/** `hardproof doctor`: checks everything that a signature depends on, and names the remedy for what is wrong. */
import type { Command } from "commander";
import { diagnoseKey, type Finding } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { clockCheck, keyChecks, nodeCheck } from "../doctor-checks.js";
import { EXIT, isHardproofError } from "../exit-codes.js";
import { openKey, type PublicKeyOption, withPublicKeyOption } from "../open-key.js";

interface DoctorOptions extends PublicKeyOption {
  server?: string;
  login: boolean;
}

/** Returns the command `doctor`. */
export function doctor(context: Context): Command {
  const { io, output } = context;
  const command = newCommand("doctor", "check everything that a signature depends on")
    .argument("[uri]", "URI of the key (or HARDPROOF_KEY); without it, only the machine is checked")
    .option("--server <url>", "compare the clock with this server's")
    .option("--no-login", "don't open the key, so that no PIN is tried");
  return withPublicKeyOption(command).action(async (argument: string | undefined, options: DoctorOptions) => {
    const findings: Finding[] = [];
    for await (const finding of runChecks(argument ?? io.env.HARDPROOF_KEY, options, io.signal)) {
      findings.push(finding);
      output.finding(finding);
    }
    const healthy = findings.every(({ ok }) => ok !== false);
    output.document({ healthy, findings });
    context.exitCode = healthy ? EXIT.ok : EXIT.failed;
  });
}

async function* runChecks(
  uri: string | undefined,
  { server, login, ...keyOptions }: DoctorOptions,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  yield nodeCheck(process.versions.node);
  if (server !== undefined) yield await clockCheck(server, signal);
  if (uri === undefined) return yield notOpened("no key to check: pass a URI, or set HARDPROOF_KEY");
  await using signer = await openKey(uri, keyOptions); // A malformed URI ends the command here.
  for await (const finding of withErrorFinding("store", diagnoseKey(uri))) {
    yield finding;
    // Opening the key could use up one of the PIN attempts.
    if (finding.ok === false) return yield notOpened("not opened: fix the problem above first");
  }
  if (!login) return yield notOpened("not opened: --no-login");
  yield* withErrorFinding("key", keyChecks(signer, signal));
}

function notOpened(found: string): Finding {
  return { check: "key", ok: null, found };
}

/** Converts an error of the key store to the last finding. Its message names the remedy. */
async function* withErrorFinding(check: string, findings: AsyncIterable<Finding>): AsyncGenerator<Finding> {
  try {
    yield* findings;
  } catch (error) {
    if (!isHardproofError(error) || error.name !== "SignerError") throw error;
    yield { check, ok: false, found: error.code, remedy: error.message };
  }
}
