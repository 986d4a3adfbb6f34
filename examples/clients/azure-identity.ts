/**
 * Microsoft Entra with a key in an HSM: client assertions for `ClientAssertionCredential` of @azure/identity, and for the
 * `clientAssertion` of @azure/msal-node.
 *
 * ```ts
 * const assertion = entraAssertion(signer, { tenantId, clientId, certificate });
 * const credential = new ClientAssertionCredential(tenantId, clientId, assertion);
 * ```
 *
 * The key must be for PS256. Upload the certificate to the app registration: `selfSignedCertificate` of `hardproof/x509`
 * makes one.
 */
import { createHash, randomUUID, X509Certificate } from "node:crypto";
import { importPublicKey, type Signer, signJwt } from "hardproof";

/** The application, and the certificate of its key. */
export interface EntraApplication {
  tenantId: string;
  clientId: string;
  /** PEM or DER. */
  certificate: string | Uint8Array;
  /** Default: that of the public cloud. */
  authorityHost?: string;
}

/** Seconds. Microsoft recommends five to ten minutes. */
const LIFETIME = 300;

/** Returns a function that signs a new assertion at each call. */
export function entraAssertion(signer: Signer, application: EntraApplication): () => Promise<string> {
  const { tenantId, clientId, authorityHost = "https://login.microsoftonline.com" } = application;
  const audience = new URL(`/${tenantId}/oauth2/v2.0/token`, authorityHost).href;
  const { raw, publicKey } = new X509Certificate(application.certificate);
  const thumbprint = createHash("sha256").update(raw).digest("base64url");
  return async () => {
    if (!publicKey.equals(importPublicKey(await signer.publicJwk()).key))
      throw new Error("The certificate isn't that of the signer's key.");
    return signJwt(signer, () => claims(clientId, audience), { header: { "x5t#S256": thumbprint } });
  };
}

function claims(clientId: string, audience: string): object {
  const now = Math.floor(Date.now() / 1000);
  const times = { nbf: now, iat: now, exp: now + LIFETIME };
  return { aud: audience, iss: clientId, sub: clientId, jti: randomUUID(), ...times };
}
