/** The checks of `hardproof doctor` that don't depend on the key store. */
import { randomBytes } from "node:crypto";
import {
  type Finding,
  type KeyRequirement,
  requireNonExportable,
  type Signer,
  SignerError,
  verifySignature,
} from "../index.js";
import { errorCode, UsageError } from "./exit-codes.js";
import type { Io } from "./io.js";
import { networkHint } from "./network-hint.js";
import { withOptionNames } from "./option-names.js";
import { SERVER_TIMEOUT } from "./timeout-option.js";

/** The first supported minor version of a major one, as in the package's `engines`. Later major versions are supported, 21 isn't. */
const FIRST_MINORS: Readonly<Record<number, number>> = { 20: 19, 22: 12 };
/** Seconds. Some servers accept a proof only within seconds of its `iat` (RFC 9449 §11.1). */
const MAX_SKEW = 30;

/**
 * Checks that the version of Node is supported.
 *
 * @param version - Node's version, such as `20.19.0`.
 */
export function nodeCheck(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const ok = major > 22 || minor >= (FIRST_MINORS[major] ?? Number.POSITIVE_INFINITY);
  const found = `version ${version}`;
  const remedy = "Install Node 20.19, or 22.12 or later.";
  return ok ? { check: "Node", ok, found } : { check: "Node", ok, found, remedy };
}

/**
 * Parses the value of `--server`.
 *
 * @throws {UsageError} If it isn't an `http:` or `https:` URL.
 */
export function parseServer(value: string): string {
  if (/^https?:\/\//i.test(value) && URL.canParse(value)) return value;
  throw new UsageError("--server must be an https: URL, such as https://auth.example.com.");
}

/**
 * Compares the clock with the `Date` header of a response (RFC 9110 §6.6.1), which is exact to the second.
 *
 * @param timeout - Milliseconds.
 */
export async function clockCheck(
  server: string,
  timeout = SERVER_TIMEOUT,
  { env, signal }: Pick<Io, "env" | "signal">,
): Promise<Finding> {
  const check = "clock";
  const { origin } = new URL(server);
  const limit = AbortSignal.timeout(timeout);
  try {
    const options: RequestInit = { method: "HEAD", redirect: "manual", signal: AbortSignal.any([signal, limit]) };
    const { headers } = await fetch(server, options);
    return skewFinding(headers.get("date"), origin);
  } catch (error) {
    if (limit.aborted && !signal.aborted)
      return {
        check,
        ok: false,
        found: `${origin} did not respond within ${timeout} ms`,
        remedy: "Check the URL and the network connection, or raise --timeout.",
      };
    const code = errorCode(error instanceof Error ? error.cause : undefined);
    const remedy = networkHint(error, env) ?? "Check the URL and the network connection.";
    return { check, ok: false, found: `${origin} can't be reached (${code})`, remedy };
  }
}

function skewFinding(date: string | null, origin: string): Finding {
  const check = "clock";
  const skew = Math.round((Date.now() - Date.parse(date ?? "")) / 1000);
  if (Number.isNaN(skew)) {
    const remedy =
      "Compare the clock of this machine yourself, or by another --server: a wrong one gets proofs rejected.";
    return { check, ok: null, found: `not compared: ${origin} doesn't send a Date header`, remedy };
  }
  const found = `${Math.abs(skew)} s ${skew < 0 ? "behind" : "ahead of"} ${origin}`;
  if (Math.abs(skew) <= MAX_SKEW) return { check, ok: true, found };
  const remedy = `Synchronise this machine's clock (NTP), or pass --clock-offset ${-skew} to the commands that make proofs: servers reject a wrong time.`;
  return { check, ok: false, found, remedy };
}

/**
 * Opens the key and performs every operation that a proof needs.
 *
 * @param requirement - What the key must meet.
 * @throws {SignerError} With the code of the first operation that failed.
 */
export async function* keyChecks(
  signer: Signer,
  requirement: KeyRequirement | undefined,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  const { alg, jkt, protection, exportable } = await signer.describe({ signal });
  yield { check: "key", ok: true, found: `opened, ${alg}, thumbprint ${jkt}` };
  const exportability = {
    true: "exportable",
    false: "not exportable",
    unknown: "the store doesn't report whether it is exportable",
  }[`${exportable}`];
  yield { check: "protection", ok: exportable === false || null, found: `${protection}; ${exportability}` };
  if (requirement !== undefined) yield await requirementCheck(signer, requirement, signal);
  yield await signatureCheck(signer, signal);
}

async function requirementCheck(signer: Signer, requirement: KeyRequirement, signal: AbortSignal): Promise<Finding> {
  const check = "requirement";
  const found = `${requirement.protection?.join(" or ")}, not exportable`;
  try {
    await requireNonExportable(signer, { ...requirement, signal });
    return { check, ok: true, found };
  } catch (error) {
    if (!(error instanceof SignerError) || error.code !== "wrong-key") throw error;
    return { check, ok: false, found: `not met: ${found}`, remedy: withOptionNames(error.message) };
  }
}

/** Makes one signature, and verifies it with the public key, independently of the signer's own verification. */
async function signatureCheck(signer: Signer, signal: AbortSignal): Promise<Finding> {
  const check = "signature";
  const data = randomBytes(64);
  const signature = await signer.sign(data, { signal });
  if (verifySignature(await signer.publicJwk({ signal }), data, signature))
    return { check, ok: true, found: "created and verified" };
  const remedy = "Use another key: the store's public key doesn't belong to this private key.";
  return { check, ok: false, found: "does not verify", remedy };
}
