/** Cases about the first use, abort, time limit and close. */
import { equal, ok } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Signer, SignOptions } from "../src/index.js";
import { checkSignature, expectError, signerErrorOf } from "./checks.js";
import { type Case, type Fixture, testCase, testCaseWith } from "./fixture.js";

const CALLERS = 50;
const IN_FLIGHT = 8;
/** Milliseconds. */
const SHORT_TIMEOUT = 50;
const data = randomBytes(32);

/** Returns the cases about the first use, abort, time limit and close. */
export function lifecycleCases(fixture: Fixture): Case[] {
  const { connections, hanging, failsFirst, deleted } = fixture;
  return [
    testCaseWith(fixture, ["connections", connections], "does not connect before its first use", (count) =>
      connectsLazily(fixture, count),
    ),
    testCaseWith(
      fixture,
      ["connections", connections],
      `shares one connection among ${CALLERS} concurrent callers`,
      (count) => connectsOnce(fixture, count),
    ),
    testCaseWith(fixture, ["failsFirst", failsFirst], "connects again after a failed attempt", retriesConnect),
    testCase(fixture, "rejects an already aborted call with `aborted`, and stays usable", () => abortedBefore(fixture)),
    testCaseWith(
      fixture,
      ["hanging", hanging],
      "rejects a signature in flight with `aborted` when its signal aborts",
      abortedInFlight,
    ),
    testCaseWith(fixture, ["hanging", hanging], "rejects a signature with `timeout` after its time limit", timedOut),
    testCase(fixture, "can be closed more than once, also concurrently and before its first use", () =>
      closedTwice(fixture),
    ),
    testCase(fixture, "completes the signatures in flight before close() resolves", () => drained(fixture)),
    testCase(fixture, "rejects every call after close() with `misconfigured`", () => usedAfterClose(fixture)),
    testCase(fixture, "is closed at the end of `await using`", () => disposed(fixture)),
    testCaseWith(fixture, ["deleted", deleted], "doesn't sign with a key that was deleted", usedAfterDeletion),
  ];
}

async function connectsLazily(fixture: Fixture, connections: () => number): Promise<void> {
  const before = connections();
  await (await fixture.open()).close();
  equal(connections(), before, "A signer that was never used must not connect.");
  await using signer = await fixture.open();
  await signer.publicJwk();
  ok(connections() > before, "`connections` of the fixture must count the connection of the first use.");
}

async function connectsOnce(fixture: Fixture, connections: () => number): Promise<void> {
  const before = connections();
  await using signer = await fixture.open();
  // Without describe(), which may query the store each time.
  const calls = [() => signer.publicJwk(), () => signer.sign(data)];
  await Promise.all(Array.from({ length: CALLERS }, (_, n) => calls[n % calls.length]?.()));
  const count = connections() - before;
  equal(count, 1, `${CALLERS} concurrent callers must share one connection; the signer opened ${count}.`);
}

async function retriesConnect(failsFirst: () => Signer | Promise<Signer>): Promise<void> {
  await using signer = await failsFirst();
  await signerErrorOf(signer.publicJwk(), "The first attempt to connect");
  checkSignature(await signer.publicJwk(), data, await signer.sign(data));
}

async function abortedBefore(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  const jwk = await signer.publicJwk();
  const options = { signal: AbortSignal.abort() };
  for (const [name, call] of callsOf(signer))
    await expectError(call(options), "aborted", `${name} with an aborted signal`);
  checkSignature(jwk, data, await signer.sign(data), "The signature after an abort");
}

type Hanging = NonNullable<Exclude<Fixture["hanging"], string>>;

async function abortedInFlight(hanging: Hanging): Promise<void> {
  // Long enough for a store that must connect first; short enough for close(), which waits for the hanging request.
  await using signer = await hanging({ timeout: 1000 });
  await signer.publicJwk();
  const controller = new AbortController();
  const signing = expectError(signer.sign(data, { signal: controller.signal }), "aborted", "An aborted sign()");
  setImmediate(() => controller.abort());
  await signing;
}

async function timedOut(hanging: Hanging): Promise<void> {
  await using signer = await hanging({ timeout: SHORT_TIMEOUT });
  await expectError(signer.sign(data), "timeout", `sign() with a timeout of ${SHORT_TIMEOUT} ms`);
}

async function closedTwice(fixture: Fixture): Promise<void> {
  const used = await fixture.open();
  await used.publicJwk();
  for (const signer of [await fixture.open(), used]) {
    await Promise.all([signer.close(), signer.close()]);
    await signer.close();
  }
}

async function drained(fixture: Fixture): Promise<void> {
  const signer = await fixture.open();
  const jwk = await signer.publicJwk();
  const order: string[] = [];
  const signatures = Array.from({ length: IN_FLIGHT }, () =>
    signer.sign(data).then((signature) => {
      order.push("signed");
      return signature;
    }),
  );
  const closed = signer.close().then(() => order.push("closed"));
  for (const signature of await Promise.all(signatures)) checkSignature(jwk, data, signature);
  await closed;
  equal(order.indexOf("closed"), IN_FLIGHT, "close() resolved before the signatures in flight were complete.");
}

async function usedAfterClose(fixture: Fixture): Promise<void> {
  const used = await fixture.open();
  await used.publicJwk();
  for (const signer of [await fixture.open(), used]) {
    await signer.close();
    for (const [name, call] of callsOf(signer)) await expectError(call({}), "misconfigured", `${name} after close()`);
  }
}

async function disposed(fixture: Fixture): Promise<void> {
  const signer = await fixture.open();
  await signer[Symbol.asyncDispose]();
  await expectError(signer.sign(data), "misconfigured", "sign() after the signer was disposed of");
}

/** A store that keeps deleted keys for some time denies access to them. The public key may be cached. */
async function usedAfterDeletion(deleted: () => Signer | Promise<Signer>): Promise<void> {
  await using signer = await deleted();
  const { code } = await signerErrorOf(signer.sign(data), "sign() with a deleted key");
  ok(code === "key-not-found" || code === "access-denied", `sign() with a deleted key must not fail with ${code}.`);
}

function callsOf(signer: Signer): [string, (options: SignOptions) => Promise<unknown>][] {
  return [
    ["sign()", (options) => signer.sign(data, options)],
    ["publicJwk()", (options) => signer.publicJwk(options)],
    ["describe()", (options) => signer.describe(options)],
  ];
}
