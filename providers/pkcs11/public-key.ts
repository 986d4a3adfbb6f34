/** Finds the public key of a private key: in its public key object, or else in its certificate. */
import { X509Certificate } from "node:crypto";
import { SignerError } from "../../src/errors.js";
import { importPublicKey, jwkFromEcPoint } from "../../src/jose/public-key.js";
import type { PublicJwk } from "../../src/keystore/signer.js";
import { type Cryptoki, fromUlong, type Handle } from "./binding.js";
import { CKA_CLASS, CKA_EC_POINT, CKA_VALUE, CKO_CERTIFICATE, CKO_PUBLIC_KEY } from "./constants.js";
import { type FoundObject, findObjects, type KeySelector, nameOf } from "./objects.js";

/**
 * Finds the public key by the private key's id. If the key doesn't have an id, the label must select a single object.
 *
 * @param found - Objects that were found together with the private key. The public key object may be among them.
 * @throws {SignerError} With code `key-not-found`, `ambiguous-key` or `wrong-key`.
 */
export function findPublicJwk(
  lib: Cryptoki,
  session: Handle,
  key: FoundObject,
  found: readonly FoundObject[],
): PublicJwk {
  const hasId = key.id.length > 0;
  const selector = hasId ? { id: key.id } : { label: key.label };
  const belongs = (object: FoundObject) => (hasId ? object.id.equals(key.id) : object.label === key.label);
  const search = (objectClass: number, by: KeySelector, type: number) =>
    findObjects(lib, session, objectClass, by, [type]);
  const jwks = firstMatches(
    () => jwksOf(found.filter(isPublicKey).filter(belongs)),
    () => jwksOf(search(CKO_PUBLIC_KEY, selector, CKA_EC_POINT)),
    () => certificateJwks(search(CKO_CERTIFICATE, selector, CKA_VALUE)),
    // Some tools store the certificate with a different id. Verifying each signature detects a wrong certificate.
    () => (hasId && key.label !== "" ? certificateJwks(search(CKO_CERTIFICATE, { label: key.label }, CKA_VALUE)) : []),
  );
  const different = new Map(jwks.map((jwk) => [`${jwk.x} ${jwk.y}`, jwk]));
  const [jwk] = different.values();
  if (jwk && different.size === 1) return jwk;
  if (jwk)
    throw new SignerError(
      "ambiguous-key",
      `The token has ${different.size} different public keys for ${nameOf(key)}. Set publicJwk (in the command: --public-key) to the right one.`,
    );
  const remedy =
    "Set publicJwk (in the command: --public-key), or store the public key or a certificate on the token with the vendor's tool.";
  const message = `The token has no public key object and no certificate for ${nameOf(key)}. ${remedy}`;
  throw new SignerError("key-not-found", message);
}

function firstMatches<T>(...searches: (() => T[])[]): T[] {
  for (const search of searches) {
    const found = search();
    if (found.length > 0) return found;
  }
  return [];
}

function isPublicKey({ attributes }: FoundObject): boolean {
  const objectClass = attributes.get(CKA_CLASS);
  return objectClass !== undefined && Number(fromUlong(objectClass)) === CKO_PUBLIC_KEY;
}

function jwksOf(objects: readonly FoundObject[]): PublicJwk[] {
  return values(objects, CKA_EC_POINT).map((point) => importPublicKey(jwkFromEcPoint(point)).jwk);
}

function certificateJwks(objects: readonly FoundObject[]): PublicJwk[] {
  return values(objects, CKA_VALUE).map(jwkOfCertificate);
}

function values(objects: readonly FoundObject[], type: number): Buffer[] {
  return objects.flatMap(({ attributes }) => attributes.get(type) ?? []);
}

/** @param certificate - X.509 in DER. */
function jwkOfCertificate(certificate: Buffer): PublicJwk {
  try {
    return importPublicKey(spkiOf(certificate)).jwk;
  } catch (cause) {
    if (cause instanceof SignerError) throw cause;
    throw new SignerError(
      "wrong-key",
      "The key's certificate can't be parsed as X.509. Set publicJwk (in the command: --public-key), or store a valid certificate.",
      { cause },
    );
  }
}

function spkiOf(certificate: Buffer): Uint8Array {
  return new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
}
