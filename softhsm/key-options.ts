/** A key pair to generate on a token, or to import. */
import type { KeyObject } from "node:crypto";
import type { AlgorithmName } from "../src/index.js";
import { generated, imported } from "./key-material.js";
import { keyPairRequest } from "./key-templates.js";
import { misconfigured } from "./misconfigured.js";
import type { KeyPairRequest } from "./protocol.js";

/** A key pair on a token. Both keys of the pair have the same label and id. */
export interface KeyOptions {
  /** `CKA_LABEL`. */
  readonly label: string;
  /** `CKA_ID` in hexadecimal. Default: `01`, `02`, and so on. */
  readonly id?: string | undefined;
  /**
   * The algorithm that the key signs with: ES256, ES384, ES512, Ed25519, RS256 to RS512 or PS256 to PS512. An RSA key can
   * sign with all six; this one is in its URI. Default: that of `privateKey`, or ES256.
   */
  readonly algorithm?: AlgorithmName | undefined;
  /** Bits of an RSA key to generate. Default: 2048. */
  readonly modulusLength?: number | undefined;
  /**
   * A private key to import instead of generating one: a key object, PEM text, or the DER bytes of PKCS#8. RSA, P-256,
   * P-384, P-521, secp256k1 or Ed25519.
   */
  readonly privateKey?: KeyObject | string | Uint8Array | undefined;
  /** `CKA_EXTRACTABLE` of the private key. Default: `false`. */
  readonly extractable?: boolean | undefined;
  /** `CKA_ALWAYS_AUTHENTICATE` of the private key: each signature needs the PIN again. Default: `false`. */
  readonly alwaysAuthenticate?: boolean | undefined;
  /** Whether the token stores the public key too. Default: `true`. */
  readonly publicObject?: boolean | undefined;
  /** `CKA_ALLOWED_MECHANISMS` of the private key: values of `CKM_*`. Default: any mechanism that signs. */
  readonly mechanisms?: readonly number[] | undefined;
}

/** A key pair that is on a token. */
export interface SoftHsmKey {
  /** `CKA_LABEL`. */
  readonly label: string;
  /** `CKA_ID` in hexadecimal. */
  readonly id: string;
  /** The algorithm that the key's URI names, because an RSA key has several. `undefined` for other keys. */
  readonly algorithm: AlgorithmName | undefined;
}

/** A key, and the request that makes it. */
export interface PreparedKey {
  readonly key: SoftHsmKey;
  readonly request: KeyPairRequest;
}

/**
 * Validates the options of a key.
 *
 * @param others - The keys that the token has.
 * @throws {SignerError} With code `misconfigured`.
 */
export function prepareKey(options: KeyOptions, others: readonly SoftHsmKey[]): PreparedKey {
  if (typeof options !== "object" || options === null)
    throw misconfigured('A key must be an object, such as { label: "dpop", algorithm: "ES256" }.');
  const { label, id = freeId(others), algorithm, modulusLength, privateKey } = options;
  const { extractable = false, alwaysAuthenticate = false, publicObject = true, mechanisms } = options;
  if (typeof label !== "string" || label === "" || /\p{Cs}/u.test(label))
    throw misconfigured("The label of a key must be a text.");
  if (typeof id !== "string" || !/^([0-9a-f]{2})+$/i.test(id))
    throw misconfigured(`The id of the key "${label}" must be pairs of hexadecimal digits, such as 01.`);
  if (privateKey !== undefined && modulusLength !== undefined)
    throw misconfigured(`The key "${label}" has a privateKey, so modulusLength can't be chosen.`);
  const material = privateKey === undefined ? generated(algorithm, modulusLength) : imported(privateKey, algorithm);
  const attributes = { label, id, extractable, alwaysAuthenticate, publicObject, mechanisms };
  return {
    key: { label, id: id.toLowerCase(), algorithm: material.algorithm },
    request: keyPairRequest(attributes, material),
  };
}

/** Validates the options of several keys, as {@link prepareKey}. */
export function prepareKeys(options: readonly KeyOptions[]): PreparedKey[] {
  if (!Array.isArray(options)) throw misconfigured('keys must be an array, such as [{ label: "dpop" }].');
  const prepared: PreparedKey[] = [];
  for (const key of options)
    prepared.push(
      prepareKey(
        key,
        prepared.map((other) => other.key),
      ),
    );
  return prepared;
}

function freeId(others: readonly SoftHsmKey[]): string {
  const taken = new Set(others.map(({ id }) => id));
  for (let number = 1; ; number++) {
    const digits = number.toString(16);
    const id = digits.padStart(digits.length + (digits.length % 2), "0");
    if (!taken.has(id)) return id;
  }
}
