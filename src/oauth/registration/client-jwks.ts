/** The public keys of a client as its registration takes them (RFC 7591 §2, RFC 7517 §5). */
import { thumbprint } from "../../jose/jwk-thumbprint.js";
import { importPublicKey, type PublicJwk, publicMembers } from "../../jose/public-key.js";
import { isSigner } from "../../keystore/assert.js";
import type { Signer, SignOptions } from "../../keystore/signer.js";
import { misconfigured } from "../assert.js";

/** A public key with what a server needs to find and use it (RFC 7517 §4). */
export interface ClientJwk extends PublicJwk {
  /** The key's thumbprint (RFC 7638), the default `kid` of client assertions. */
  readonly kid: string;
  /** The key is for signatures. */
  readonly use: "sig";
}

/** A set of public keys. */
export interface ClientJwks {
  /** The keys, in the order of the signers. */
  readonly keys: readonly ClientJwk[];
}

/**
 * Returns the public keys of signers as a JWK Set, for `jwks` in a registration or for the document at `jwks_uri`. The
 * set never contains a private member, whatever a third-party signer returns.
 *
 * @throws {OAuthError} With code `misconfigured` if there is no signer, or one of them isn't a signer.
 * @throws {SignerError} If a key can't be opened.
 */
export async function clientJwks(signers: Signer | readonly Signer[], options: SignOptions = {}): Promise<ClientJwks> {
  const list: readonly Signer[] = Array.isArray(signers) ? signers : [signers];
  if (list.length === 0 || !list.every(isSigner))
    throw misconfigured("signer must be a Signer, or an array of at least one.");
  return { keys: await Promise.all(list.map((signer) => clientJwk(signer, options))) };
}

async function clientJwk(signer: Signer, options: SignOptions): Promise<ClientJwk> {
  const { alg, ...members } = await signer.publicJwk(options);
  const { jwk } = importPublicKey({ ...publicMembers(members), alg });
  return { ...jwk, kid: thumbprint(jwk), use: "sig" };
}

/** Private or symmetric members of a JWK (RFC 7518 §6, RFC 8037 §2, RFC 9964). */
const SECRET_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/**
 * Checks a caller's JWK Set before it is sent.
 *
 * @throws {OAuthError} With code `misconfigured` if it isn't a JWK Set, or one of its keys isn't public.
 */
export function assertPublicJwks(jwks: unknown): void {
  const { keys } = Object(jwks);
  if (!Array.isArray(keys)) throw misconfigured("metadata.jwks must be a JWK Set: { keys: […] }.");
  const isSecret = (key: unknown) => SECRET_MEMBERS.some((name) => Object.hasOwn(Object(key), name));
  if (keys.some(isSecret))
    throw misconfigured("metadata.jwks contains a private or symmetric key. Nothing was sent. Pass only public keys.");
}
