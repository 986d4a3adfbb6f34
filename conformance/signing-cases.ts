/** Cases about the public key and the signatures. The key's algorithm says what is right (RFC 7518, RFC 9864, RFC 9964). */
import { deepEqual, equal, fail, ok } from "node:assert/strict";
import { createPublicKey, randomBytes } from "node:crypto";
import type { PublicJwk } from "../src/index.js";
import { checkSignature, signatureBytes } from "./checks.js";
import { type Case, type Fixture, notApplicable, testCase } from "./fixture.js";
import { messageLengthCases } from "./message-length-cases.js";

const CONCURRENT = 64;
const SEQUENTIAL = 50;

/** Returns the cases about the public key and the signatures. */
export function signingCases(fixture: Fixture): Case[] {
  let samples: Promise<Samples> | undefined;
  const sharedSamples = () => {
    samples ??= signSamples(fixture);
    return samples;
  };
  const count = (fixture.signatures ?? 1000).toLocaleString("en");
  const nonBlocking = "signs without blocking the event loop";
  return [
    testCase(
      fixture,
      "publicJwk() returns a frozen key with `alg` and the members of its type, the same each time",
      () => publicKey(fixture),
    ),
    testCase(fixture, `each of ${count} signatures has the length of its algorithm`, async () =>
      checkLength(await sharedSamples()),
    ),
    testCase(fixture, `each of ${count} signatures verifies with the public key`, async () =>
      checkAll(await sharedSamples()),
    ),
    ...messageLengthCases(fixture),
    testCase(fixture, "signs only the bytes of a view, and doesn't change its buffer", () => signView(fixture)),
    testCase(fixture, "calls a function that returns the message once, and signs what it returns", () =>
      signFunction(fixture),
    ),
    testCase(fixture, "doesn't call a function that returns the message if the caller has aborted", () =>
      abortFunction(fixture),
    ),
    testCase(fixture, `returns each of ${CONCURRENT} concurrent signatures to its own caller`, () =>
      signConcurrently(fixture),
    ),
    fixture.onEventLoop === undefined
      ? testCase(fixture, nonBlocking, () => signWithoutBlocking(fixture))
      : notApplicable(nonBlocking, fixture.onEventLoop),
  ];
}

async function publicKey(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  const jwk = await signer.publicJwk();
  ok(Object.isFrozen(jwk), "The public JWK must be frozen: callers share it.");
  deepEqual(await signer.publicJwk(), jwk, "The second call of publicJwk() returned a different key.");
  equal(typeof jwk.alg, "string", "The public JWK must name the JWS algorithm of the key.");
  // Throws if it isn't a key, such as a point that isn't on its curve.
  const key = createPublicKey({ key: { ...jwk }, format: "jwk" });
  const members = "The public JWK must consist of `alg` and the members of its key type, each with its full length.";
  deepEqual({ ...jwk }, { ...key.export({ format: "jwk" }), alg: jwk.alg }, members);
}

interface Samples {
  readonly jwk: PublicJwk;
  readonly signatures: readonly { data: Uint8Array; signature: Uint8Array }[];
}

async function signSamples(fixture: Fixture): Promise<Samples> {
  await using signer = await fixture.open();
  const signatures = [];
  for (let n = fixture.signatures ?? 1000; n > 0; n -= 1) {
    const data = randomBytes(32);
    signatures.push({ data, signature: await signer.sign(data) });
  }
  return { jwk: await signer.publicJwk(), signatures };
}

function checkLength({ jwk, signatures }: Samples): void {
  const bytes = signatureBytes(jwk);
  for (const [n, { signature }] of signatures.entries()) {
    ok(signature instanceof Uint8Array, `Signature ${n + 1} must be a Uint8Array.`);
    const message = `Signature ${n + 1} with ${jwk.alg} must have ${bytes} bytes; it has ${signature.length}. DER has others.`;
    equal(signature.length, bytes, message);
  }
}

/** Skips signatures of another length: the case about the length reports those. */
function checkAll({ jwk, signatures }: Samples): void {
  const complete = signatures.filter(({ signature }) => signature.length === signatureBytes(jwk));
  if (complete.length === 0) fail(`None of the ${signatures.length} signatures has the length of ${jwk.alg}.`);
  for (const { data, signature } of complete) checkSignature(jwk, data, signature);
}

async function signView(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  const buffer = new Uint8Array(randomBytes(300));
  const original = buffer.slice();
  const signature = await signer.sign(buffer.subarray(100, 200));
  checkSignature(await signer.publicJwk(), original.subarray(100, 200), signature, "The signature over a view");
  deepEqual(buffer, original, "sign() must not change its input.");
}

async function signFunction(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  const messages: Uint8Array[] = [];
  const signature = await signer.sign(() => {
    messages.push(randomBytes(100));
    return messages.at(-1) ?? new Uint8Array(0);
  });
  equal(messages.length, 1, `sign() must call the function once; it called it ${messages.length} times.`);
  checkSignature(await signer.publicJwk(), messages[0] ?? new Uint8Array(0), signature);
}

async function abortFunction(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  let calls = 0;
  const message = () => {
    calls += 1;
    return randomBytes(100);
  };
  const [outcome] = await Promise.allSettled([signer.sign(message, { signal: AbortSignal.abort() })]);
  // Another case requires the rejection.
  if (outcome.status === "rejected") equal(calls, 0, "sign() must not call the function of a caller that has aborted.");
}

async function signConcurrently(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  const inputs = Array.from({ length: CONCURRENT }, () => randomBytes(100));
  const signatures = await Promise.all(inputs.map((data) => signer.sign(data)));
  const jwk = await signer.publicJwk();
  for (const [n, data] of inputs.entries())
    checkSignature(jwk, data, signatures[n] ?? new Uint8Array(0), `Signature ${n + 1} of ${CONCURRENT}`);
}

/** A signer that blocks the event loop doesn't let it turn between the first signature and the last. */
async function signWithoutBlocking(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  await signer.sign(randomBytes(32));
  let turns = 0;
  const turn = () => {
    turns += 1;
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  for (let n = 0; n < SEQUENTIAL; n += 1) await signer.sign(randomBytes(32));
  clearImmediate(next);
  const least = SEQUENTIAL / 2;
  ok(
    turns >= least,
    `The event loop must turn ${least} times during ${SEQUENTIAL} signatures; it turned ${turns} times.`,
  );
}
