/**
 * Private keys of Node, as `keyObjectSigner` uses them.
 *
 * An OpenSSL provider may own a `KeyObject`. Such a key must not be asked for its details, its JWK or a raw signature:
 * depending on the provider, Node 20 and 22 end the process. So its public key comes from SubjectPublicKeyInfo, and its
 * signatures are DER.
 */
import { createPublicKey, type KeyObject, sign } from "node:crypto";
import { promisify } from "node:util";
import { SignerError } from "../errors.js";
import type { AlgorithmName } from "../jose/algorithms.js";
import { type ImportedPublicKey, withOptions } from "../jose/public-key.js";
import type { OpenKeyOptions, StoreSignature } from "./key-source.js";
import type { KeyFacts } from "./signer.js";

/** A private key. */
export interface NodeKey {
  /** The only algorithms that the key can sign with, if it says so. */
  readonly allowed?: readonly AlgorithmName[];
  /** `asymmetricKeyType`, if Node knows it. */
  readonly keyType: string | undefined;
  readonly facts: KeyFacts;
  /** The most signatures at the same time, as in `OpenKey`. */
  readonly maxInFlight?: number;
  /** Returns the public key that belongs to the private key. */
  derivePublicKey(): KeyObject | Promise<KeyObject>;
  /** Signs outside the event loop. */
  sign(message: Uint8Array, publicKey: ImportedPublicKey, options: OpenKeyOptions): Promise<StoreSignature>;
}

const signInThreadPool = promisify(sign);

/**
 * Returns the private key of a `KeyObject`.
 *
 * @throws {SignerError} With code `wrong-key` if it is a public or secret key.
 */
export function keyObject(key: KeyObject): NodeKey {
  if (key.type !== "private")
    throw new SignerError("wrong-key", `This KeyObject is a ${key.type} key. Only a private key can sign.`);
  const { asymmetricKeyType: keyType } = key;
  return {
    keyType,
    facts: {
      protection: "unknown",
      exportable: "unknown",
      evidence: { object: "KeyObject", asymmetricKeyType: keyType },
    },
    derivePublicKey: () => createPublicKey(key),
    sign: async (message, { algorithm }) => ({
      signature: await signInThreadPool(algorithm.hash, message, withOptions(key, algorithm)),
      form: "der",
    }),
  };
}
