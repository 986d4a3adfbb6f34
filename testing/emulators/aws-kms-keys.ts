/** The keys of one account and region in the AWS KMS emulator. */
import { randomBytes, randomUUID } from "node:crypto";
import { AwsKmsError } from "./aws-kms-error.js";
import { generateKeyMaterial, type KeyMaterial } from "./aws-kms-material.js";
import type { KeySpec, KeyState, KeyUsageType, OriginType } from "./aws-kms-types.js";

/** A key of the account. */
export interface KmsKey {
  /** A UUID or, for a multi-Region key, `mrk-` and 32 hex digits. */
  readonly id: string;
  /** `arn:aws:kms:REGION:111122223333:key/ID`. */
  readonly arn: string;
  /** The type of the key, and its curve or length. */
  readonly spec: KeySpec;
  /** What the key may be used for. */
  readonly usage: KeyUsageType;
  /** Where its material comes from. */
  readonly origin: OriginType;
  /** Whether it is a multi-Region key. */
  readonly multiRegion: boolean;
  /** The description of the key in its metadata. */
  readonly description: string;
  /** When the key was created. */
  readonly created: Date;
  /** The key pair. Undefined for symmetric and HMAC keys. */
  readonly material: KeyMaterial | undefined;
  /** The state of the key. Only an `Enabled` key signs. */
  state: KeyState;
  /** When the key will be deleted, while its state is `PendingDeletion`. */
  deletionDate?: Date | undefined;
  /** How many more calls fail with NotFoundException, because the key was just created (eventual consistency). */
  callsUntilVisible: number;
  /** The `Tags` of the request that created the key. */
  tags: unknown;
}

/** The properties of a new key. Default: an enabled ECC_NIST_P256 key for SIGN_VERIFY. */
export type KeyOptions = Partial<Pick<KmsKey, "spec" | "usage" | "origin" | "multiRegion" | "description" | "tags">>;

const ACCOUNT = "111122223333";

/** The keys and aliases of one account and region. */
export class KmsKeys {
  /** The region of the ARNs. */
  readonly region: string;
  /** Keys per page of ListKeys: small, so that tests need several pages. */
  pageSize = 3;
  /** The keys by their ARN. */
  readonly all = new Map<string, KmsKey>();
  /** Alias name → key ARN. */
  readonly #aliases = new Map<string, string>();

  constructor(region: string) {
    this.region = region;
  }

  /**
   * Adds a key.
   *
   * @param callsUntilVisible - How many calls fail with NotFoundException before the key is found. Default: 0.
   */
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
      material: generateKeyMaterial(spec),
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

  /** Returns whether an alias exists. Its name starts with `alias/`. */
  hasAlias(name: string): boolean {
    return this.#aliases.has(name);
  }

  /**
   * Finds a key by its id, its ARN, or the name or ARN of an alias.
   *
   * @throws {AwsKmsError} NotFoundException, with the wording of the service.
   */
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
