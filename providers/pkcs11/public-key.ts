/** Finds the public key of a private key: in its attributes, in its public key object, or else in its certificate. */
import { X509Certificate } from "node:crypto";
import { SignerError } from "../../src/errors.js";
import { type Algorithm, type AlgorithmName, ES256 } from "../../src/jose/algorithms.js";
import { thumbprint } from "../../src/jose/jwk-thumbprint.js";
import { type ImportedPublicKey, importPublicKey, type PublicKeyMembers } from "../../src/jose/public-key.js";
import { type Cryptoki, fromUlong, type Handle } from "./binding.js";
import { CKA_CLASS, CKA_VALUE, CKO_CERTIFICATE, CKO_PUBLIC_KEY } from "./constants.js";
import { type FoundObject, findObjects, type KeySelector, nameOf } from "./objects.js";
import { PUBLIC_KEY_FORMS } from "./public-key-attributes.js";

/** What restricts the algorithm of a key. */
export interface PublicKeyChoice {
  /** What the caller has chosen. */
  readonly algorithm: AlgorithmName | undefined;
  /** What the key and its token allow: at least one, and all of the same key type. */
  readonly permitted: readonly Algorithm[];
}

/**
 * Finds the public key: in the private key's own attributes, or else by the private key's id. If the key doesn't have an
 * id, the label must select a single object.
 *
 * @param found - Objects that were found together with the private key. The public key object may be among them.
 * @throws {SignerError} With code `key-not-found`, `ambiguous-key`, `wrong-key` or, if the key can sign with several
 *   algorithms and none was chosen, `misconfigured`.
 */
export function findPublicKey(
  lib: Cryptoki,
  session: Handle,
  key: FoundObject,
  found: readonly FoundObject[],
  choice: PublicKeyChoice,
): ImportedPublicKey {
  const hasId = key.id.length > 0;
  const selector = hasId ? { id: key.id } : { label: key.label };
  const belongs = (object: FoundObject) => (hasId ? object.id.equals(key.id) : object.label === key.label);
  const search = (objectClass: number, by: KeySelector, types: readonly number[]) =>
    findObjects(lib, session, objectClass, by, types);
  const certificates = (by: KeySelector) =>
    search(CKO_CERTIFICATE, by, [CKA_VALUE]).flatMap(({ attributes }) => attributes.get(CKA_VALUE) ?? []);
  const keys = firstMatches(
    () => keysOf([key], choice),
    () => keysOf(found.filter(isPublicKey).filter(belongs), choice),
    () => keysOf(search(CKO_PUBLIC_KEY, selector, formOf(choice).types), choice),
    () => certificates(selector).map((certificate) => keyOfCertificate(certificate, choice)),
    // Some tools store the certificate with a different id. Verifying each signature detects a wrong certificate.
    () =>
      hasId && key.label !== ""
        ? certificates({ label: key.label }).map((certificate) => keyOfCertificate(certificate, choice))
        : [],
  );
  const different = new Map(keys.map((one) => [thumbprint(one.jwk), one]));
  const [publicKey] = different.values();
  if (publicKey && different.size === 1) return publicKey;
  if (publicKey)
    throw new SignerError(
      "ambiguous-key",
      `The token has ${different.size} different public keys for ${nameOf(key)}. Set publicKey (in the command: --public-key) to the right one.`,
    );
  const remedy =
    "Set publicKey (in the command: --public-key), or store the public key or a certificate on the token with the vendor's tool.";
  const message = `The token has no public key object and no certificate for ${nameOf(key)}. ${remedy}`;
  throw new SignerError("key-not-found", message);
}

/** Imports the public key, and chooses its algorithm. */
export function importKey(
  publicKey: Uint8Array | PublicKeyMembers,
  { algorithm, permitted }: PublicKeyChoice,
): ImportedPublicKey {
  return importPublicKey(publicKey, { algorithm, allowed: permitted.map(({ alg }) => alg) });
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

/** The keys of those objects that have all attributes of a public key. */
function keysOf(objects: readonly FoundObject[], choice: PublicKeyChoice): ImportedPublicKey[] {
  const { types, toJwk } = formOf(choice);
  return objects.flatMap(({ attributes }) => {
    const values = types.flatMap((type) => attributes.get(type) ?? []).filter((value) => value.length > 0);
    return values.length === types.length ? importKey(toJwk(values, firstOf(choice)), choice) : [];
  });
}

function formOf(choice: PublicKeyChoice) {
  return PUBLIC_KEY_FORMS[firstOf(choice).kty];
}

function firstOf({ permitted: [first = ES256] }: PublicKeyChoice): Algorithm {
  return first;
}

/** @param certificate - X.509 in DER. */
function keyOfCertificate(certificate: Buffer, choice: PublicKeyChoice): ImportedPublicKey {
  try {
    return importKey(spkiOf(certificate), choice);
  } catch (cause) {
    if (cause instanceof SignerError) throw cause;
    throw new SignerError(
      "wrong-key",
      "The key's certificate can't be parsed as X.509. Set publicKey (in the command: --public-key), or store a valid certificate.",
      { cause },
    );
  }
}

function spkiOf(certificate: Buffer): Uint8Array {
  return new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
}
