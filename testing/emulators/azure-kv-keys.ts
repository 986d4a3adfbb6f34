/** The keys of one vault or managed HSM in the emulator, with their versions, and the deleted ones. */
import { randomBytes } from "node:crypto";
import { AzureKvError, badParameter } from "./azure-kv-error.js";
import { type Curve, ecMaterial, type KeyMaterial, rsaMaterial } from "./azure-kv-material.js";

/** The `attributes` of a version that the tests need. Times are seconds since 1970. */
export interface VersionAttributes {
  enabled: boolean;
  nbf?: number | undefined;
  exp?: number | undefined;
  created: number;
  updated: number;
  recoveryLevel: string;
  recoverableDays: number;
  exportable: boolean | undefined;
  hsmPlatform: string | undefined;
}

/** A version of a key. */
export interface KeyVersion {
  readonly name: string;
  readonly version: string;
  /** `https://VAULT/keys/NAME/VERSION`. */
  readonly kid: string;
  readonly kty: string;
  readonly material: KeyMaterial;
  keyOps: string[];
  attributes: VersionAttributes;
  managed?: boolean;
  releasePolicy?: object;
}

/** A new version. By default, an enabled EC key on P-256 that can sign and verify. */
export interface VersionOptions extends Partial<Omit<VersionAttributes, "created" | "updated">> {
  readonly name?: string;
  readonly kty?: string;
  readonly curve?: Curve;
  readonly keySize?: number;
  readonly keyOps?: readonly string[];
  readonly managed?: boolean;
  readonly releasePolicy?: object;
}

const NAME = /^[0-9a-zA-Z-]{1,127}$/;
const RECOVERABLE_DAYS = 90;
const SYMMETRIC: KeyMaterial = {
  publicMembers: {},
  sign: () => {
    throw badParameter("Key and signing algorithm are incompatible.");
  },
};

/** The keys of a vault. Names are case-insensitive, as in the service. */
export class VaultKeys {
  readonly vaultUrl: string;
  readonly isManagedHsm: boolean;
  /** Versions by the lower-case name of their key, oldest first. */
  readonly all = new Map<string, KeyVersion[]>();
  readonly deleted = new Map<string, KeyVersion[]>();

  constructor(vaultUrl: string, isManagedHsm: boolean) {
    this.vaultUrl = vaultUrl;
    this.isManagedHsm = isManagedHsm;
  }

  /** Adds a version, and the key if there isn't one of that name. */
  add(options: VersionOptions = {}): KeyVersion {
    const { name = `key-${this.all.size + 1}`, kty = this.isManagedHsm ? "EC-HSM" : "EC" } = options;
    if (!NAME.test(name)) throw badParameter("The request URI contains an invalid name.");
    const existing = this.all.get(name.toLowerCase());
    const version = randomBytes(16).toString("hex");
    const keyName = existing?.[0]?.name ?? name;
    const { managed, releasePolicy } = options;
    const added: KeyVersion = {
      name: keyName,
      version,
      kid: `${this.vaultUrl}/keys/${keyName}/${version}`,
      kty,
      material: materialOf(kty, options),
      keyOps: [...(options.keyOps ?? ["sign", "verify"])],
      attributes: attributesOf(options, kty),
      ...(managed !== undefined && { managed }),
      ...(releasePolicy !== undefined && { releasePolicy }),
    };
    this.all.set(name.toLowerCase(), [...(existing ?? []), added]);
    return added;
  }

  /** @throws {AzureKvError} `KeyNotFound`, with the wording of the service. */
  find(name: string, version = ""): KeyVersion {
    const versions = this.all.get(name.toLowerCase()) ?? [];
    const found = version === "" ? versions.at(-1) : versions.find((each) => each.version === version);
    if (found) return found;
    const message =
      `A key with (name/id) ${name}${version && `/${version}`} was not found in this key vault. If you recently ` +
      "deleted this key you may be able to recover it using the correct recovery command. For help resolving this " +
      "issue, please see https://go.microsoft.com/fwlink/?linkid=2125182";
    throw new AzureKvError({ status: 404, code: "KeyNotFound", message });
  }

  /** Deletes a key with its versions. It stays recoverable. */
  delete(name: string): KeyVersion {
    const newest = this.find(name);
    this.deleted.set(name.toLowerCase(), this.all.get(name.toLowerCase()) ?? []);
    this.all.delete(name.toLowerCase());
    return newest;
  }
}

function materialOf(kty: string, { curve = "P-256", keySize = 2048 }: VersionOptions): KeyMaterial {
  if (kty === "EC" || kty === "EC-HSM") return ecMaterial(curve);
  if (kty === "RSA" || kty === "RSA-HSM") return rsaMaterial(keySize);
  if (kty === "oct" || kty === "oct-HSM") return SYMMETRIC;
  throw badParameter(`Invalid kty value: ${kty}.`);
}

function attributesOf(options: VersionOptions, kty: string): VersionAttributes {
  const now = Math.floor(Date.now() / 1000);
  const { enabled = true, nbf, exp, recoveryLevel = "Recoverable+Purgeable" } = options;
  return {
    enabled,
    nbf,
    exp,
    created: now,
    updated: now,
    recoveryLevel,
    recoverableDays: RECOVERABLE_DAYS,
    exportable: "exportable" in options ? options.exportable : false,
    hsmPlatform: options.hsmPlatform ?? (kty.endsWith("-HSM") ? "2" : "0"),
  };
}
