/** Compact JWS (RFC 7515 §7.1) by any signer: what proofs and client assertions have in common. */
import type { Signer, SignOptions } from "./signer.js";

/** A protected header, encoded once for all that is signed under it. */
export function encodeHeader(header: object): string {
  return encode(JSON.stringify(header));
}

/**
 * @param header - from {@link encodeHeader}
 * @returns `header.claims.signature`
 * @throws {SignerError} code of why the key did not sign
 */
export async function signCompact(header: string, claims: object, signer: Signer, options: SignOptions) {
  const input = `${header}.${encode(JSON.stringify(claims))}`;
  const signature = await signer.sign(Buffer.from(input, "latin1"), options);
  return `${input}.${Buffer.from(signature.buffer, signature.byteOffset, signature.byteLength).toString("base64url")}`;
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64url");
}
