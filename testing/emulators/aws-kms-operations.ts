/** The operations of the AWS KMS emulator, after the API reference (version 2014-11-01). */
import { randomBytes } from "node:crypto";
import { AwsKmsError } from "./aws-kms-error.js";
import type { KmsKey, KmsKeys } from "./aws-kms-keys.js";
import { generateKeyMaterial, type KeyMaterial } from "./aws-kms-material.js";
import { checkSignRequest, checkSignRequestFor, isSigningSpec, SIGNING_ALGORITHMS } from "./aws-kms-specs.js";
import type { AwsKmsRequests, KeyUsageType, SigningAlgorithmSpec } from "./aws-kms-types.js";
import type { Fault } from "./fault-plan.js";

/** The operations that the emulator implements. */
export type KmsOperation = keyof AwsKmsRequests;
type Input = Readonly<Record<string, unknown>>;
type OperationHandler = (keys: KmsKeys, input: Input, fault: Fault | undefined) => Record<string, unknown>;

/** How many calls don't find a new key, or a key with a new alias. */
const CALLS_UNTIL_VISIBLE = 2;

/** Maps each operation to the function that handles it. */
export const operations: Readonly<Record<KmsOperation, OperationHandler>> = {
  GetPublicKey(keys, input, fault) {
    const key = enabled(keys.find(stringInput(input, "KeyId")));
    const { spki } = materialOf(key, fault);
    return {
      KeyId: reportedArn(keys, key, fault),
      PublicKey: (fault === "corrupt-signature" ? withFlippedBit(spki) : spki).toString("base64"),
      KeySpec: key.spec,
      CustomerMasterKeySpec: key.spec,
      KeyUsage: key.usage,
      SigningAlgorithms: algorithmsOf(key),
    };
  },

  Sign(keys, input, fault) {
    const request = {
      algorithm: stringInput(input, "SigningAlgorithm"),
      messageType: String(input.MessageType ?? "RAW"),
      message: Buffer.from(stringInput(input, "Message"), "base64"),
    };
    checkSignRequest(request);
    const key = enabled(forSigning(keys.find(stringInput(input, "KeyId"))));
    checkSignRequestFor(key.spec, request);
    if (input.DryRun === true)
      throw new AwsKmsError(
        "DryRunOperationException",
        "The request would have succeeded, but the DryRun option is set.",
      );
    const message = fault === "wrong-signature" ? randomBytes(request.message.length) : request.message;
    const signature = Buffer.from(materialOf(key, fault).sign({ ...request, message }));
    return {
      KeyId: reportedArn(keys, key, fault),
      Signature: (fault === "corrupt-signature" ? withFlippedBit(signature) : signature).toString("base64"),
      SigningAlgorithm: request.algorithm,
    };
  },

  DescribeKey(keys, input, fault) {
    const key = keys.find(stringInput(input, "KeyId"));
    return { KeyMetadata: { ...metadataOf(key), Arn: reportedArn(keys, key, fault) } };
  },

  CreateKey(keys, input) {
    const { Description, MultiRegion, Tags, Origin = "AWS_KMS" } = input;
    const spec = stringInput(input, "KeySpec");
    if (!isSigningSpec(spec) || input.KeyUsage !== SIGN_VERIFY || Origin !== "AWS_KMS")
      throw new AwsKmsError("ValidationException", `KeyUsage ${input.KeyUsage} is not compatible with KeySpec ${spec}`);
    const options = { spec, description: String(Description ?? ""), multiRegion: MultiRegion === true, tags: Tags };
    return { KeyMetadata: metadataOf(keys.add(options, CALLS_UNTIL_VISIBLE)) };
  },

  CreateAlias(keys, input) {
    const alias = stringInput(input, "AliasName");
    if (!/^alias\/[a-zA-Z0-9/_-]+$/.test(alias))
      throw new AwsKmsError("InvalidAliasNameException", `${alias} is not valid`);
    if (keys.hasAlias(alias))
      throw new AwsKmsError("AlreadyExistsException", `An alias with the name ${alias} already exists`);
    const key = keys.find(stringInput(input, "TargetKeyId"));
    keys.alias(alias, key);
    key.callsUntilVisible = CALLS_UNTIL_VISIBLE;
    return {};
  },

  ListKeys(keys, { Marker }) {
    const start = Number(Marker ?? 0);
    const arns = [...keys.all.keys()];
    const rest =
      arns.length > start + keys.pageSize
        ? { Truncated: true, NextMarker: String(start + keys.pageSize) }
        : { Truncated: false };
    return {
      Keys: arns.slice(start, start + keys.pageSize).map((KeyArn) => ({ KeyArn, KeyId: KeyArn.split("/")[1] })),
      ...rest,
    };
  },

  ScheduleKeyDeletion(keys, input) {
    const key = forDeletion(keys, stringInput(input, "KeyId"));
    const { PendingWindowInDays: days = 30 } = input;
    if (typeof days !== "number" || days < 7 || days > 30)
      throw new AwsKmsError("ValidationException", "Value at 'pendingWindowInDays' must be between 7 and 30");
    Object.assign(key, { state: "PendingDeletion", deletionDate: new Date(Date.now() + days * 86_400_000) });
    return {
      KeyId: key.arn,
      DeletionDate: Number(key.deletionDate) / 1000,
      KeyState: key.state,
      PendingWindowInDays: days,
    };
  },
};

