/**
 * Keys of Hardproof for oidc-provider: an authorization server whose tokens are signed by an HSM.
 *
 * ```ts
 * new Provider(issuer, {
 *   jwks: { keys: [await oidcProviderKey(await openSigner(uri))] },
 *   features: { externalSigningSupport: { enabled: true, ack: "experimental-01" } },
 * });
 * ```
 *
 * To rotate: put the new key first, and leave the old one in the list until its last token has expired.
 */
import type { KeyObject } from "node:crypto";
import { importPublicKey, type Signer } from "hardproof";
import { ExternalSigningKey } from "oidc-provider";

class HardwareKey extends ExternalSigningKey {
  readonly #signer: Signer;
  readonly #publicKey: KeyObject;
  readonly #alg: string;
  readonly #kid: string;

  constructor(signer: Signer, { publicKey, alg, kid }: { publicKey: KeyObject; alg: string; kid: string }) {
    super();
    this.#signer = signer;
    this.#publicKey = publicKey;
    this.#alg = alg;
    this.#kid = kid;
  }

  override get alg(): string {
    return this.#alg;
  }

  override get kid(): string {
    return this.#kid;
  }

  override keyObject(): KeyObject {
    return this.#publicKey;
  }

  override sign(data: Uint8Array): Promise<Uint8Array> {
    return this.#signer.sign(data);
  }
}

/**
 * Opens the key, and returns it for `jwks.keys`.
 *
 * @param kid - The key's ID in the server's JWKS. Default: its thumbprint.
 */
export async function oidcProviderKey(signer: Signer, kid?: string): Promise<ExternalSigningKey> {
  const jwk = await signer.publicJwk();
  const { jkt } = await signer.describe();
  return new HardwareKey(signer, { publicKey: importPublicKey(jwk).key, alg: jwk.alg, kid: kid ?? jkt });
}
