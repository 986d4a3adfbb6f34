/** The client's certificate (RFC 8705 §3.1). */
import { createHash, X509Certificate } from "node:crypto";
import { misconfigured } from "./assert.js";

/**
 * Returns the thumbprint of a certificate: the SHA-256 hash of its DER, base64url (`x5t#S256`, RFC 8705 §3.1).
 *
 * @param certificate - In PEM or DER. Of several certificates in PEM, the first.
 * @throws {OAuthError} With code `misconfigured` if it isn't a certificate.
 */
export function certificateThumbprint(certificate: string | Uint8Array): string {
  return createHash("sha256").update(parse(certificate).raw).digest("base64url");
}

/** The error doesn't contain the input, which may be a private key by mistake. */
function parse(certificate: string | Uint8Array): X509Certificate {
  try {
    return new X509Certificate(certificate);
  } catch {
    throw misconfigured("certificate must be an X.509 certificate, in PEM or DER.");
  }
}
