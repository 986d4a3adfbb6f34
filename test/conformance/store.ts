/** A key store in this process, for testing the kit: with a key of each algorithm, and every fault that a fixture needs. */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import {
  type AlgorithmName,
  type KeySignerOptions,
  type KeySource,
  type OpenKey,
  type Signer,
  SignerError,
} from "hardproof";
import type { Fixture } from "hardproof/conformance";
import { algorithmNamed } from "../../src/jose/find-algorithm.js";

export const PIN = "secret PIN 4711";
/** The bytes of the shortest and of the longest message that the store signs. */
export const LIMITS = [1, 5_000] as const;

/** The name of the case about a slow store. */
export const SLOW_CASE = /leave the event loop free and keep `timeout`$/;

/** Makes the signer under test: a correct one, or a mutant. */
export type CreateSigner = (source: KeySource, options?: KeySignerOptions) => Signer;

/** A key of one algorithm. */
export interface TestKey {
  readonly alg: AlgorithmName;
  readonly openKey: OpenKey;
  /** Signs as the store does, in JOSE's form. */
  sign(message: Uint8Array): Buffer;
  /** Signs with another key of the same type. */
  signWithAnother(message: Uint8Array): Buffer;
  /** Another key of the same type. */
  readonly another: KeyObject;
  /** Signs in a form that isn't JOSE's: DER for ECDSA, one more byte for the others. */
  signInAnotherForm(message: Uint8Array): Buffer;
}

/** Creates a key for an algorithm. */
export function testKey(alg: AlgorithmName): TestKey {
  const { hash = null, options, kty } = algorithmNamed(alg);
  const [key, another] = [generate(alg), generate(alg)];
  const signRaw = (message: Uint8Array, by = key) =>
    sign(hash, message, { key: by, ...options, dsaEncoding: "ieee-p1363" });
  const publicKey = { ...createPublicKey(key).export({ format: "jwk" }), alg } as OpenKey["publicKey"];
  return {
    alg,
    another,
    sign: signRaw,
    signWithAnother: (message) => signRaw(message, another),
    signInAnotherForm: (message) =>
      kty === "EC" ? sign(hash, message, key) : Buffer.concat([signRaw(message), Buffer.of(0)]),
    openKey: {
      publicKey,
      signMessage: async (message) => {
        checkLength(message);
        await turn();
        return { signature: signRaw(message), form: "raw" };
      },
      describe: () => ({ protection: "software", exportable: true, evidence: {} }),
      close: () => undefined,
    },
  };
}

/** Checks the length of a message, as a store with limits does. */
export function checkLength({ length }: Uint8Array): void {
  const [least, most] = LIMITS;
  if (length >= least && length <= most) return;
  throw new SignerError("misconfigured", `The store signs messages of ${least} to ${most} bytes; this has ${length}.`);
}

function generate(alg: AlgorithmName): KeyObject {
  const row = algorithmNamed(alg);
  if (row.kty === "EC") return generateKeyPairSync("ec", { namedCurve: row.namedCurve }).privateKey;
  if (row.kty === "RSA") return generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  return generateKeyPairSync(row.keyType as "ed25519").privateKey;
}

const brainpool = generateKeyPairSync("ec", { namedCurve: "brainpoolP256r1" }).publicKey;

/** Returns a fixture whose signers `make` creates. */
export function fixtureOf(
  make: CreateSigner,
  key: TestKey,
  limits: Pick<Fixture, "timeout" | "signatures"> = {},
): Fixture {
  let connected = 0;
  const { alg, openKey } = key;
  const store = (open: () => Promise<OpenKey>): KeySource => ({ provider: "test", uri: "test:key-1", open });
  const good = store(async () => {
    connected += 1;
    return openKey;
  });
  const wrong = brainpool.export({ type: "spki", format: "der" });
  return {
    ...limits,
    open: () => make(good),
    connections: () => connected,
    secrets: [PIN],
    minMessageBytes: LIMITS[0],
    maxMessageBytes: LIMITS[1],
    wrongKey: {
      open: () =>
        make(
          store(async () => ({ ...openKey, publicKey: wrong })),
          { algorithm: alg },
        ),
      found: "brainpoolP256r1",
    },
    hanging: (options) =>
      make(
        store(async () => ({ ...openKey, signMessage: neverSigns })),
        options,
      ),
    slow: slowCalls(make, store, openKey),
    deleted: () =>
      make(
        store(async () => {
          throw new SignerError("key-not-found", "The key was deleted.");
        }),
      ),
    failsFirst: () => {
      let attempts = 0;
      const open = async () => {
        attempts += 1;
        if (attempts === 1) throw new SignerError("unavailable", "The store can't be reached.");
        return openKey;
      };
      return make(store(open));
    },
  };
}

async function neverSigns(message: Uint8Array): Promise<never> {
  checkLength(message);
  return new Promise(() => {});
}

function slowCalls(make: CreateSigner, store: (open: () => Promise<OpenKey>) => KeySource, openKey: OpenKey) {
  const slowDescription: OpenKey["describe"] = (options) => slowly(openKey.describe(options));
  return {
    opening: async (options: KeySignerOptions) =>
      make(
        store(() => slowly(openKey)),
        options,
      ).publicJwk(),
    describing: async (options: KeySignerOptions) =>
      make(
        store(async () => ({ ...openKey, describe: slowDescription })),
        options,
      ).describe(),
  };
}

async function slowly<T>(value: T): Promise<Awaited<T>> {
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  return await value;
}
