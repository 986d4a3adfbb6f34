/** Opens a key of an agent: finds it by name, and then uses only its public key. */
import { SignerError } from "../../src/errors.js";
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { importPublicKey } from "../../src/jose/public-key.js";
import type { OpenKey, OpenKeyOptions } from "../../src/keystore/key-source.js";
import { SSH_ALGORITHMS, type SshAlgorithm } from "./algorithms.js";
import type { AgentClient } from "./client.js";
import { readFacts } from "./evidence.js";
import { findKey, type KeyName, type UsableKey } from "./find-key.js";
import { fingerprintOf, type Identity } from "./identities.js";
import { readSignature } from "./signature.js";

/** An agent works on one request at a time, and shows its user one question at a time. */
const MAX_IN_FLIGHT = 1;

/**
 * Finds the key, and chooses its algorithm.
 *
 * @throws {SignerError} With code `wrong-key` if the key can't sign with the algorithm; `misconfigured` if it can sign
 *   with several and none was chosen; or as `findKey` and the client do.
 */
export async function openKey(
  client: AgentClient,
  name: KeyName,
  algorithm: AlgorithmName | undefined,
  { signal }: OpenKeyOptions,
): Promise<OpenKey> {
  const found = findKey(await client.identities(signal), name);
  const { jwk, signatureBytes } = importKey(found, algorithm);
  const fingerprint = fingerprintOf(found.key);
  const key: SigningKey = { ...found, fingerprint, algorithm: sshAlgorithm(jwk.alg), signatureBytes };
  return {
    publicKey: jwk,
    maxInFlight: MAX_IN_FLIGHT,
    signMessage: async (message, options) => ({
      signature: await sign(client, key, message, options.signal),
      form: "raw",
    }),
    describe: async (options) =>
      readFacts(findKey(await client.identities(options.signal), { fingerprint }), client.socket),
    close: () => undefined,
  };
}

/** Imports a key for an algorithm, or for the only one that its type has. */
function importKey({ members, algorithms }: UsableKey, algorithm: AlgorithmName | undefined) {
  return importPublicKey(members, { algorithm, allowed: algorithms.map(({ alg }) => alg) });
}

/** Whether the key itself, such as the length of an RSA key, allows an algorithm of its type. */
export function canSign(key: UsableKey, algorithm: AlgorithmName): boolean {
  try {
    return importKey(key, algorithm).algorithm.alg === algorithm;
  } catch (error) {
    if (error instanceof SignerError) return false;
    throw error;
  }
}

/** What signing needs to know of the key. */
interface SigningKey extends Identity {
  readonly fingerprint: string;
  readonly algorithm: SshAlgorithm;
  readonly signatureBytes: number;
}

async function sign(client: AgentClient, key: SigningKey, message: Uint8Array, signal: AbortSignal): Promise<Buffer> {
  const { algorithm, signatureBytes } = key;
  const signature = await client.sign({ key: key.key, message, flags: algorithm.flags }, signal);
  if (signature === undefined) throw await failureOf(client, key, signal);
  return readSignature(signature, algorithm, signatureBytes);
}

/**
 * An agent doesn't say why it failed. Whether it still lists the key tells the two most common reasons apart.
 *
 * @throws {SignerError} With code `key-not-found` if it doesn't list the key any more.
 */
async function failureOf(client: AgentClient, { fingerprint }: SigningKey, signal: AbortSignal): Promise<SignerError> {
  findKey(await client.identities(signal), { fingerprint });
  const reasons = "its user refused, the key's device failed, or the key is restricted to destinations (ssh-add -h)";
  const remedy = "Check the device, and that the agent can ask its user (OpenSSH: SSH_ASKPASS, when the agent starts).";
  return new SignerError(
    "access-denied",
    `The agent lists the key, but refused to sign with it: ${reasons}. ${remedy}`,
  );
}

function sshAlgorithm(name: AlgorithmName): SshAlgorithm {
  const row = SSH_ALGORITHMS.find(({ alg }) => alg === name);
  if (row) return row;
  throw new SignerError("wrong-key", `SSH doesn't have ${name}.`);
}
