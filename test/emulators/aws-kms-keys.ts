/** The keys of one account and region in the AWS KMS emulator. The key pairs are real where Node can generate them. */
import { generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from "node:crypto";
import type { KeySpec, KeyState, KeyUsageType, OriginType } from "@aws-sdk/client-kms";
import { AwsKmsError } from "./aws-kms-error.js";

/** A key of the account. */
export interface KmsKey {
  readonly id: string;
  readonly arn: string;
  readonly spec: KeySpec;
  readonly usage: KeyUsageType;
  readonly origin: OriginType;
  readonly multiRegion: boolean;
  readonly description: string;
  readonly created: Date;
  /** Undefined for symmetric and HMAC keys. */
  readonly pair: { publicKey: KeyObject; privateKey: KeyObject } | undefined;
  state: KeyState;
  /** How many more calls fail with NotFoundException, because the key was just created (eventual consistency). */
  callsUntilVisible: number;
  tags: unknown;
}

/** The properties of a new key. Default: an enabled ECC_NIST_P256 key for SIGN_VERIFY. */
export type KeyOptions = Partial<Pick<KmsKey, "spec" | "usage" | "origin" | "multiRegion" | "description" | "tags">>;

const ACCOUNT = "111122223333";

/** The keys and aliases of one account and region. */
export class KmsKeys {
  readonly region: string;
  readonly all = new Map<string, KmsKey>();
  /** Alias name → key ARN. */
  readonly #aliases = new Map<string, string>();

  constructor(region: string) {
    this.region = region;
  }

  add(options: KeyOptions = {}, callsUntilVisible = 0): KmsKey {
    const { spec = "ECC_NIST_P256", multiRegion = false } = options;
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
      pair: generateKeyPair(spec),
      state: "Enabled",
      callsUntilVisible,
      tags: [],
      ...options,
    };
    this.all.set(key.arn, key);
    return key;
  }

  /**
   * Points an alias at a key, whether or not the alias exists.
   *
   * @returns The alias ARN.
   */
  alias(name: string, key: KmsKey): string {
    this.#aliases.set(name, key.arn);
    return this.#arn(name);
  }

  hasAlias(name: string): boolean {
    return this.#aliases.has(name);
  }

  /** @throws {AwsKmsError} NotFoundException, with the wording of the service. */
  find(keyId: string): KmsKey {
    const [, region, resource = keyId] = /^arn:aws:kms:([^:]+):\d+:(.+)$/.exec(keyId) ?? [];
    if (region !== undefined && region !== this.region)
      throw new AwsKmsError("NotFoundException", `Invalid arn ${region}`);
    const arn = resource.startsWith("alias/")
      ? this.#aliases.get(resource)
      : this.#arn(`key/${resource.replace("key/", "")}`);
    const key = this.all.get(arn ?? "");
    const isHidden = key !== undefined && key.callsUntilVisible > 0;
    if (isHidden) key.callsUntilVisible--;
    if (!key || isHidden) throw new AwsKmsError("NotFoundException", notFoundMessage(this.#arn(resource), resource));
    return key;
  }

  #arn(resource: string): string {
    return `arn:aws:kms:${this.region}:${ACCOUNT}:${resource}`;
  }
}

function notFoundMessage(arn: string, resource: string): string {
  return resource.startsWith("alias/") ? `Alias ${arn} is not found.` : `Key '${arn}' does not exist`;
}

/** Node 20 can't generate ML-DSA and ML-KEM keys. An Ed25519 key stands in: callers must reject the key by its spec. */
function generateKeyPair(spec: KeySpec): KmsKey["pair"] {
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
