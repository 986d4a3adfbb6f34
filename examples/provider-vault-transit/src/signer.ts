/** A signer whose key is in a transit engine. All but the key itself is Hardproof's: see `KeySigner`. */
import { createPublicKey } from "node:crypto";
import { type KeyFacts, KeySigner, type KeySignerOptions, type OpenKey, SignerError } from "hardproof";
import { readKey, signDigest, type TransitKey } from "./client.js";
import { formatTransitUri, type TransitKeyName } from "./uri.js";

export interface VaultTransitSignerOptions extends KeySignerOptions, TransitKeyName {}

/** ES256 with one version of a transit key, by HTTP. */
export class VaultTransitSigner extends KeySigner {
  constructor({ verify, timeout, ...key }: VaultTransitSignerOptions) {
    const uri = formatTransitUri(key);
    if (!key.name) throw new SignerError("misconfigured", `${uri} names no key.`, { uri });
    super({ provider: "vault-transit", uri, open: ({ signal }) => openKey(key, signal) }, { verify, timeout });
  }
}

/** Pinned to a version: a rotation changes the key of the next signer, not of this one. */
async function openKey(name: TransitKeyName, signal: AbortSignal): Promise<OpenKey> {
  const key = await readKey(name, signal);
  const version = name.version ?? key.latestVersion;
  const keyRef = `${name.name}:v${version}`;
  return {
    publicKey: publicKeyOf(key, version),
    keyRef,
    signDigest: async (digest, use) => {
      const answer = await signDigest(name, version, digest, use.signal);
      return { signature: answer.signature, form: "raw", keyRef: `${name.name}:v${answer.version}` };
    },
    describe: async (use) => factsOf(await readKey(name, use.signal), version),
    close: () => undefined,
  };
}

function publicKeyOf({ type, publicKeys }: TransitKey, version: number): Uint8Array {
  if (type !== "ecdsa-p256")
    throw new SignerError("wrong-key", `The key is ${type}; ES256 needs ecdsa-p256, an EC key on P-256.`);
  const pem = publicKeys.get(version);
  if (pem !== undefined) return createPublicKey(pem).export({ type: "spki", format: "der" });
  const versions = [...publicKeys.keys()].join(", ");
  throw new SignerError("key-not-found", `The key has no version ${version}. It has ${versions || "none"}.`);
}

/** The server can give the key away if it may be exported or backed up in the clear. An imported key was elsewhere before. */
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
