/** What a `Sign` request contains: a digest, ML-DSA's message representative μ, or the message (KMS API, "Sign"). */
import { createHash } from "node:crypto";
import { SignerError } from "../../src/errors.js";
import type { PublicJwk } from "../../src/jose/public-key.js";
import { KMS_ALGORITHMS } from "./algorithms.js";
import type { SignRequest } from "./client.js";

/** Bytes of a message that is sent as it is. */
const MIN_MESSAGE = 1;
const MAX_MESSAGE = 4096;
/** Bytes of a hash in ML-DSA: of the public key, and μ. */
const HASH_BYTES = 64;

/**
 * Returns the function that makes a request of what the key's algorithm signs: the digest, or the message if the
 * algorithm doesn't sign a digest.
 */
export function signRequests({ alg, pub = "" }: PublicJwk): (input: Uint8Array) => SignRequest {
  const { signingAlgorithm: SigningAlgorithm, messageType: MessageType } = KMS_ALGORITHMS[alg];
  if (MessageType === "DIGEST") return (Message) => ({ Message, MessageType, SigningAlgorithm });
  if (MessageType === "RAW")
    return (message) => ({ Message: checkLength(alg, message), MessageType, SigningAlgorithm });
  const representativeOf = messageRepresentative(Buffer.from(pub, "base64url"));
  return (message) => ({ Message: representativeOf(message), MessageType, SigningAlgorithm });
}

/** @throws {SignerError} With code `misconfigured` if AWS KMS would refuse the message because of its length. */
function checkLength(alg: string, message: Uint8Array): Uint8Array {
  if (message.length >= MIN_MESSAGE && message.length <= MAX_MESSAGE) return message;
  const limit = `AWS KMS signs messages of ${MIN_MESSAGE} to ${MAX_MESSAGE} bytes with ${alg}`;
  const remedy = "A key for any other algorithm signs messages of any length.";
  throw new SignerError("misconfigured", `${limit}, but this one has ${message.length}. ${remedy}`);
}

/**
 * Returns the function that computes μ (FIPS 204 §6.2, step 6, with the empty context of RFC 9964). A signature over μ
 * is one over the message, whose length is then not limited.
 *
 * @param publicKey - 1,312 to 2,592 bytes (FIPS 204 §4).
 */
function messageRepresentative(publicKey: Uint8Array): (message: Uint8Array) => Uint8Array {
  // Zero for "not pre-hashed", and zero for the length of the context (FIPS 204 §5.2).
  const prefix = Buffer.concat([shake256(publicKey), Buffer.of(0, 0)]);
  return (message) => shake256(prefix, message);
}

function shake256(...parts: Uint8Array[]): Buffer {
  const hash = createHash("shake256", { outputLength: HASH_BYTES });
  for (const part of parts) hash.update(part);
  return hash.digest();
}
