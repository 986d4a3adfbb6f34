/** What AWS KMS does for each operation, after its API reference (version 2014-11-01). */
import { randomBytes } from "node:crypto";
import type { KeySpec, KeyUsageType, SigningAlgorithmSpec } from "@aws-sdk/client-kms";
import { KmsFailure } from "./aws-kms-failure.js";
import type { KmsKey, KmsKeys } from "./aws-kms-keys.js";
import { signDigest } from "./ecdsa-digest.js";
import type { Fault } from "./fault-plan.js";

export type KmsOperation = "GetPublicKey" | "Sign" | "DescribeKey" | "CreateKey" | "CreateAlias" | "ListKeys";
type Input = Readonly<Record<string, unknown>>;
type Operate = (keys: KmsKeys, input: Input, fault: Fault | undefined) => Record<string, unknown>;

/** Keys on one page of ListKeys: few, so that there are pages. */
const PAGE = 3;
/** How many calls a new key, or one with a new alias, stays unseen. */
const UNSEEN = 2;

export const operations: Readonly<Record<KmsOperation, Operate>> = {
  GetPublicKey(keys, input, fault) {
    const key = usable(keys.find(text(input, "KeyId")));
    if (!key.pair)
      throw new KmsFailure("UnsupportedOperationException", `${key.arn} key spec ${key.spec} is not valid.`);
    const { publicKey } = fault === "other-key" ? (keys.add().pair ?? key.pair) : key.pair;
    const spki = publicKey.export({ type: "spki", format: "der" });
    return {
      KeyId: nameOf(keys, key, fault),
      PublicKey: (fault === "corrupt-signature" ? changed(spki) : spki).toString("base64"),
      KeySpec: key.spec,
      CustomerMasterKeySpec: key.spec,
      KeyUsage: key.usage,
      SigningAlgorithms: algorithmsOf(key),
    };
  },

  Sign(keys, input, fault) {
    const key = usable(keys.find(text(input, "KeyId")));
    const algorithm = text(input, "SigningAlgorithm");
    if (!algorithmsOf(key)?.some((known) => known === algorithm) || !key.pair)
      throw new KmsFailure(
        "InvalidKeyUsageException",
        `Algorithm ${algorithm} is incompatible with key spec ${key.spec}.`,
      );
    const digest = Buffer.from(text(input, "Message"), "base64");
    if (input.MessageType !== "DIGEST" || digest.length !== 32)
      throw new KmsFailure("ValidationException", `Digest is invalid length for algorithm ${algorithm}.`);
    const { privateKey } = fault === "other-key" ? (keys.add().pair ?? key.pair) : key.pair;
    const signature = Buffer.from(signDigest(privateKey, fault === "wrong-signature" ? randomBytes(32) : digest));
    return {
      KeyId: nameOf(keys, key, fault),
      Signature: (fault === "corrupt-signature" ? changed(signature) : signature).toString("base64"),
      SigningAlgorithm: algorithm,
    };
  },

  DescribeKey(keys, input, fault) {
    const key = keys.find(text(input, "KeyId"));
    return { KeyMetadata: { ...metadataOf(key), Arn: nameOf(keys, key, fault) } };
  },

  CreateKey(keys, { KeySpec, KeyUsage, Description, MultiRegion, Tags, Origin = "AWS_KMS" }) {
    if (KeySpec !== "ECC_NIST_P256" || KeyUsage !== "SIGN_VERIFY" || Origin !== "AWS_KMS")
      throw new KmsFailure("ValidationException", "The emulator makes ECC_NIST_P256 keys for SIGN_VERIFY.");
    const wanted = { description: String(Description ?? ""), multiRegion: MultiRegion === true, tags: Tags };
    return { KeyMetadata: metadataOf(keys.add(wanted, UNSEEN)) };
  },

  CreateAlias(keys, input) {
    const alias = text(input, "AliasName");
    if (!/^alias\/[a-zA-Z0-9/_-]+$/.test(alias))
      throw new KmsFailure("InvalidAliasNameException", `${alias} is not valid`);
    if (keys.hasAlias(alias))
      throw new KmsFailure("AlreadyExistsException", `An alias with the name ${alias} already exists`);
    const key = keys.find(text(input, "TargetKeyId"));
    keys.alias(alias, key);
    key.unseen = UNSEEN;
    return {};
  },

  ListKeys(keys, { Marker }) {
    const start = Number(Marker ?? 0);
    const arns = [...keys.all.keys()];
    const rest =
      arns.length > start + PAGE ? { Truncated: true, NextMarker: String(start + PAGE) } : { Truncated: false };
    return {
      Keys: arns.slice(start, start + PAGE).map((KeyArn) => ({ KeyArn, KeyId: KeyArn.split("/")[1] })),
      ...rest,
    };
  },
};

/** Developer Guide, "Key states": what GetPublicKey and Sign answer unless the key is enabled. */
function usable(key: KmsKey): KmsKey {
  const words = STATES[key.state];
  if (words === undefined) return key;
  throw new KmsFailure(
    key.state === "Disabled" ? "DisabledException" : "KMSInvalidStateException",
    `${key.arn} is ${words}.`,
  );
}

const STATES: Readonly<Record<KmsKey["state"], string | undefined>> = {
  Enabled: undefined,
  Updating: undefined,
  Disabled: "disabled",
  Creating: "creating",
  PendingDeletion: "pending deletion",
  PendingReplicaDeletion: "pending replica deletion",
  PendingImport: "pending import",
  Unavailable: "unavailable",
};

const ALGORITHMS: Partial<Record<KeySpec, SigningAlgorithmSpec[]>> = {
  ECC_NIST_P256: ["ECDSA_SHA_256"],
  ECC_SECG_P256K1: ["ECDSA_SHA_256"],
  ECC_NIST_P384: ["ECDSA_SHA_384"],
  ECC_NIST_P521: ["ECDSA_SHA_512"],
  RSA_2048: ["RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PSS_SHA_256"],
};
const SIGNING: KeyUsageType = "SIGN_VERIFY";

function algorithmsOf({ usage, spec }: KmsKey): SigningAlgorithmSpec[] | undefined {
  return usage === SIGNING ? ALGORITHMS[spec] : undefined;
}

function metadataOf(key: KmsKey): Record<string, unknown> {
  return {
    AWSAccountId: key.arn.split(":")[4],
    KeyId: key.id,
    Arn: key.arn,
    CreationDate: key.created.getTime() / 1000,
    Enabled: key.state === "Enabled",
    Description: key.description,
    KeyUsage: key.usage,
    KeyState: key.state,
    Origin: key.origin,
    KeyManager: "CUSTOMER",
    KeySpec: key.spec,
    CustomerMasterKeySpec: key.spec,
    SigningAlgorithms: algorithmsOf(key),
    MultiRegion: key.multiRegion,
    ...(key.multiRegion && { MultiRegionConfiguration: { MultiRegionKeyType: "PRIMARY", ReplicaKeys: [] } }),
  };
}

function nameOf(keys: KmsKeys, key: KmsKey, fault: Fault | undefined): string {
  return fault === "other-name" ? keys.add().arn : key.arn;
}

function changed(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(copy.length - 5) ^ 1, copy.length - 5);
  return copy;
}

function text(input: Input, name: string): string {
  const value = input[name];
  if (typeof value === "string") return value;
  throw new KmsFailure("ValidationException", `1 validation error detected: Value at '${name}' must not be null`);
}
