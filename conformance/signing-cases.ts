/** The public key and the signatures (RFC 7518 §3.4, §6.2). */
import { deepEqual, equal, fail, ok } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { PublicJwk } from "../src/index.js";
import { checkSignature, isSignature, SIGNATURE_BYTES } from "./checks.js";
import { type Case, type Fixture, given, notApplicable } from "./fixture.js";

const COORDINATE = /^[\w-]{43}$/;
const MEBIBYTE = 1024 * 1024;
const CONCURRENT = 64;
const SEQUENCE = 50;

export function signingCases(fixture: Fixture): Case[] {
  let signed: Promise<Signed> | undefined;
  const many = () => {
    signed ??= signMany(fixture);
    return signed;
  };
  const count = (fixture.signatures ?? 1000).toLocaleString("en");
  const offLoop = "signs off the event loop, which turns meanwhile";
  return [
    given(fixture, "the public key is kty, crv, x and y of a P-256 key, frozen, and the same each time", () =>
      publicKey(fixture),
    ),
    given(fixture, `each of ${count} signatures has 64 bytes`, async () => checkForm(await many())),
    given(fixture, `each of ${count} signatures verifies with the public key`, async () => checkAll(await many())),
    given(fixture, "signs an empty input", () => signsOne(fixture, new Uint8Array(0))),
    given(fixture, "signs an input of 1 MiB", () => signsOne(fixture, randomBytes(MEBIBYTE))),
    given(fixture, "signs a view's bytes, not those around it, and leaves them as they were", () => view(fixture)),
    given(fixture, `does not mix up ${CONCURRENT} signatures side by side`, () => sideBySide(fixture)),
    fixture.onEventLoop === undefined
      ? given(fixture, offLoop, () => offTheLoop(fixture))
      : notApplicable(offLoop, fixture.onEventLoop),
  ];
}

async function publicKey(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  const jwk = await signer.publicJwk();
  deepEqual(Object.keys(jwk).sort(), ["crv", "kty", "x", "y"], "The public JWK has other members.");
  deepEqual([jwk.kty, jwk.crv], ["EC", "P-256"]);
  for (const coordinate of [jwk.x, jwk.y]) ok(COORDINATE.test(coordinate), "x and y must be 32 bytes, base64url.");
  ok(Object.isFrozen(jwk), "Somebody who was given the public JWK could change it for all others.");
  deepEqual(await signer.publicJwk(), jwk, "The public key is another one the second time.");
  // Refuses a point that is not on the curve.
  isSignature(jwk, new Uint8Array(0), new Uint8Array(SIGNATURE_BYTES));
}

interface Signed {
  readonly jwk: PublicJwk;
  readonly signatures: readonly { data: Uint8Array; signature: Uint8Array }[];
}

async function signMany(fixture: Fixture): Promise<Signed> {
  await using signer = await fixture.open();
  const signatures = [];
  for (let n = fixture.signatures ?? 1000; n > 0; n -= 1) {
    const data = randomBytes(32);
    signatures.push({ data, signature: await signer.sign(data) });
  }
  return { jwk: await signer.publicJwk(), signatures };
}

function checkForm({ signatures }: Signed): void {
  for (const [n, { signature }] of signatures.entries()) {
    ok(signature instanceof Uint8Array, `Signature ${n + 1} is no Uint8Array.`);
    equal(signature.length, SIGNATURE_BYTES, `Signature ${n + 1} is not r‖s; DER has about 70 bytes.`);
  }
}

/** Those of another length are the other case's. */
function checkAll({ jwk, signatures }: Signed): void {
  const inForm = signatures.filter(({ signature }) => signature.length === SIGNATURE_BYTES);
  if (inForm.length === 0) fail("No signature has 64 bytes.");
  for (const { data, signature } of inForm) checkSignature(jwk, data, signature);
}

async function signsOne(fixture: Fixture, data: Uint8Array): Promise<void> {
  await using signer = await fixture.open();
  checkSignature(await signer.publicJwk(), data, await signer.sign(data));
}

async function view(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  const around = new Uint8Array(randomBytes(300));
  const before = around.slice();
  const signature = await signer.sign(around.subarray(100, 200));
  checkSignature(await signer.publicJwk(), before.subarray(100, 200), signature, "The signature over a view");
  deepEqual(around, before, "What was to be signed was changed.");
}

async function sideBySide(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  const inputs = Array.from({ length: CONCURRENT }, () => randomBytes(100));
  const signatures = await Promise.all(inputs.map((data) => signer.sign(data)));
  const jwk = await signer.publicJwk();
  for (const [n, data] of inputs.entries())
    checkSignature(jwk, data, signatures[n] ?? new Uint8Array(0), `Answer ${n + 1} of ${CONCURRENT}`);
}

/** Whoever signs while the event loop stands still lets it turn not once between the first signature and the last. */
async function offTheLoop(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  await signer.sign(randomBytes(32));
  let turns = 0;
  const turn = () => {
    turns += 1;
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  for (let n = 0; n < SEQUENCE; n += 1) await signer.sign(randomBytes(32));
  clearImmediate(next);
  ok(turns >= SEQUENCE / 2, `The event loop turned ${turns} times during ${SEQUENCE} signatures.`);
}
