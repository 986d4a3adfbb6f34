/** Compact JWS (RFC 7515 §7.1) with any signer, for proofs and client assertions. */
import type { Signer, SignOptions } from "./signer.js";

/** Encodes a protected header. The result can be reused for every JWT with this header. */
export function encodeHeader(header: object): string {
  return encode(JSON.stringify(header));
}

/**
 * Signs a JWT.
 *
 * @param header - The result of {@link encodeHeader}.
 * @returns `header.claims.signature`.
 * @throws {SignerError} If the key doesn't sign.
 */
export async function signCompact(header: string, claims: object, signer: Signer, options: SignOptions) {
  const input = `${header}.${encode(JSON.stringify(claims))}`;
  const signature = await signer.sign(Buffer.from(input, "latin1"), options);
  return `${input}.${Buffer.from(signature.buffer, signature.byteOffset, signature.byteLength).toString("base64url")}`;
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64url");
}
