/** A signer whose key is in a transit engine. `KeySigner` does everything that isn't specific to the store. */
import { createPublicKey } from "node:crypto";
import {
  type AlgorithmName,
  importPublicKey,
  type KeyFacts,
  KeySigner,
  type KeySignerOptions,
  type OpenKey,
  type PublicJwk,
  type PublicKeyMembers,
  SignerError,
  signerError,
} from "hardproof/provider";
import { algorithmsOf, transitAlgorithm, wrongType } from "./algorithms.js";
import { readKey, signInput, type TransitKey } from "./client.js";
import { formatTransitUri, SCHEME, type TransitKeyName } from "./uri.js";

/** Options of {@link VaultTransitSigner}. */
export interface VaultTransitSignerOptions extends Omit<KeySignerOptions, "algorithm">, TransitKeyName {}

/** Signs with one version of a transit key, over HTTP. */
export class VaultTransitSigner extends KeySigner {
  /** @throws {SignerError} With code `misconfigured` if an option is invalid. */
  constructor({ verify, timeout, ...key }: VaultTransitSignerOptions) {
    const uri = formatTransitUri(key);
    if (!key.name) throw signerError(uri, "misconfigured", "The URI doesn't name a key.");
    super(
      { provider: SCHEME, uri, open: ({ signal }) => openKey(key, signal) },
      { algorithm: key.algorithm, verify, timeout },
    );
  }
}

/** The open key stays on its version: a rotation affects only signers that are opened later. */
async function openKey(location: TransitKeyName, signal: AbortSignal): Promise<OpenKey> {
  const key = await readKey(location, signal);
  const version = location.version ?? key.latestVersion;
  const publicKey = publicKeyOf(key, version, location.algorithm);
  const algorithm = transitAlgorithm(publicKey.alg);
  const keyRefOf = (number: number) => `${location.name}:v${number}`;
  return {
    publicKey,
    keyRef: keyRefOf(version),
    signDigest: async (input, options) => {
      const response = await signInput(location, { version, algorithm, input }, options.signal);
      return { signature: response.signature, form: "raw", keyRef: keyRefOf(response.version) };
    },
    describe: async (options) => factsOf(await readKey(location, options.signal), version),
    close: () => undefined,
  };
}

function publicKeyOf({ type, publicKeys, data }: TransitKey, version: number, algorithm?: AlgorithmName): PublicJwk {
  const allowed = algorithmsOf(type);
  if (allowed.length === 0) throw wrongType(type);
  if (data.derived === true) throw new SignerError("wrong-key", "The key is derived. Use one with derived=false.");
  if (data.soft_deleted === true)
    throw new SignerError("access-denied", "The key is soft-deleted. Restore it, or use another key.");
  const text = publicKeys.get(version);
  if (text !== undefined) return importPublicKey(parsePublicKey(text), { algorithm, allowed }).jwk;
  const versions = [...publicKeys.keys()].join(", ") || "none";
  throw new SignerError("key-not-found", `The key doesn't have version ${version}. Its versions: ${versions}.`);
}

/** The server returns PEM or, for Ed25519, the 32 bytes of the key in base64. */
function parsePublicKey(text: string): Uint8Array | PublicKeyMembers {
  if (text.startsWith("-----BEGIN")) return createPublicKey(text).export({ type: "spki", format: "der" });
  return { kty: "OKP", crv: "Ed25519", x: Buffer.from(text, "base64").toString("base64url") };
}

/**
 * The server can release a key that may be exported or backed up in plaintext. An imported key also existed elsewhere,
 * so the server can't know whether there are copies.
 */
function factsOf({ data }: TransitKey, version: number): KeyFacts {
  const { exportable, allow_plaintext_backup, imported_key } = data;
  const leaves = exportable === true || allow_plaintext_backup === true;
  const stays = exportable === false && allow_plaintext_backup === false && imported_key === false;
  const { keys: _, ...evidence } = data;
  return {
    protection: "external",
    exportable: leaves || (stays ? false : "unknown"),
    evidence: { ...evidence, version },
  };
}
