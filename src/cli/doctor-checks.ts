/** What `hardproof doctor` can check of any machine, any key and any server. */
import { createPublicKey, randomBytes, verify } from "node:crypto";
import type { Finding, Signer } from "../index.js";
import { codeOf } from "./secrets.js";

const LEAST_NODE = [20, 19] as const;
/** Seconds: servers often allow a proof no more than that (RFC 9449 §11.1). */
const MOST_SKEW = 30;
const TIMEOUT = 10_000;

/** @param version - such as `20.19.0` */
export function nodeCheck(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const ok = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  const found = `version ${version}`;
  return ok ? { check: "Node", ok, found } : { check: "Node", ok, found, remedy: "Install Node 20.19 or later." };
}

/** By the `Date` of an answer of any status (RFC 9110 §6.6.1), which is exact to the second. */
export async function clockCheck(server: string, signal: AbortSignal): Promise<Finding> {
  const check = "clock";
  if (!URL.canParse(server)) return { check, ok: false, found: "not compared", remedy: "--server must be a URL." };
  const { origin } = new URL(server);
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]);
    const { headers } = await fetch(server, { method: "HEAD", redirect: "manual", signal: limit });
    return skewOf(headers.get("date"), origin);
  } catch (error) {
    const why = codeOf(error instanceof Error ? error.cause : undefined);
    return {
      check,
      ok: false,
      found: `${origin} can't be reached (${why})`,
      remedy: "Is the URL right, and the network there?",
    };
  }
}

function skewOf(date: string | null, origin: string): Finding {
  const check = "clock";
  const skew = Math.round((Date.now() - Date.parse(date ?? "")) / 1000);
  if (Number.isNaN(skew)) return { check, ok: null, found: `${origin} sends no Date` };
  const found = `${Math.abs(skew)} seconds ${skew < 0 ? "behind" : "ahead of"} ${origin}`;
  if (Math.abs(skew) <= MOST_SKEW) return { check, ok: true, found };
  return { check, ok: false, found, remedy: "Set this machine's clock (NTP): proofs with a wrong time are refused." };
}

/**
 * Opens the key, as signing would, and asks of it all that a proof needs.
 *
 * @throws {SignerError} code of what it could not do
 */
export async function* keyChecks(signer: Signer, signal: AbortSignal): AsyncGenerator<Finding> {
  const { jkt, protection, exportable } = await signer.describe({ signal });
  yield { check: "key", ok: true, found: `opened; its thumbprint is ${jkt}` };
  const leaves = { true: "can leave", false: "can't leave", unknown: "the store does not say whether it can leave" };
  yield { check: "protection", ok: exportable === false || null, found: `${protection}; ${leaves[`${exportable}`]}` };
  yield await signatureCheck(signer, signal);
}

/** With Node's own verification, whatever the signer has verified by itself. */
async function signatureCheck(signer: Signer, signal: AbortSignal): Promise<Finding> {
  const check = "signature";
  const data = randomBytes(64);
  const key = createPublicKey({ key: { ...(await signer.publicJwk({ signal })) }, format: "jwk" });
  const made = await signer.sign(data, { signal });
  if (verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, made))
    return { check, ok: true, found: "made and verified" };
  return {
    check,
    ok: false,
    found: "does not verify",
    remedy: "Use another key: this one's public half is not its own.",
  };
}
