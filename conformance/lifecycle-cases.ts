/** First use, abort, time-out and close. */
import { equal, ok } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Signer, SignOptions } from "../src/index.js";
import { checkSignature, errorOf, refusal } from "./checks.js";
import { type Case, type Fixture, given, needing } from "./fixture.js";

const CALLERS = 50;
const UNDER_WAY = 8;
const SHORT = 50;
const data = randomBytes(32);

export function lifecycleCases(fixture: Fixture): Case[] {
  const { connections, hanging, failsFirst } = fixture;
  return [
    needing(fixture, ["connections", connections], "connects at the first use, not before", (count) =>
      lazily(fixture, count),
    ),
    needing(fixture, ["connections", connections], `connects once for ${CALLERS} callers at once`, (count) =>
      once(fixture, count),
    ),
    needing(fixture, ["failsFirst", failsFirst], "tries again after a connect that failed", triesAgain),
    given(fixture, "refuses with `aborted` what was aborted before, and goes on", () => abortedBefore(fixture)),
    needing(fixture, ["hanging", hanging], "ends a signature with `aborted` by its signal", abortedDuring),
    needing(fixture, ["hanging", hanging], "ends a signature with `timeout` when its time is up", timedOut),
    given(fixture, "closes twice, at once and later, used or not", () => closedTwice(fixture)),
    given(fixture, "lets the signatures under way end before it is closed", () => drained(fixture)),
    given(fixture, "is `misconfigured` after close()", () => usedAfterClose(fixture)),
    given(fixture, "closes at the end of `await using`", () => disposed(fixture)),
  ];
}

async function lazily(fixture: Fixture, connections: () => number): Promise<void> {
  const before = connections();
  await (await fixture.open()).close();
  equal(connections(), before, "A signer that was never used has connected.");
  await using signer = await fixture.open();
  await signer.publicJwk();
  ok(connections() > before, "`connections` does not count what the first use connects.");
}

async function once(fixture: Fixture, connections: () => number): Promise<void> {
  const before = connections();
  await using signer = await fixture.open();
  // Not describe(): it may ask the store again, to say how the key is now.
  const uses = [() => signer.publicJwk(), () => signer.sign(data)];
  await Promise.all(Array.from({ length: CALLERS }, (_, n) => uses[n % uses.length]?.()));
  equal(connections() - before, 1, `${CALLERS} callers at once must share one connection.`);
}

async function triesAgain(failsFirst: () => Signer | Promise<Signer>): Promise<void> {
  await using signer = await failsFirst();
  await errorOf(signer.publicJwk(), "The first connect");
  checkSignature(await signer.publicJwk(), data, await signer.sign(data));
}

async function abortedBefore(fixture: Fixture): Promise<void> {
  await using signer = await fixture.open();
  const jwk = await signer.publicJwk();
  const options = { signal: AbortSignal.abort() };
  for (const [what, use] of usesOf(signer)) await refusal(use(options), "aborted", `${what}, aborted before,`);
  checkSignature(jwk, data, await signer.sign(data), "The signature after an abort");
}

type Hanging = NonNullable<Exclude<Fixture["hanging"], string>>;

async function abortedDuring(hanging: Hanging): Promise<void> {
  // Long for a store that has to be connected, short for close(), which waits that long for what hangs.
  await using signer = await hanging({ timeout: 1000 });
  await signer.publicJwk();
  const controller = new AbortController();
  const signing = refusal(signer.sign(data, { signal: controller.signal }), "aborted", "A signature that is aborted");
  setImmediate(() => controller.abort());
  await signing;
}

async function timedOut(hanging: Hanging): Promise<void> {
  await using signer = await hanging({ timeout: SHORT });
  await refusal(signer.sign(data), "timeout", `A signature that may take ${SHORT} ms`);
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
  const signatures = Array.from({ length: UNDER_WAY }, () =>
    signer.sign(data).then((signature) => {
      order.push("signed");
      return signature;
    }),
  );
  const closed = signer.close().then(() => order.push("closed"));
  for (const signature of await Promise.all(signatures)) checkSignature(jwk, data, signature);
  await closed;
  equal(order.indexOf("closed"), UNDER_WAY, "close() came back before the signatures under way had ended.");
}

async function usedAfterClose(fixture: Fixture): Promise<void> {
  const used = await fixture.open();
  await used.publicJwk();
  for (const signer of [await fixture.open(), used]) {
    await signer.close();
    for (const [what, use] of usesOf(signer)) await refusal(use({}), "misconfigured", `${what} after close()`);
  }
}

async function disposed(fixture: Fixture): Promise<void> {
  const signer = await fixture.open();
  await signer[Symbol.asyncDispose]();
  await refusal(signer.sign(data), "misconfigured", "sign() after it was disposed of");
}

function usesOf(signer: Signer): [string, (options: SignOptions) => Promise<unknown>][] {
  return [
    ["sign()", (options) => signer.sign(data, options)],
    ["publicJwk()", (options) => signer.publicJwk(options)],
    ["describe()", (options) => signer.describe(options)],
  ];
}
