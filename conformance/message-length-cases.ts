/** Cases about the shortest and the longest message that a store signs. */
import { equal, ok } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Signer } from "../src/index.js";
import { checkSignature, signerErrorOf } from "./checks.js";
import { type Case, type Fixture, notApplicable, testCase } from "./fixture.js";

const MEBIBYTE = 1024 * 1024;
/** Milliseconds after which a store that doesn't respond fails. */
const TIMEOUT = 1_000;

/** Returns the cases about the length of a message. */
export function messageLengthCases(fixture: Fixture): Case[] {
  const { minMessageBytes: least = 0, maxMessageBytes: most = MEBIBYTE } = fixture;
  return [
    ...[least, most].map((length) =>
      testCase(fixture, `signs a message of ${length.toLocaleString("en")} bytes`, () => signMessage(fixture, length)),
    ),
    limitCase(fixture, "minMessageBytes", "shorter", -1),
    limitCase(fixture, "maxMessageBytes", "longer", 1),
  ];
}

function limitCase(fixture: Fixture, member: "minMessageBytes" | "maxMessageBytes", what: string, more: number): Case {
  const limit = fixture[member];
  const name = `rejects a ${what} message before it sends a request, and names the limit`;
  if (limit === undefined) return notApplicable(name, `The fixture doesn't define \`${member}\`.`);
  return testCase(fixture, name, () => rejectLength(fixture, limit + more, limit));
}

async function signMessage(fixture: Fixture, length: number): Promise<void> {
  await using signer = await fixture.open();
  const message = randomBytes(length);
  checkSignature(await signer.publicJwk(), message, await signer.sign(message));
}

async function rejectLength(fixture: Fixture, length: number, limit: number): Promise<void> {
  await using signer = await fixture.open();
  await expectLimit(signer, length, limit);
  const { hanging } = fixture;
  if (typeof hanging !== "function") return;
  // A store that never responds to a request shows that none was sent: otherwise, the time limit is exceeded.
  await using unanswered = await hanging({ timeout: TIMEOUT });
  await unanswered.publicJwk();
  await expectLimit(unanswered, length, limit);
}

async function expectLimit(signer: Signer, length: number, limit: number): Promise<void> {
  const what = `sign() of ${length} bytes`;
  const { code, retryable, message } = await signerErrorOf(signer.sign(randomBytes(length)), what);
  equal(retryable, false, `${what} must reject with an error that isn't retryable; ${code} is: ${message}`);
  const named = [String(limit), limit.toLocaleString("en")].some((text) => message.includes(text));
  ok(named, `${what} must name the limit of ${limit} bytes: ${message}`);
}
