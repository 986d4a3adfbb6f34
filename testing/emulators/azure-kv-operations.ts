/**
 * The operations of the Key Vault emulator, after the API definition of version 2025-07-01 (Azure/azure-rest-api-specs,
 * specification/keyvault/data-plane/Keys): their checks and responses.
 */
import { AzureKvError, badParameter, forbidden } from "./azure-kv-error.js";
import type { KeyVersion, VaultKeys } from "./azure-kv-keys.js";
import type { Curve } from "./azure-kv-material.js";

/** The operations that the emulator implements, by their names in the API definition. */
export type AzureKvOperation =
  | "GetKey"
  | "sign"
  | "CreateKey"
  | "GetKeys"
  | "GetDeletedKey"
  | "GetKeyAttestation"
  | "UpdateKey"
  | "DeleteKey"
  | "RotateKey";

/** A request, after its path was parsed. */
export interface AzureKvRequest {
  readonly name: string;
  readonly version: string;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
  /** The service's clock, in seconds since 1970. */
  readonly now: number;
}

type Handler = (keys: VaultKeys, request: AzureKvRequest) => object;

/** Keys per page of GetKeys: small, so that tests need several pages. */
const PAGE_SIZE = 3;
/** Bytes of a digest by the last three characters of the algorithm. */
const DIGEST_BYTES: Readonly<Record<string, number>> = { "256": 32, "384": 48, "512": 64 };
const CURVES: Readonly<Record<string, string>> = { ES256: "P-256", ES384: "P-384", ES512: "P-521", ES256K: "P-256K" };
/** A placeholder: only a managed HSM can issue a real attestation. */
const ATTESTATION = {
  certificatePemFile: base64url("-----BEGIN CERTIFICATE-----\nof the emulator\n-----END CERTIFICATE-----\n"),
  privateKeyAttestation: base64url("the private key's attestation"),
  publicKeyAttestation: base64url("the public key's attestation"),
  version: "1.0",
};

/** Maps each operation to the function that handles it. */
export const operations: Readonly<Record<AzureKvOperation, Handler>> = {
  GetKey: (keys, { name, version }) => bundleOf(keys.find(name, version)),

  sign(keys, { name, version, body, now }) {
    const key = keys.find(name, version);
    const digest = checkSignRequest(key, body);
    checkUsable(key, "sign", now);
    return { kid: key.kid, value: base64url(key.material.sign(String(body.alg), digest)) };
  },

  CreateKey(keys, { name, body }) {
    const { kty, crv, key_size, key_ops, attributes } = body;
    if (keys.deleted.has(name.toLowerCase())) throw deletedButRecoverable(name);
    if (keys.isManagedHsm && !String(kty).endsWith("-HSM")) throw badParameter(`Invalid kty value: ${kty}.`);
    const added = keys.add({
      name,
      kty: String(kty),
      ...(crv !== undefined && { curve: crv as Curve }),
      ...(key_size !== undefined && { keySize: Number(key_size) }),
      ...(Array.isArray(key_ops) && { keyOps: key_ops }),
      ...Object(attributes),
    });
    return bundleOf(added);
  },

  GetKeys(keys, { query }) {
    const start = Number(query.get("$skiptoken") ?? 0);
    const all = [...keys.all.values()].flatMap((versions) => versions.at(-1) ?? []);
    const value = all.slice(start, start + PAGE_SIZE).map((newest) => itemOf(newest, keys.vaultUrl));
    const end = start + PAGE_SIZE;
    const nextLink = `${keys.vaultUrl}/keys?api-version=${query.get("api-version")}&$skiptoken=${end}`;
    return { value, nextLink: end < all.length ? nextLink : null };
  },

  GetDeletedKey(keys, { name }) {
    const newest = keys.deleted.get(name.toLowerCase())?.at(-1);
    if (!newest)
      throw new AzureKvError({ status: 404, code: "KeyNotFound", message: `Deleted Key not found: ${name}` });
    return deletedBundleOf(newest, keys);
  },

  GetKeyAttestation(keys, { name, version }) {
    if (!keys.isManagedHsm) throw badParameter("The operation is only supported by a managed HSM.");
    const bundle = bundleOf(keys.find(name, version));
    return { ...bundle, attributes: { ...bundle.attributes, attestation: ATTESTATION } };
  },

  UpdateKey(keys, { name, version, body }) {
    const key = keys.find(name, version);
    key.attributes = { ...key.attributes, ...Object(body.attributes) };
    if (Array.isArray(body.key_ops)) key.keyOps = body.key_ops;
    return bundleOf(key);
  },

  DeleteKey: (keys, { name }) => deletedBundleOf(keys.delete(name), keys),

  RotateKey(keys, { name }) {
    const { kty, keyOps, material } = keys.find(name);
    const { crv } = material.publicMembers;
    return bundleOf(keys.add({ name, kty, keyOps, ...(crv !== undefined && { curve: crv as Curve }) }));
  },
};

