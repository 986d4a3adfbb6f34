/** The checks of `hardproof doctor` for a PKCS#11 token, in this order: the addon, the library, the token, the PIN. */
import { stat } from "node:fs/promises";
import { SignerError } from "../../src/errors.js";
import { ALGORITHM_NAMES, type AlgorithmName } from "../../src/jose/algorithms.js";
import { pathWithMode } from "../../src/keystore/file-permissions.js";
import type { Finding } from "../../src/keystore/finding.js";
import { checkPinSource } from "../../src/keystore/pin-source.js";
import { importBinding } from "./bindings.js";
import { mechanismNames } from "./key-algorithms.js";
import type { TokenUse } from "./library-use.js";
import { findModule } from "./module-path.js";
import { checkPinState } from "./pin-checks.js";
import { printable } from "./token.js";
import type { InspectedToken } from "./token-inspection.js";
import { type KeyOnToken, useToken } from "./token-use.js";

/** The mode bits with which the group or others can write. */
const OTHERS_WRITE = 0o022;

/**
 * Yields one finding per check. Doesn't log in: the PIN's state is what the token's flags report.
 *
 * @throws {SignerError} If a check fails and the next ones can't run.
 */
export async function* diagnoseToken(key: KeyOnToken): AsyncGenerator<Finding> {
  const { name } = await importBinding(key.binding);
  yield { check: "addon", ok: true, found: `${name} is installed, and its native part loads` };
  const path = await findModule(key.module, key.allowedModules);
  const { mode } = await stat(path);
  const library = await useToken(key).catch((error: unknown) => error);
  if (isLoadFailure(library)) yield { check: "module", ok: false, found: library.code, remedy: library.message };
  else yield* checkModule(path, mode);
  if (library instanceof Error) throw library;
  yield* checkToken(library as TokenUse, key.algorithm);
  yield await checkPinSource(key.pin);
}

function isLoadFailure(error: unknown): error is SignerError {
  return error instanceof SignerError && error.code === "misconfigured";
}

async function* checkToken(library: TokenUse, algorithm: AlgorithmName | undefined): AsyncGenerator<Finding> {
  try {
    const token = (await library.run({ name: "inspect" })) as InspectedToken;
    const [label, serial, model] = [token.label, token.serial, token.model].map(printable);
    yield { check: "token", ok: true, found: `"${label}", serial ${serial}, ${model}, firmware ${token.firmware}` };
    if (token.software !== undefined) yield softwareFinding(token.software);
    yield* checkMechanisms(token, algorithm);
    yield checkPinState(token.flags);
  } finally {
    await library.close();
  }
}

function softwareFinding(software: string): Finding {
  const remedy = "Anyone who can read its files, or its memory, can copy the keys. For production, use hardware.";
  return { check: "hardware", ok: null, found: `none: the token is ${software}`, remedy };
}

/** A token that can sign with the algorithm of the URI or, if it has none, with any isn't worth a line. */
function* checkMechanisms({ algorithms }: InspectedToken, algorithm: AlgorithmName | undefined): Generator<Finding> {
  if (algorithm ? algorithms.includes(algorithm) : algorithms.length > 0) return;
  const found = `the token doesn't support ${mechanismNames(algorithm ? [algorithm] : ALGORITHM_NAMES)}`;
  yield { check: "mechanism", ok: false, found };
}

function* checkModule(path: string, mode: number): Generator<Finding> {
  const [check, found] = ["module", pathWithMode(path, mode)];
  const remedy = "Run `chmod go-w` on it: anyone who can write this library can sign with your key.";
  yield (mode & OTHERS_WRITE) === 0 ? { check, ok: true, found } : { check, ok: false, found, remedy };
  if (/pkcs11-spy/.test(path))
    yield {
      check,
      ok: false,
      found: "pkcs11-spy writes the PIN to its log in clear text",
      remedy: "Use it for tests only.",
    };
}
