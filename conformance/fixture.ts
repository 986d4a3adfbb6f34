/** What a provider tells the conformance kit of itself, and what the kit gives back. */
import { AssertionError } from "node:assert";
import type { KeySignerOptions, Signer } from "../src/index.js";

/** Why a store can't be brought to do something. It is what the case is reported with. */
export type Reason = string;

type Made<T> = T | Promise<T>;

/** Whatever is left out, or is a {@link Reason}, makes the cases that need it not applicable. */
export interface Fixture {
  /** A new signer over a key that signs, not used yet. */
  open(): Made<Signer>;
  /** How many connections all signers together have made so far. */
  connections?: (() => number) | Reason | undefined;
  /** A new signer over a key that can't sign ES256; its error must say what was `found`: `P-384`, `RSA`. */
  wrongKey?: { open(): Made<Signer>; found: string } | Reason | undefined;
  /** A new signer, with these options, whose store gives the public key, and never answers when it is asked to sign. */
  hanging?: ((options: KeySignerOptions) => Made<Signer>) | Reason | undefined;
  /** A new signer whose first connect fails, and whose second does not. */
  failsFirst?: (() => Made<Signer>) | Reason | undefined;
  /** What must not show anywhere: PIN, token, private key. */
  secrets?: readonly string[] | Reason | undefined;
  /** Why it is right that signatures are made on the event loop, if they are. */
  onEventLoop?: Reason | undefined;
  /** How many signatures are made to see that each verifies. Default 1,000; fewer for a slow store, or one that bills. */
  signatures?: number | undefined;
  /** Milliseconds after which a case has failed. Default 30,000. */
  patience?: number | undefined;
}

/** One thing that a signer must do. Runs in vitest, in node:test, or without either. */
export interface Case {
  readonly name: string;
  /** @throws {AssertionError} if the signer does not do it */
  run(): Promise<void>;
  /** Set if the fixture can't show it: why. `run` does nothing then. */
  readonly notApplicable?: Reason;
}

const PATIENCE = 30_000;

/** A case that any fixture can show. */
export function given(fixture: Fixture, name: string, run: () => Promise<void>): Case {
  return { name, run: () => within(fixture.patience ?? PATIENCE, name, run) };
}

async function within(timeout: number, name: string, run: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const fail = () => reject(new AssertionError({ message: `Not done after ${timeout} ms: ${name}` }));
    timer = setTimeout(fail, timeout);
  });
  await Promise.race([run(), late]).finally(() => clearTimeout(timer));
}

/** A case that needs more from the fixture than a signer. */
export function needing<Part extends object>(
  fixture: Fixture,
  [partName, part]: readonly [name: keyof Fixture, part: Part | Reason | undefined],
  name: string,
  run: (part: Part) => Promise<void>,
): Case {
  if (typeof part === "object" || typeof part === "function") return given(fixture, name, () => run(part));
  return notApplicable(name, part ?? `The fixture has no \`${partName}\`.`);
}

export function notApplicable(name: string, reason: Reason): Case {
  return { name, run: async () => undefined, notApplicable: reason };
}
