/** A CryptoKeyPair that stands for a signer. */
import { webcrypto } from "node:crypto";
import { type ImportedPublicKey, importPublicKey, type Signer, SignerError, type SignOptions } from "../index.js";
import { signParameters } from "./parameters.js";
import { connect } from "./subtle-sign.js";

const { subtle } = webcrypto;

/**
 * Returns a `CryptoKeyPair` that stands for a signer. `crypto.subtle.sign` with its private half returns signatures of
 * the signer. Both halves have the `algorithm` that WebCrypto would report for the real key.
 *
 * - The public half is the signer's public key: extractable, for `verify`.
 * - The private half isn't extractable, for `sign`. It contains a throw-away key of the same type, which signs wherever
 *   the patch of `SubtleCrypto.prototype.sign` is missing: in another thread, in `node:crypto`, and after
 *   {@link restoreSubtleCrypto}. Such a signature never verifies.
 *
 * Each call returns another pair. A pair for an RSA key takes as long as generating an RSA key of the same length. The
 * pair doesn't close the signer.
 *
 * @example
 * ```ts
 * const pair = await toCryptoKeyPair(signer);
 * const jwt = await new SignJWT({ sub: "agent-7" }).setProtectedHeader({ alg: "ES256" }).sign(pair.privateKey);
 * ```
 * @param options - `signal` aborts fetching the public key.
 * @returns The pair. `sign` rejects with the `SignerError` of the signer; otherwise with the errors of WebCrypto, such as
 *   `InvalidAccessError` for another algorithm than the key's.
 * @throws {SignerError} If the signer can't open the key. With code `misconfigured` if it isn't a signer, WebCrypto of this
 *   Node doesn't have the algorithm, or `crypto.subtle.sign` can't be patched.
 */
export async function toCryptoKeyPair(signer: Signer, { signal }: SignOptions = {}): Promise<webcrypto.CryptoKeyPair> {
  if (typeof signer?.publicJwk !== "function")
    throw new SignerError("misconfigured", "toCryptoKeyPair needs a signer, such as the signer of a DPoPProver.");
  const publicKey = importPublicKey(await signer.publicJwk({ signal }));
  const pair = await throwAwayPair(publicKey).catch((cause) => {
    throw unsupported(publicKey.algorithm.alg, signer.uri, cause);
  });
  const sign = (message: Uint8Array) => signer.sign(message);
  await connect(pair.privateKey, { parameters: signParameters(publicKey.algorithm), sign });
  return pair;
}

/** Returns the signer's public key with a private key that isn't its own, but has the same type and parameters. */
async function throwAwayPair({ key, algorithm }: ImportedPublicKey): Promise<webcrypto.CryptoKeyPair> {
  const spki = key.export({ type: "spki", format: "der" });
  const publicKey = await subtle.importKey("spki", spki, algorithm.webCrypto, true, ["verify"]);
  // An imported key reports everything that generating one needs, such as the length and the exponent of an RSA key.
  const parameters = publicKey.algorithm as webcrypto.RsaHashedKeyGenParams;
  const { privateKey } = await subtle.generateKey(parameters, false, ["sign"]);
  return { publicKey, privateKey };
}

function unsupported(alg: string, uri: string | undefined, cause: unknown): SignerError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const message = `WebCrypto of Node ${process.versions.node} can't use this ${alg} key: ${reason.replace(/\.$/, "")}.`;
  const remedy = "Use a later version of Node, or a key for another algorithm.";
  return new SignerError("misconfigured", `${uri === undefined ? "" : `${uri}: `}${message} ${remedy}`, { uri, cause });
}