/** An alias doesn't name a key to delete. */
function forDeletion(keys: KmsKeys, keyId: string): KmsKey {
  if (/(^|:)alias\//.test(keyId)) throw new AwsKmsError("NotFoundException", `Invalid keyId '${keyId}'`);
  const key = keys.find(keyId);
  if (!key.state.startsWith("Pending") || key.state === "PendingImport") return key;
  throw new AwsKmsError("KMSInvalidStateException", `${key.arn} is ${STATES[key.state]}.`);
}

/** Throws the errors of GetPublicKey and Sign for a key that isn't enabled (Developer Guide, "Key states of AWS KMS keys"). */
function enabled(key: KmsKey): KmsKey {
  const description = STATES[key.state];
  if (description === undefined) return key;
  throw new AwsKmsError(
    key.state === "Disabled" ? "DisabledException" : "KMSInvalidStateException",
    `${key.arn} is ${description}.`,
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

const SIGN_VERIFY: KeyUsageType = "SIGN_VERIFY";

function algorithmsOf({ usage, spec }: KmsKey): readonly SigningAlgorithmSpec[] | undefined {
  return usage === SIGN_VERIFY ? SIGNING_ALGORITHMS[spec] : undefined;
}

/** Sign's error for a key with another usage. */
function forSigning(key: KmsKey): KmsKey {
  if (key.usage === SIGN_VERIFY) return key;
  const message = `${key.arn} key usage is ${key.usage} which is not valid for Sign.`;
  throw new AwsKmsError("InvalidKeyUsageException", message);
}

/** Returns the key's material, or that of another key of the same spec. */
function materialOf(key: KmsKey, fault: Fault | undefined): KeyMaterial {
  const material = fault === "other-key" ? otherMaterial(key) : key.material;
  if (material) return material;
  throw new AwsKmsError("UnsupportedOperationException", `${key.arn} key spec ${key.spec} is not valid.`);
}

function otherMaterial({ spec, material }: KmsKey): KeyMaterial | undefined {
  for (;;) {
    const other = generateKeyMaterial(spec);
    if (!material || !other?.spki.equals(material.spki)) return other;
  }
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
    ...(key.deletionDate && { DeletionDate: key.deletionDate.getTime() / 1000 }),
    Origin: key.origin,
    KeyManager: "CUSTOMER",
    KeySpec: key.spec,
    CustomerMasterKeySpec: key.spec,
    SigningAlgorithms: algorithmsOf(key),
    MultiRegion: key.multiRegion,
    ...(key.multiRegion && { MultiRegionConfiguration: { MultiRegionKeyType: "PRIMARY", ReplicaKeys: [] } }),
  };
}

function reportedArn(keys: KmsKeys, key: KmsKey, fault: Fault | undefined): string {
  return fault === "other-name" ? keys.add().arn : key.arn;
}

function withFlippedBit(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(copy.length - 5) ^ 1, copy.length - 5);
  return copy;
}

function stringInput(input: Input, name: string): string {
  const value = input[name];
  if (typeof value === "string") return value;
  throw new AwsKmsError("ValidationException", `1 validation error detected: Value at '${name}' must not be null`);
}
