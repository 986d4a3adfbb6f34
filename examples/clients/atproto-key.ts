/**
 * Keys of Hardproof for @atproto/oauth-client (Bluesky): the client's own key, and the DPoP keys of its sessions.
 *
 * ```ts
 * const key = await AtprotoKey.from(await openSigner(uri));
 * new OAuthClient({
 *   keyset: [key],
 *   sessionStore: keyUriStore(texts, async (uri) => AtprotoKey.from(await openSigner(withPinSource(uri)))),
 *   runtimeImplementation: { createKey: async () => key, … },
 *   …
 * });
 * ```
 */
import {
  type Jwk,
  type JwtHeader,
  type JwtPayload,
  Key,
  type SignedJwt,
  type VerifyOptions,
  type VerifyResult,
} from "@atproto/jwk";
import { importPublicKey, type Signer, signJwt } from "hardproof";
import { jwtVerify } from "jose";

/** A key that signs by a signer. atproto has no name for ML-DSA keys, so those can't be used. */
export class AtprotoKey extends Key {
  readonly #signer: Signer;

  private constructor(signer: Signer, jwk: Jwk) {
    super(jwk);
    this.#signer = signer;
  }

  /** @param kid - The key's ID in the client's JWKS. Default: its thumbprint. */
  static async from(signer: Signer, kid?: string): Promise<AtprotoKey> {
    const jwk = await signer.publicJwk();
    const { jkt } = await signer.describe();
    // A Keyset finds a signing key by `key_ops`. `use` would mark it as a public key.
    const members = { ...jwk, alg: atprotoName(jwk.alg), kid: kid ?? jkt, key_ops: ["sign"] };
    return new AtprotoKey(signer, members as unknown as Jwk);
  }

  /** The key's URI, which {@link keyUriStore} stores. */
  get uri(): string {
    if (this.#signer.uri === undefined) throw new Error("The signer has no URI, so its key can't be opened again.");
    return this.#signer.uri;
  }

  /** A Keyset signs only with private keys, and recognises them by the member `d`, which this JWK doesn't have. */
  override get isPrivate(): boolean {
    return true;
  }

  /** The private key can't leave its store. */
  override get privateJwk(): undefined {
    return undefined;
  }

  /** Signs a client assertion or a proof. A proof contains the key, so it needs no `kid`. */
  override async createJwt(header: JwtHeader, payload: JwtPayload): Promise<SignedJwt> {
    const kid = header.jwk ? undefined : this.kid;
    return (await signJwt(this.#signer, payload, { header: { ...header, kid } })) as SignedJwt;
  }

  override async verifyJwt<C extends string = never>(
    token: SignedJwt,
    options: VerifyOptions<C> = {},
  ): Promise<VerifyResult<C>> {
    const { key } = importPublicKey(await this.#signer.publicJwk());
    const { audience, issuer, requiredClaims, ...rest } = options;
    const { payload, protectedHeader } = await jwtVerify(token, key, {
      ...rest,
      ...(audience && { audience: [audience].flat() }),
      ...(issuer && { issuer: [issuer].flat() }),
      ...(requiredClaims && { requiredClaims: [...requiredClaims] }),
    });
    return { payload, protectedHeader } as unknown as VerifyResult<C>;
  }
}

/** atproto has the older name of Ed25519 (RFC 9864 §2.2). */
function atprotoName(alg: string): string {
  if (alg.startsWith("ML-DSA")) throw new Error(`@atproto/jwk doesn't support ${alg} keys.`);
  return alg === "Ed25519" ? "EdDSA" : alg;
}

/** A store of texts, such as a database column or a `Map`. */
export interface TextStore {
  get(id: string): string | undefined | Promise<string | undefined>;
  set(id: string, text: string): unknown;
  delete(id: string): unknown;
}

/**
 * Returns a `sessionStore` or `stateStore` that stores the URI of a session's DPoP key instead of a private JWK.
 *
 * @param openKey - Opens the key with this URI. The URI has no PIN and no PIN source: add yours. It is called at every
 *   read, so return the same object for the same URI.
 */
export function keyUriStore<T extends { dpopKey: Key }>(
  texts: TextStore,
  openKey: (uri: string) => Promise<AtprotoKey>,
): {
  get(id: string): Promise<T | undefined>;
  set(id: string, value: T): Promise<void>;
  del(id: string): Promise<void>;
} {
  return {
    async get(id) {
      const text = await texts.get(id);
      if (text === undefined) return undefined;
      const { keyUri, ...data } = JSON.parse(text);
      return { ...data, dpopKey: await openKey(keyUri) };
    },
    async set(id, { dpopKey, ...data }) {
      if (!(dpopKey instanceof AtprotoKey)) throw new Error("createKey must return an AtprotoKey.");
      await texts.set(id, JSON.stringify({ ...data, keyUri: dpopKey.uri }));
    },
    async del(id) {
      await texts.delete(id);
    },
  };
}