/** Returns the digest of a `KeySignParameters`. */
function checkSignRequest({ kid, kty, material }: KeyVersion, { alg, value }: AzureKvRequest["body"]): Buffer {
  if (typeof alg !== "string" || typeof value !== "string") throw badParameter("Property alg or value is missing.");
  const type = alg.startsWith("ES") ? "EC" : "RSA";
  const digest = Buffer.from(value, "base64url");
  const size = DIGEST_BYTES[alg.slice(2, 5)];
  if (size === undefined || !/^(ES|RS|PS)\d{3}K?$/.test(alg)) throw badParameter(`Property alg is invalid: ${alg}.`);
  const incompatible = `Key and signing algorithm are incompatible. Key ${kid}`;
  if (!kty.startsWith(type))
    throw badParameter(`${incompatible} is of type '${kty}', and algorithm '${alg}' can only be used with '${type}'.`);
  if (type === "EC" && CURVES[alg] !== material.publicMembers.crv)
    throw badParameter(
      `${incompatible} uses curve '${material.publicMembers.crv}', and '${alg}' needs '${CURVES[alg]}'.`,
    );
  if (digest.length !== size)
    throw badParameter(
      `Invalid length of 'value': ${digest.length} bytes. ${alg} requires ${size} bytes, encoded with base64url.`,
    );
  return digest;
}

/** The state of a key forbids operations with the private key, but not GetKey. */
function checkUsable({ keyOps, attributes }: KeyVersion, operation: string, now: number): void {
  const { enabled, nbf, exp } = attributes;
  if (!enabled) throw forbidden("KeyDisabled", `Operation ${operation} is not allowed on a disabled key.`);
  if (nbf !== undefined && now < nbf)
    throw forbidden("KeyNotYetValid", `Operation ${operation} is not allowed on a key that is not yet valid.`);
  if (exp !== undefined && now >= exp)
    throw forbidden("KeyExpired", `Operation ${operation} is not allowed on an expired key.`);
  if (!keyOps.includes(operation))
    throw forbidden("KeyOperationForbidden", `Operation ${operation} is not permitted on this key.`);
}

/** `KeyBundle`. */
function bundleOf({ kid, kty, keyOps, material, attributes, managed, releasePolicy }: KeyVersion) {
  return {
    key: { kid, kty, key_ops: keyOps, ...material.publicMembers },
    attributes,
    ...(managed !== undefined && { managed }),
    ...(releasePolicy !== undefined && { release_policy: releasePolicy }),
  };
}

/** `KeyItem`: the identifier of the key, without its version. */
function itemOf({ name, attributes, managed }: KeyVersion, vaultUrl: string): object {
  return { kid: `${vaultUrl}/keys/${name}`, attributes, ...(managed !== undefined && { managed }) };
}

function deletedBundleOf(version: KeyVersion, { vaultUrl }: VaultKeys): object {
  const deletedDate = Math.floor(Date.now() / 1000);
  const scheduledPurgeDate = deletedDate + version.attributes.recoverableDays * 86_400;
  return {
    ...bundleOf(version),
    recoveryId: `${vaultUrl}/deletedkeys/${version.name}`,
    deletedDate,
    scheduledPurgeDate,
  };
}

function deletedButRecoverable(name: string): AzureKvError {
  const message =
    `Key ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the ` +
    "key can only be recovered or purged.";
  return new AzureKvError({ status: 409, code: "Conflict", inner: "ObjectIsDeletedButRecoverable", message });
}

function base64url(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString("base64url");
}
