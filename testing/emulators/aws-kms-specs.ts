/** What each KeySpec of AWS KMS signs with (KMS Developer Guide, "Key spec reference"). */

import { AwsKmsError } from "./aws-kms-error.js";
import type { KeySpec, MessageType, SigningAlgorithmSpec } from "./aws-kms-types.js";

const RSA: readonly SigningAlgorithmSpec[] = [
  "RSASSA_PKCS1_V1_5_SHA_256",
  "RSASSA_PKCS1_V1_5_SHA_384",
  "RSASSA_PKCS1_V1_5_SHA_512",
  "RSASSA_PSS_SHA_256",
  "RSASSA_PSS_SHA_384",
  "RSASSA_PSS_SHA_512",
];
const ML_DSA: readonly SigningAlgorithmSpec[] = ["ML_DSA_SHAKE_256"];

/** The signing algorithms of each KeySpec that can have the usage SIGN_VERIFY, in the order of the service. */
export const SIGNING_ALGORITHMS: Partial<Record<KeySpec, readonly SigningAlgorithmSpec[]>> = {
  ECC_NIST_P256: ["ECDSA_SHA_256"],
  ECC_NIST_P384: ["ECDSA_SHA_384"],
  ECC_NIST_P521: ["ECDSA_SHA_512"],
  ECC_SECG_P256K1: ["ECDSA_SHA_256"],
  ECC_NIST_EDWARDS25519: ["ED25519_SHA_512", "ED25519_PH_SHA_512"],
  SM2: ["SM2DSA"],
  RSA_2048: RSA,
  RSA_3072: RSA,
  RSA_4096: RSA,
  ML_DSA_44: ML_DSA,
  ML_DSA_65: ML_DSA,
  ML_DSA_87: ML_DSA,
};

/** Returns whether the name is that of a KeySpec that can have the usage SIGN_VERIFY. */
export function isSigningSpec(name: string): name is KeySpec {
  return Object.hasOwn(SIGNING_ALGORITHMS, name);
}

/** The parameters of Sign. */
export interface SignRequest {
  readonly algorithm: string;
  readonly messageType: string;
  readonly message: Buffer;
}

const MESSAGE_TYPES: readonly string[] = ["RAW", "DIGEST", "EXTERNAL_MU"] satisfies MessageType[];
/** Bytes (API reference, "Sign"). */
const MAX_MESSAGE = 4096;
/** Bytes of the message representative μ (FIPS 204 §6.2). */
const MU = 64;

/**
 * Checks what doesn't depend on the key: the service does this before it looks for the key.
 *
 * @throws {AwsKmsError} ValidationException, with the wording of the service.
 */
export function checkSignRequest({ messageType, message }: SignRequest): void {
  if (!MESSAGE_TYPES.includes(messageType))
    throw constraint(
      `Value '${messageType}' at 'messageType'`,
      `satisfy enum value set: [${MESSAGE_TYPES.join(", ")}]`,
    );
  if (message.length < 1) throw constraint("Value at 'message'", "have length greater than or equal to 1");
  if (message.length > MAX_MESSAGE)
    throw constraint("Value at 'message'", `have length less than or equal to ${MAX_MESSAGE}`);
}

/**
 * Checks the parameters of Sign against the key.
 *
 * @throws {AwsKmsError} InvalidKeyUsageException or ValidationException, with the wording of the service.
 */
export function checkSignRequestFor(spec: KeySpec, { algorithm, messageType, message }: SignRequest): void {
  if (!SIGNING_ALGORITHMS[spec]?.some((supported) => supported === algorithm))
    throw new AwsKmsError("InvalidKeyUsageException", `Algorithm ${algorithm} is incompatible with key spec ${spec}.`);
  if (!messageTypesOf(algorithm).includes(messageType)) {
    const target = algorithm.startsWith("ED25519") ? `algorithm ${algorithm}` : `key spec ${spec}`;
    throw new AwsKmsError("ValidationException", `Message type ${messageType} is incompatible with ${target}.`);
  }
  if (messageType === "DIGEST" && message.length !== hashBytes(algorithm))
    throw new AwsKmsError("ValidationException", `Digest is invalid length for algorithm ${algorithm}.`);
  if (messageType === "EXTERNAL_MU" && message.length !== MU)
    throw new AwsKmsError("ValidationException", `External Mu is invalid length for algorithm ${algorithm}.`);
}

/** API reference, "Sign", MessageType. */
function messageTypesOf(algorithm: string): readonly string[] {
  if (algorithm === "ED25519_SHA_512") return ["RAW"];
  if (algorithm === "ED25519_PH_SHA_512") return ["DIGEST"];
  return algorithm === "ML_DSA_SHAKE_256" ? ["RAW", "EXTERNAL_MU"] : ["RAW", "DIGEST"];
}

/** The name of a signing algorithm ends in the bits of its hash. */
function hashBytes(algorithm: string): number {
  return Number(algorithm.slice(-3)) / 8;
}

function constraint(value: string, requirement: string): AwsKmsError {
  const message = `1 validation error detected: ${value} failed to satisfy constraint: Member must ${requirement}`;
  return new AwsKmsError("ValidationException", message);
}
