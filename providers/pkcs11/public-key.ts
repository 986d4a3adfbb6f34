/** The public half of a private key: from its public key object, or else from its certificate. */
import { X509Certificate } from "node:crypto";
import { SignerError } from "../../src/errors.js";
import { importPublicKey, jwkFromEcPoint } from "../../src/jose/public-key.js";
import type { PublicJwk } from "../../src/keystore/signer.js";
import type { Cryptoki, Handle } from "./client.js";
import { CKA_EC_POINT, CKA_VALUE, CKO_CERTIFICATE, CKO_PUBLIC_KEY } from "./cryptoki.js";
import { type FoundObject, findObjects, type KeySelector, nameOf, readAttribute } from "./objects.js";

/**
 * By the private key's own id. A token that gives its keys none leaves the label, and then it must be the only one.
 *
 * @throws {SignerError} code `key-not-found`, `ambiguous-key` or `wrong-key`
 */
export function findPublicJwk(lib: Cryptoki, session: Handle, key: FoundObject): PublicJwk {
  const selector = key.id.length > 0 ? { id: key.id } : { label: key.label };
  const read = (objectClass: number, type: number, parse: (value: Buffer) => PublicJwk) =>
    readEach(lib, session, objectClass, selector, type).map(parse);
  const jwks = read(CKO_PUBLIC_KEY, CKA_EC_POINT, (point) => importPublicKey(jwkFromEcPoint(point)).jwk);
  const all = jwks.length > 0 ? jwks : read(CKO_CERTIFICATE, CKA_VALUE, jwkOfCertificate);
  const different = new Map(all.map((jwk) => [`${jwk.x} ${jwk.y}`, jwk]));
  const [jwk] = different.values();
  if (jwk && different.size === 1) return jwk;
  if (jwk) throw new SignerError("ambiguous-key", `${different.size} public keys go with ${nameOf(key)}.`);
  const remedy = "Give publicJwk, or write its public key or certificate with the vendor's tool.";
  const message = `The token has no public key object and no certificate for ${nameOf(key)}. ${remedy}`;
  throw new SignerError("key-not-found", message);
}

function readEach(lib: Cryptoki, session: Handle, objectClass: number, selector: KeySelector, type: number): Buffer[] {
  return findObjects(lib, session, objectClass, selector).flatMap(
    ({ handle }) => readAttribute(lib, session, handle, type) ?? [],
  );
}

/** @param certificate - X.509 in DER */
function jwkOfCertificate(certificate: Buffer): PublicJwk {
  try {
    return importPublicKey(spkiOf(certificate)).jwk;
  } catch (cause) {
    if (cause instanceof SignerError) throw cause;
    throw new SignerError("wrong-key", "The key's certificate is no X.509 certificate.", { cause });
  }
}

function spkiOf(certificate: Buffer): Uint8Array {
  return new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
}
