/** `hardproof doctor`: checks everything that a signature depends on, and names the remedy for what is wrong. */
import type { Command } from "commander";
import { diagnoseKey, type Finding, type Signer } from "../../index.js";
import { cliError } from "../cli-error.js";
import { type Context, newCommand } from "../context.js";
import { clockCheck, keyChecks, nodeCheck, parseServer } from "../doctor-checks.js";
import { EXIT, isHardproofError } from "../exit-codes.js";
import type { Io } from "../io.js";
import { keyUris } from "../key-uri.js";
import {
  closedReplicas,
  type KeyOption,
  type OpenKeyOptions,
  rejectWithoutKey,
  withKeyOption,
  withPublicKeyOption,
} from "../open-key.js";
import { withOptionNames } from "../option-names.js";
import { withTimeoutOption } from "../timeout-option.js";

interface DoctorOptions extends KeyOption, OpenKeyOptions {
  server?: string;
  login: boolean;
}

/** Returns the command `doctor`. */
export function doctor(context: Context): Command {
  const { io, output } = context;
  const command = newCommand("doctor", "check everything that a signature depends on")
    .argument("[uri]", "URI of the key (or HARDPROOF_KEY); without it, only the machine is checked")
    .option("--server <url>", "compare the clock with this server's", parseServer)
    .option("--no-login", "don't open the key, so that no PIN is tried");
  return withTimeoutOption(withPublicKeyOption(withKeyOption(command)), "store", "server").action(
    async (argument: string | undefined, options: DoctorOptions) => {
      const findings: Finding[] = [];
      const hasKey = argument ?? options.key ?? io.env.HARDPROOF_KEY;
      if (!options.login) rejectWithoutKey(options, "the key to be opened: leave out --no-login");
      if (hasKey === undefined) rejectWithoutKey(options, "a key: pass a URI, or set HARDPROOF_KEY");
      const uris = hasKey === undefined ? [] : keyUris(argument, options.key, io);
      for await (const finding of runChecks(uris, options, context)) {
        const translated = inOptionNames(finding);
        findings.push(translated);
        output.finding(translated);
      }
      const healthy = findings.every(({ ok }) => ok !== false);
      output.document({ healthy, findings });
      context.exitCode = healthy ? EXIT.ok : EXIT.failed;
    },
  );
}

/** The library's remedies name its options. */
function inOptionNames({ remedy, ...finding }: Finding): Finding {
  return remedy === undefined ? finding : { ...finding, remedy: withOptionNames(remedy) };
}

async function* runChecks(
  uris: readonly string[],
  { server, login, require, ...options }: DoctorOptions,
  context: Context,
): AsyncGenerator<Finding> {
  const { signal } = context.io;
  yield nodeCheck(process.versions.node);
  if (server !== undefined) yield await clockCheck(server, options.timeout, context.io);
  if (uris.length === 0) return yield notOpened("no key to check: pass a URI, or set HARDPROOF_KEY");
  await using key = await closedReplicas(uris, options, context); // A malformed URI ends the command here.
  const isOnly = uris.length === 1;
  let healthy = true;
  for (const [index, uri] of uris.entries()) {
    const replica = key.replicas[index] ?? key.signer;
    if (!isOnly) yield { check: `replica ${index + 1}`, ok: null, found: replica.uri ?? "" };
    for await (const finding of replicaChecks(uri, replica, { ...options, login, require }, context)) {
      healthy &&= finding.ok !== false;
      yield finding;
    }
  }
  if (isOnly) return;
  if (!login || !healthy)
    return yield { check: "same key", ok: null, found: "not compared: not all replicas could be opened" };
  yield* withErrorFinding("same key", sameKeyCheck(key.signer, signal), context.io);
}

async function* replicaChecks(
  uri: string,
  signer: Signer,
  { login, require, timeout }: Pick<DoctorOptions, "login" | "require" | "timeout">,
  { io, secrets }: Context,
): AsyncGenerator<Finding> {
  const secret = secrets.canAskFor(uri) ? secrets.option(uri) : {};
  for await (const finding of withErrorFinding("store", diagnoseKey(uri, { timeout, ...secret }), io)) {
    yield finding.found === FUNCTION ? { ...finding, found: "typed at the terminal, if needed" } : finding;
    // Opening the key could use up one of the PIN attempts.
    if (finding.ok === false) return yield notOpened("not opened: fix the problem above first");
  }
  if (!login) return yield notOpened("not opened: --no-login");
  yield* withErrorFinding("key", keyChecks(signer, require, io.signal), io);
}

/** The signer of all replicas compares their keys when it is opened. */
async function* sameKeyCheck(signer: Signer, signal: AbortSignal): AsyncGenerator<Finding> {
  await signer.publicJwk({ signal });
  yield { check: "same key", ok: true, found: "all replicas have the same key" };
}

/** What the library finds as the source of a secret that is typed. */
const FUNCTION = "a function";

function notOpened(found: string): Finding {
  return { check: "key", ok: null, found };
}

/** Converts an error of the key store to the last finding. Its message names the remedy. */
async function* withErrorFinding(check: string, findings: AsyncIterable<Finding>, io: Io): AsyncGenerator<Finding> {
  try {
    yield* findings;
  } catch (error) {
    if (!isHardproofError(error) || error.name !== "SignerError") throw error;
    yield { check, ok: false, found: error.code, remedy: cliError(error, io).message };
  }
}
