/** Cases about what a signer discloses: the description of its key, its errors, and never a secret. */
import { equal, match, ok } from "node:assert/strict";
import { inspect } from "node:util";
import { calculateJwkThumbprint } from "jose/jwk/thumbprint";
import { jwtVerify } from "jose/jwt/verify";
import { importJWK } from "jose/key/import";
import { DPoPProver, type Signer, type SignerError, type SignerErrorCode } from "../src/index.js";
import { expectError, signerErrorOf } from "./checks.js";
import { type Case, type Fixture, testCase, testCaseWith } from "./fixture.js";

/** Every error code, and the value of `retryable` that belongs to it. */
const RETRYABLE: Readonly<Record<SignerErrorCode, boolean>> = {
  "key-not-found": false,
  "ambiguous-key": false,
  "wrong-key": false,
  "access-denied": false,
  "pin-required": false,
  "pin-incorrect": false,
  "pin-locked": false,
  unavailable: true,
  unexpected: false,
  throttled: true,
  timeout: true,
  aborted: false,
  integrity: false,
  misconfigured: false,
};
const PROTECTIONS = ["software", "tpm", "hsm", "external", "unknown"];
/** Milliseconds. */
const SHORT_TIMEOUT = 50;

/** Returns the cases about the description, the errors and secrets. */
export function disclosureCases(fixture: Fixture): Case[] {
  const { wrongKey, secrets } = fixture;
  return [
    testCase(fixture, "describes its key, with its algorithm and the RFC 7638 thumbprint of the public key", () =>
      description(fixture),
    ),
    testCase(fixture, "makes a DPoP proof that jose verifies", () => proof(fixture)),
    testCaseWith(
      fixture,
      ["wrongKey", wrongKey],
      "rejects a key of another type with `wrong-key`, naming its type and what is needed",
      (wrong) => wrongKeyError(fixture, wrong),
    ),
    testCase(fixture, "throws errors with a documented code, the matching `retryable`, and the key's URI", () =>
      errorMembers(fixture),
    ),
    testCaseWith(
      fixture,
      ["secrets", secrets],
      "never shows a secret in the signer, its description or its errors",
      (strings) => noSecrets(fixture, strings),
    ),
  ];
}

async function description(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  const { provider, uri, alg, jkt, protection, exportable, evidence } = await signer.describe();
  ok(uri.startsWith(`${provider}:`), `The URI must start with the provider's scheme, ${provider}: it is ${uri}`);
  equal(signer.uri ?? uri, uri, "The signer's uri must be the same as the uri of its description.");
  const jwk = await signer.publicJwk();
  equal(alg, jwk.alg, "alg must be the algorithm of the public key.");
  equal(jkt, await calculateJwkThumbprint({ ...jwk }), "jkt must be the thumbprint of the public key.");
  ok(PROTECTIONS.includes(protection), `protection must be one of ${PROTECTIONS.join(", ")}; it is ${protection}`);
  ok([true, false, "unknown"].includes(exportable), `exportable must be true, false or "unknown"; it is ${exportable}`);
  ok(evidence !== null && typeof evidence === "object", "evidence must be a record of what the store reports.");
  JSON.stringify(evidence);
}

async function proof(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  const jwk = await signer.publicJwk();
  const prover = await DPoPProver.create(signer);
  const jws = await prover.makeProof({ htm: "POST", htu: "https://as.example/token", nonce: "n-1" });
  const { payload } = await jwtVerify(jws, await importJWK({ ...jwk }), { algorithms: [jwk.alg], typ: "dpop+jwt" });
  equal(payload.htu, "https://as.example/token");
}

async function wrongKeyError(
  fixture: Fixture,
  wrong: NonNullable<Exclude<Fixture["wrongKey"], string>>,
): Promise<void> {
  const needed = wrong.needed ?? new RegExp(await algorithmOf(fixture));
  await using signer = await wrong.open();
  const { message } = await expectError(signer.publicJwk(), "wrong-key", "publicJwk() of a key of another type");
  ok(message.includes(wrong.found), `The error must name the type that was found, ${wrong.found}: ${message}`);
  match(message, needed, `The error must name what is needed, ${needed}: ${message}`);
}

async function algorithmOf(fixture: Fixture): Promise<string> {
  await using signer = await fixture.open();
  return (await signer.publicJwk()).alg;
}

async function errorMembers(fixture: Fixture): Promise<void> {
  for (const { signer, error } of await failures(fixture)) {
    const retryable = RETRYABLE[error.code];
    ok(retryable !== undefined, `${error.code} is not a code of SignerError.`);
    equal(error.retryable, retryable, `retryable of ${error.code} must be ${retryable}; it is ${error.retryable}.`);
    equal(error.uri, signer.uri, `The error's uri must be that of the key, ${signer.uri}; it is ${error.uri}`);
    ok(error.message.includes(String(signer.uri)), `The message must name the key, ${signer.uri}: ${error.message}`);
  }
}

async function noSecrets(fixture: Fixture, secrets: readonly string[]): Promise<void> {
  await using signer = await fixture.open();
  const values: unknown[] = [signer, await signer.publicJwk(), await signer.describe(), signer];
  for (const failure of await failures(fixture)) values.push(failure.signer, failure.error);
  const text = values.flatMap(renderings).join("\n");
  // The message contains only the secret's position, since it must not show the secret itself.
  for (const [n, secret] of secrets.entries())
    for (const encoded of encodings(secret))
      ok(
        !text.includes(encoded),
        `Secret ${n + 1} of the fixture appears in the signer, its description or its errors.`,
      );
}

/** Returns every text form in which a log could show the value. */
function renderings(value: unknown): string[] {
  const stack = value instanceof Error ? [value.message, value.stack ?? ""] : [];
  const complete = inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxArrayLength: null });
  return [inspect(value), complete, String(value), JSON.stringify(value), ...stack];
}

function encodings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [secret, encodeURIComponent(secret), bytes.toString("hex"), bytes.toString("base64").replace(/=+$/, "")];
}

interface Failure {
  readonly signer: Signer;
  readonly error: SignerError;
}

/** Provokes one failure of each kind that the fixture supports. */
async function failures(fixture: Fixture): Promise<Failure[]> {
  const { wrongKey, failsFirst, hanging } = fixture;
  const closed = await fixture.open();
  await closed.close();
  const found = [await provokeFailure(closed)];
  const factories = [
    typeof wrongKey === "object" && wrongKey.open,
    typeof failsFirst === "function" && failsFirst,
    typeof hanging === "function" && (() => hanging({ timeout: SHORT_TIMEOUT })),
  ];
  for (const open of factories.filter((factory) => factory !== false)) {
    await using signer = await open();
    found.push(await provokeFailure(signer));
  }
  await using aborted = await fixture.open();
  return [...found, await provokeFailure(aborted, AbortSignal.abort("enough"))];
}

async function provokeFailure(signer: Signer, signal?: AbortSignal): Promise<Failure> {
  return {
    signer,
    error: await signerErrorOf(signer.sign(new Uint8Array(1), { signal }), "A sign() that can't succeed"),
  };
}
