/** What a signer says of its key and of its failures, and what it must never say. */
import { equal, match, ok } from "node:assert/strict";
import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { jwtVerify } from "jose/jwt/verify";
import { importJWK } from "jose/key/import";
import { DPoPProver, type PublicJwk, type Signer, type SignerError, type SignerErrorCode } from "../src/index.js";
import { errorOf, refusal } from "./checks.js";
import { type Case, type Fixture, given, needing } from "./fixture.js";

/** The closed union, and which of it may pass by itself. */
const RETRYABLE: Readonly<Record<SignerErrorCode, boolean>> = {
  "key-not-found": false,
  "ambiguous-key": false,
  "wrong-key": false,
  "access-denied": false,
  "pin-required": false,
  "pin-incorrect": false,
  "pin-locked": false,
  unavailable: true,
  throttled: true,
  timeout: true,
  aborted: false,
  integrity: false,
  misconfigured: false,
};
const PROTECTIONS = ["software", "tpm", "hsm", "external", "unknown"];
const SHORT = 50;

export function disclosureCases(fixture: Fixture): Case[] {
  const { wrongKey, secrets } = fixture;
  return [
    given(fixture, "describes where the key lives, with the thumbprint of RFC 7638", () => describes(fixture)),
    given(fixture, "its DPoP proof verifies with jose", () => proves(fixture)),
    needing(
      fixture,
      ["wrongKey", wrongKey],
      "refuses a key of another type, saying what was found and wanted",
      refuses,
    ),
    given(fixture, "errors have a code of the closed union, say whether to retry, and name the key", () =>
      errorsAreTyped(fixture),
    ),
    needing(fixture, ["secrets", secrets], "shows no secret, in the signer, its description or its errors", (hidden) =>
      hidesSecrets(fixture, hidden),
    ),
  ];
}

async function describes(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  const { provider, uri, alg, jkt, protection, exportable, evidence } = await signer.describe();
  ok(uri.startsWith(`${provider}:`), `The URI ${uri} does not start with the provider's scheme, ${provider}:`);
  equal(signer.uri ?? uri, uri, "The signer's URI is not the one that it describes.");
  equal(alg, "ES256");
  equal(jkt, thumbprint(await signer.publicJwk()), "jkt is not the thumbprint of the public key.");
  ok(PROTECTIONS.includes(protection), `protection is none of ${PROTECTIONS.join(", ")}: ${protection}`);
  ok([true, false, "unknown"].includes(exportable), `exportable is not true, false or "unknown": ${exportable}`);
  ok(evidence !== null && typeof evidence === "object", "evidence must be a record of what the store says.");
  JSON.stringify(evidence);
}

/** RFC 7638 §3, member by member. */
function thumbprint({ crv, kty, x, y }: PublicJwk): string {
  return createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
}

async function proves(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  const prover = await DPoPProver.create(signer);
  const proof = await prover.makeProof({ htm: "POST", htu: "https://as.example/token", nonce: "n-1" });
  const key = await importJWK({ ...prover.publicJwk }, "ES256");
  const { payload } = await jwtVerify(proof, key, { algorithms: ["ES256"], typ: "dpop+jwt" });
  equal(payload.htu, "https://as.example/token");
}

async function refuses({ open, found }: NonNullable<Exclude<Fixture["wrongKey"], string>>): Promise<void> {
  await using signer = await open();
  const { message } = await refusal(signer.publicJwk(), "wrong-key", "A key of another type");
  ok(message.includes(found), `The error does not say that ${found} was found: ${message}`);
  match(message, /P-?256|prime256v1|secp256r1/, "The error does not say that P-256 is wanted.");
}

async function errorsAreTyped(fixture: Fixture): Promise<void> {
  for (const { signer, error } of await failures(fixture)) {
    const expected = RETRYABLE[error.code];
    ok(expected !== undefined, `${error.code} is no code of a SignerError.`);
    equal(error.retryable, expected, `retryable of ${error.code}`);
    equal(error.uri, signer.uri, "The error is about another key, or none.");
    ok(error.message.includes(String(signer.uri)), `The message does not name the key: ${error.message}`);
  }
}

async function hidesSecrets(fixture: Fixture, secrets: readonly string[]): Promise<void> {
  await using signer = await fixture.open();
  const shown: unknown[] = [signer, await signer.publicJwk(), await signer.describe(), signer];
  for (const failure of await failures(fixture)) shown.push(failure.signer, failure.error);
  const text = shown.flatMap(spellings).join("\n");
  // The message must not give away what it complains about.
  for (const [n, secret] of secrets.entries())
    for (const spelling of spellingsOf(secret)) ok(!text.includes(spelling), `Secret ${n + 1} of the fixture shows.`);
}

/** Everything that a log would make of it. */
function spellings(shown: unknown): string[] {
  const stack = shown instanceof Error ? [shown.message, shown.stack ?? ""] : [];
  const whole = inspect(shown, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxArrayLength: null });
  return [inspect(shown), whole, String(shown), JSON.stringify(shown), ...stack];
}

function spellingsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [secret, encodeURIComponent(secret), bytes.toString("hex"), bytes.toString("base64").replace(/=+$/, "")];
}

interface Failure {
  readonly signer: Signer;
  readonly error: SignerError;
}

/** One failure of each kind that the fixture can show. */
async function failures(fixture: Fixture): Promise<Failure[]> {
  const { wrongKey, failsFirst, hanging } = fixture;
  const closed = await fixture.open();
  await closed.close();
  const found = [await failureOf(closed)];
  const failing = [
    typeof wrongKey === "object" && wrongKey.open,
    typeof failsFirst === "function" && failsFirst,
    typeof hanging === "function" && (() => hanging({ timeout: SHORT })),
  ];
  for (const make of failing.filter((one) => one !== false)) {
    await using signer = await make();
    found.push(await failureOf(signer));
  }
  await using aborted = await fixture.open();
  return [...found, await failureOf(aborted, AbortSignal.abort("enough"))];
}

async function failureOf(signer: Signer, signal?: AbortSignal): Promise<Failure> {
  return { signer, error: await errorOf(signer.sign(new Uint8Array(1), { signal }), "A use that must fail") };
}
