/** The keys of one account and region of the AWS KMS emulator: real ones where Node can make them. */
import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from "node:crypto";
import type { KeySpec, KeyState, KeyUsageType, OriginType } from "@aws-sdk/client-kms";
import { KmsFailure } from "./aws-kms-failure.js";

export interface KmsKey {
  readonly id: string;
  readonly arn: string;
  readonly spec: KeySpec;
  readonly usage: KeyUsageType;
  readonly origin: OriginType;
  readonly multiRegion: boolean;
  readonly description: string;
  readonly created: Date;
  /** Absent for symmetric and HMAC keys. */
  readonly pair: { publicKey: KeyObject; privateKey: KeyObject } | undefined;
  state: KeyState;
  /** How many calls more do not find it: a key that was just made. */
  unseen: number;
  tags: unknown;
}

export type NewKey = Partial<Pick<KmsKey, "spec" | "usage" | "origin" | "multiRegion" | "description" | "tags">>;

const ACCOUNT = "111122223333";

export class KmsKeys {
  readonly region: string;
  readonly all = new Map<string, KmsKey>();
  /** Alias name → key ARN. */
  readonly #aliases = new Map<string, string>();

  constructor(region: string) {
    this.region = region;
  }

  add(wanted: NewKey = {}, unseen = 0): KmsKey {
    const { spec = "ECC_NIST_P256", multiRegion = false } = wanted;
    const id = multiRegion ? `mrk-${randomBytes(16).toString("hex")}` : randomUUID();
    const key: KmsKey = {
      id,
      arn: this.#arn(`key/${id}`),
      spec,
      usage: "SIGN_VERIFY",
      origin: "AWS_KMS",
      multiRegion,
      description: "",
      created: new Date(),
      pair: pairOf(spec),
      state: "Enabled",
      unseen,
      tags: [],
      ...wanted,
    };
    this.all.set(key.arn, key);
    return key;
  }

  /** @returns the alias's ARN; an alias that is there is moved */
  alias(name: string, key: KmsKey): string {
    this.#aliases.set(name, key.arn);
    return this.#arn(name);
  }

  hasAlias(name: string): boolean {
    return this.#aliases.has(name);
  }

  /** @throws {KmsFailure} NotFoundException, worded as the service does */
  find(keyId: string): KmsKey {
    const [, region, resource = keyId] = /^arn:aws:kms:([^:]+):\d+:(.+)$/.exec(keyId) ?? [];
    if (region !== undefined && region !== this.region)
      throw new KmsFailure("NotFoundException", `Invalid arn ${region}`);
    const arn = resource.startsWith("alias/")
      ? this.#aliases.get(resource)
      : this.#arn(`key/${resource.replace("key/", "")}`);
    const key = this.all.get(arn ?? "");
    const unseen = key !== undefined && key.unseen > 0;
    if (unseen) key.unseen--;
    if (!key || unseen) throw new KmsFailure("NotFoundException", notFound(this.#arn(resource), resource));
    return key;
  }

  #arn(resource: string): string {
    return `arn:aws:kms:${this.region}:${ACCOUNT}:${resource}`;
  }
}

function notFound(arn: string, resource: string): string {
  return resource.startsWith("alias/") ? `Alias ${arn} is not found.` : `Key '${arn}' does not exist`;
}

/** What Node 20 can't make (ML-DSA, ML-KEM) is stood for by an Ed25519 key: its spec is what callers must look at. */
function pairOf(spec: KeySpec): KmsKey["pair"] {
  const curve = CURVES[spec];
  if (curve !== undefined) return generateKeyPairSync("ec", { namedCurve: curve });
  if (spec.startsWith("RSA_")) return generateKeyPairSync("rsa", { modulusLength: Number(spec.slice(4)) });
  if (spec === "SYMMETRIC_DEFAULT" || spec.startsWith("HMAC_")) return undefined;
  return generateKeyPairSync("ed25519");
}

const CURVES: Partial<Record<KeySpec, string>> = {
  ECC_NIST_P256: "prime256v1",
  ECC_NIST_P384: "secp384r1",
  ECC_NIST_P521: "secp521r1",
  ECC_SECG_P256K1: "secp256k1",
  SM2: "SM2",
};
