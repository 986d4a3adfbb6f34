/** What `hardproof doctor` can check of any machine, any key and any server. */
import { createPublicKey, randomBytes, verify } from "node:crypto";
import { type Finding, openSigner, type Signer, SignerError } from "../index.js";
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

/** Opens the key, as signing would, and asks of it all that a proof needs. */
export async function* keyChecks(uri: string, signal: AbortSignal): AsyncGenerator<Finding> {
  const signer = await openSigner(uri);
  try {
    for (const [check, look] of KEY_CHECKS) {
      const finding = await looked(check, () => look(signer, signal));
      yield finding;
      if (finding.ok === false) return;
    }
  } finally {
    await signer.close();
  }
}

type Look = (signer: Signer, signal: AbortSignal) => Promise<Omit<Finding, "check">>;

const KEY_CHECKS: readonly (readonly [string, Look])[] = [
  ["key", async (signer, signal) => ({ ok: true, found: `thumbprint ${(await signer.describe({ signal })).jkt}` })],
  ["protection", protection],
  ["signature", signature],
];

async function protection(signer: Signer, signal: AbortSignal): Promise<Omit<Finding, "check">> {
  const { protection, exportable } = await signer.describe({ signal });
  const says = { true: "can leave", false: "can't leave", unknown: "whether it can leave the store does not say" }[
    `${exportable}`
  ];
  return { ok: exportable === false ? true : null, found: `${protection}; ${says}` };
}

/** With Node's own verification, whatever the signer has verified by itself. */
async function signature(signer: Signer, signal: AbortSignal): Promise<Omit<Finding, "check">> {
  const data = randomBytes(64);
  const key = createPublicKey({ key: { ...(await signer.publicJwk({ signal })) }, format: "jwk" });
  const made = await signer.sign(data, { signal });
  if (verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, made)) return { ok: true, found: "made and verified" };
  return { ok: false, found: "does not verify", remedy: "Use another key: this one's public half is not its own." };
}

/** A key store's error says what to do: that is the finding. */
async function looked(check: string, look: () => Promise<Omit<Finding, "check">>): Promise<Finding> {
  try {
    return { check, ...(await look()) };
  } catch (error) {
    if (error instanceof SignerError) return { check, ok: false, found: error.code, remedy: error.message };
    throw error;
  }
}
