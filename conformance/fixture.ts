/** What a provider passes to the conformance kit, and the cases that it gets back. */
import { AssertionError } from "node:assert";
import type { KeySignerOptions, Signer } from "../src/index.js";

/** Why a provider can't demonstrate something. Cases that need it are reported as not applicable, with this reason. */
export type Reason = string;

/** A value, or a promise of it. */
export type MaybePromise<T> = T | Promise<T>;

/** A key that can't sign with the algorithm that it is opened for. */
export interface WrongKey {
  /** Opens it. */
  open(): MaybePromise<Signer>;
  /** The type of the key, which the error must name: `P-384`, `RSA`. */
  found: string;
  /** What the error must say is needed. Default: the algorithm of {@link Fixture.open}. */
  needed?: RegExp;
}

/**
 * What a provider passes to the kit. If a member is omitted or is a {@link Reason}, the cases that need it are not
 * applicable.
 */
export interface Fixture {
  /** Returns a new, unused signer whose key can sign. */
  open(): MaybePromise<Signer>;
  /** Returns how many connections all signers together have opened so far. */
  connections?: (() => number) | Reason | undefined;
  /**
   * A new signer whose key can't sign with the algorithm that it is opened for. Its error must name both.
   */
  wrongKey?: WrongKey | Reason | undefined;
  /**
   * Returns a new signer with these options, whose store returns the public key but never responds to a signature
   * request.
   */
  hanging?: ((options: KeySignerOptions) => MaybePromise<Signer>) | Reason | undefined;
  /**
   * What can take long because the store does, by name: `opening`, `describing`, `recovering`, `making`, `listing`. Each
   * prepares what it needs, and then makes one call with these options on a store that takes a second to respond.
   */
  slow?: Readonly<Record<string, (options: KeySignerOptions) => Promise<unknown>>> | Reason | undefined;
  /** Returns a new signer whose first attempt to connect fails, and whose second attempt succeeds. */
  failsFirst?: (() => MaybePromise<Signer>) | Reason | undefined;
  /**
   * Creates a key, deletes it by its URI, and returns a new signer for that URI.
   */
  deleted?: (() => MaybePromise<Signer>) | Reason | undefined;
  /** Strings that must not appear in any output: PIN, token, private key. */
  secrets?: readonly string[] | Reason | undefined;
  /** The bytes of the shortest message that the store signs, if it doesn't sign an empty one. */
  minMessageBytes?: number | undefined;
  /** The bytes of the longest message that the store signs, if it has a limit. */
  maxMessageBytes?: number | undefined;
  /** Why it is acceptable that the store signs on the event loop, if it does. */
  onEventLoop?: Reason | undefined;
  /**
   * Number of signatures to create and verify. Default: 1,000. Use fewer for a store that is slow or charges for each
   * one.
   */
  signatures?: number | undefined;
  /** Milliseconds after which a case fails. Default: 30,000. */
  timeout?: number | undefined;
}

/** One requirement for a signer. Runs in vitest, in `node:test`, or without a test runner. */
export interface Case {
  /** The requirement, as the title of a test. */
  readonly name: string;
  /**
   * Tests the requirement.
   *
   * @throws {AssertionError} If the signer doesn't meet it.
   */
  run(): Promise<void>;
  /** Why the fixture can't demonstrate the requirement. If it is set, `run` does nothing. */
  readonly notApplicable?: Reason;
}

const DEFAULT_TIMEOUT = 30_000;

/** Returns a case that needs only a signer. */
export function testCase(fixture: Fixture, name: string, run: () => Promise<void>): Case {
  return { name, run: () => within(fixture.timeout ?? DEFAULT_TIMEOUT, name, run) };
}

async function within(timeout: number, name: string, run: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    const fail = () => reject(new AssertionError({ message: `The case did not finish within ${timeout} ms: ${name}` }));
    timer = setTimeout(fail, timeout);
  });
  await Promise.race([run(), expired]).finally(() => clearTimeout(timer));
}

/** Returns a case that needs an optional member of the fixture. */
export function testCaseWith<Member extends object>(
  fixture: Fixture,
  [memberName, member]: readonly [name: keyof Fixture, member: Member | Reason | undefined],
  name: string,
  run: (member: Member) => Promise<void>,
): Case {
  if (typeof member === "object" || typeof member === "function") return testCase(fixture, name, () => run(member));
  return notApplicable(name, member ?? `The fixture doesn't define \`${memberName}\`.`);
}

/** Returns a case that is not applicable, for this reason. */
export function notApplicable(name: string, reason: Reason): Case {
  return { name, run: async () => undefined, notApplicable: reason };
}
