/** Opens a private key of Node for {@link KeySigner}. */
import { SignerError } from "../errors.js";
import type { AlgorithmName } from "../jose/algorithms.js";
import { type ImportedPublicKey, importPublicKey, type PublicKeyMembers } from "../jose/public-key.js";
import type { OpenKey } from "./key-source.js";
import type { NodeKey } from "./node-key.js";
import { spkiOf } from "./public-key-input.js";
import { misconfigured } from "./signer-error.js";

/**
 * Returns the open key.
 *
 * @param publicKey - The public key, if it is known. Otherwise it is derived from the private key.
 * @throws {SignerError} With code `wrong-key` if the key can't sign with the algorithm; `misconfigured` if the public key
 *   can't be derived.
 */
export async function openNodeKey(
  key: NodeKey,
  publicKey: Uint8Array | PublicKeyMembers | undefined,
  algorithm: AlgorithmName | undefined,
): Promise<OpenKey> {
  const imported = importPublicKey(publicKey ?? (await derivePublicKey(key)), { algorithm, allowed: key.allowed });
  checkKeyType(key, imported);
  return {
    publicKey: imported.jwk,
    ...(key.maxInFlight !== undefined && { maxInFlight: key.maxInFlight }),
    signMessage: (message, options) => key.sign(message, imported, options),
    describe: () => key.facts,
    close: () => undefined,
  };
}

async function derivePublicKey(key: NodeKey): Promise<Uint8Array> {
  try {
    return spkiOf(await key.derivePublicKey());
  } catch (cause) {
    throw misconfigured("Node can't derive the public key from this private key. Set the option publicKey.", { cause });
  }
}

function checkKeyType({ keyType = "unknown" }: NodeKey, { algorithm: { alg, ...algorithm } }: ImportedPublicKey): void {
  if (keyType === "unknown" || keyType === algorithm.keyType) return;
  throw new SignerError("wrong-key", `${alg} needs ${algorithm.needs}, but this private key is ${keyType}.`);
}
