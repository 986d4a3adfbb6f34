/** A signer whose key is in a transit engine. `KeySigner` does everything that isn't specific to the store. */
import { createPublicKey } from "node:crypto";
import {
  type KeyFacts,
  KeySigner,
  type KeySignerOptions,
  type OpenKey,
  SignerError,
  signerError,
} from "hardproof/provider";
import { readKey, signDigest, type TransitKey } from "./client.js";
import { formatTransitUri, SCHEME, type TransitKeyName } from "./uri.js";

/** Options of {@link VaultTransitSigner}. */
export interface VaultTransitSignerOptions extends KeySignerOptions, TransitKeyName {}

/** Signs ES256 with one version of a transit key, over HTTP. */
export class VaultTransitSigner extends KeySigner {
  /** @throws {SignerError} With code `misconfigured` if an option is invalid. */
  constructor({ algorithm, verify, timeout, ...key }: VaultTransitSignerOptions) {
    const uri = formatTransitUri(key);
    if (!key.name) throw signerError(uri, "misconfigured", "The URI doesn't name a key.");
    super({ provider: SCHEME, uri, open: ({ signal }) => openKey(key, signal) }, { algorithm, verify, timeout });
  }
}

/** The open key stays on its version: a rotation affects only signers that are opened later. */
async function openKey(location: TransitKeyName, signal: AbortSignal): Promise<OpenKey> {
  const key = await readKey(location, signal);
  const version = location.version ?? key.latestVersion;
  const keyRefOf = (number: number) => `${location.name}:v${number}`;
  return {
    publicKey: publicKeyOf(key, version),
    keyRef: keyRefOf(version),
    signDigest: async (digest, options) => {
      const response = await signDigest(location, version, digest, options.signal);
      return { signature: response.signature, form: "raw", keyRef: keyRefOf(response.version) };
    },
    describe: async (options) => factsOf(await readKey(location, options.signal), version),
    close: () => undefined,
  };
}

function publicKeyOf({ type, publicKeys }: TransitKey, version: number): Uint8Array {
  if (type !== "ecdsa-p256")
    throw new SignerError("wrong-key", `The key is ${type}; ES256 needs ecdsa-p256, an EC key on P-256.`);
  const pem = publicKeys.get(version);
  if (pem !== undefined) return createPublicKey(pem).export({ type: "spki", format: "der" });
  const versions = [...publicKeys.keys()].join(", ") || "none";
  throw new SignerError("key-not-found", `The key doesn't have version ${version}. Its versions: ${versions}.`);
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
