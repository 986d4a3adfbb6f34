/**
 * HTTP message signatures (RFC 9421) by the package http-message-signatures and any signer.
 *
 * ```ts
 * const signed = await httpbis.signMessage(
 *   { key: await messageSigningKey(signer), fields: ["@method", "@authority", "@path", "content-digest"] },
 *   { method, url, headers },
 * );
 * ```
 */
import type { Signer } from "hardproof";
import type { SigningKey } from "http-message-signatures";

/** JWS algorithm → the name in the registry of RFC 9421 §6.2.2. */
const REGISTERED_NAMES = {
  ES256: "ecdsa-p256-sha256",
  ES384: "ecdsa-p384-sha384",
  Ed25519: "ed25519",
  PS512: "rsa-pss-sha512",
  RS256: "rsa-v1_5-sha256",
} as const;

/** The name of an algorithm in RFC 9421. */
export type MessageSignatureAlgorithm = (typeof REGISTERED_NAMES)[keyof typeof REGISTERED_NAMES];

/** Returns the name of the key's algorithm. PS256 and others aren't in the registry, so no verifier would know them. */
export async function messageSignatureAlgorithm(signer: Signer): Promise<MessageSignatureAlgorithm> {
  const { alg } = await signer.publicJwk();
  if (alg in REGISTERED_NAMES) return REGISTERED_NAMES[alg as keyof typeof REGISTERED_NAMES];
  const names = Object.keys(REGISTERED_NAMES).join(", ");
  throw new Error(`RFC 9421 has no algorithm for ${alg} keys. Use a key for one of ${names}.`);
}

/**
 * Returns the key for `signMessage`.
 *
 * @param keyId - The `keyid` by which the verifier finds the key. Default: its JWK thumbprint.
 */
export async function messageSigningKey(signer: Signer, keyId?: string): Promise<SigningKey> {
  const alg = await messageSignatureAlgorithm(signer);
  const { jkt } = await signer.describe();
  return { id: keyId ?? jkt, alg, sign: async (data) => Buffer.from(await signer.sign(data)) };
}
