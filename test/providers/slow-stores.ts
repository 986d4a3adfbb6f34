/** Stores that make four signatures at a time, of 100 ms each. */
import { generateKeyPairSync } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { KeySigner, type KeySignerOptions, type OpenKey } from "hardproof";
import { KmsSigner } from "hardproof/aws-kms";
import { GcpKmsSigner } from "hardproof/gcp-kms";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { awsKmsEmulator } from "../../testing/emulators/aws-kms.js";
import { signDigest } from "../../testing/emulators/ecdsa-digest.js";
import { gcpKmsEmulator } from "../../testing/emulators/gcp-kms.js";
import { faultyPkcs11 } from "../../testing/pkcs11/faulty-pkcs11.js";

const MILLISECONDS = 100;
const CONCURRENCY = 4;

/** A running store with one key. */
export interface SlowStore {
  newSigner(options?: KeySignerOptions): KeySigner;
  /** Returns how many signatures the store has been asked for. */
  signatures(): number;
  close(): Promise<void> | void;
}

/** Starts a store, by its name. */
export const SLOW_STORES: Readonly<Record<string, () => Promise<SlowStore>>> = {
  "a PKCS#11 token": () => slowToken({}),
  "a PKCS#11 token in a separate process": () => slowToken({ isolate: true }),
  "AWS KMS": async () => {
    const kms = await awsKmsEmulator();
    const { arn } = kms.keys.add();
    Object.assign(kms.plan, { latency: MILLISECONDS, concurrency: CONCURRENCY });
    const clientConfig = { endpoint: kms.endpoint, credentials: kms.credentials };
    return {
      newSigner: (options) => new KmsSigner(arn, { clientConfig, ...options }),
      signatures: () => kms.plan.count("Sign"),
      close: () => kms.close(),
    };
  },
  "Cloud KMS": async () => {
    const kms = await gcpKmsEmulator();
    const name = `${kms.store.addKey({ id: "dpop" }).fields.name}/cryptoKeyVersions/1`;
    Object.assign(kms.plan, { latency: MILLISECONDS, concurrency: CONCURRENCY });
    return {
      newSigner: (options) => new GcpKmsSigner(name, { endpoint: kms.endpoint, ...options }),
      signatures: () => kms.plan.count("AsymmetricSign"),
      close: () => kms.close(),
    };
  },
  "a third-party store": async () => slowSource(),
};

async function slowToken(options: { isolate?: boolean }): Promise<SlowStore> {
  const hsm = await softHsm({ label: "slow" });
  const shim = faultyPkcs11(hsm.module);
  shim.order({ on: "C_Sign", act: { delay: MILLISECONDS } });
  const key = { module: shim.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin, sessions: CONCURRENCY };
  return {
    newSigner: (more) => new Pkcs11Signer({ ...key, ...options, ...more }),
    signatures: () => shim.count("C_Sign"),
    close: async () => {
      shim.close();
      await hsm.close();
    },
  };
}

function slowSource(): SlowStore {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const sessions = Array.from({ length: CONCURRENCY }, () => Promise.resolve());
  let signatures = 0;
  const key: OpenKey = {
    publicKey: publicKey.export({ type: "spki", format: "der" }),
    async signDigest(digest) {
      const session = signatures++ % CONCURRENCY;
      const signed = sessions[session]?.then(() => sleep(MILLISECONDS)) ?? Promise.resolve();
      sessions[session] = signed;
      await signed;
      return { signature: signDigest(privateKey, digest), form: "der" };
    },
    describe: () => ({ protection: "unknown", exportable: "unknown", evidence: {} }),
    close: () => undefined,
  };
  return {
    newSigner: (options) => new KeySigner({ provider: "slow", uri: "slow:key", open: () => key }, options),
    signatures: () => signatures,
    close: () => undefined,
  };
}
