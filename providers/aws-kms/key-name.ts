/**
 * The four ways to name a key in AWS KMS: key id, key ARN, alias and alias ARN (KMS Developer Guide, "Key
 * identifiers").
 */
import { SignerError } from "../../src/errors.js";

/** A parsed key name. */
export interface KeyName {
  /** The name as the caller wrote it. It is case-sensitive. */
  readonly keyId: string;
  /** `key/…` or `alias/…`: the end of the ARN. */
  readonly resource: string;
  /** The region, if the name is an ARN. */
  readonly region?: string | undefined;
}

const ID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32}";
const ALIAS = "alias/[\\w/-]{1,250}";
const BARE_NAME = new RegExp(`^(?:(?<id>${ID})|(?<alias>${ALIAS}))$`);
const ARN = new RegExp(`^arn:aws[a-z-]*:kms:(?<region>[a-z0-9-]+):\\d{12}:(?<resource>key/(?:${ID})|${ALIAS})$`);
const EXPECTED =
  "Expected a key id (a UUID in lower case, or mrk-…), alias/…, or the ARN of either (arn:aws:kms:<region>:<account>:key/…)";

/**
 * Parses a key name.
 *
 * @throws {SignerError} With code `misconfigured`. The message contains the name and the accepted forms.
 */
export function parseKeyName(keyId: string): KeyName {
  const arn = ARN.exec(keyId)?.groups;
  if (arn?.resource) return { keyId, resource: arn.resource, region: arn.region };
  const bare = BARE_NAME.exec(keyId)?.groups;
  if (bare) return { keyId, resource: bare.alias ?? `key/${bare.id}` };
  throw new SignerError("misconfigured", `${describeInvalid(keyId)}. ${EXPECTED}.`);
}

/** Returns whether the name is the ARN of a key, which always stands for the same key. */
export function isKeyArn({ resource, region }: KeyName): boolean {
  return region !== undefined && resource.startsWith("key/");
}

/** Returns whether an ARN in a KMS response can belong to the named key. An alias can belong to any key. */
export function isArnOf(name: KeyName, keyArn: string): boolean {
  const arn = ARN.exec(keyArn)?.groups;
  if (!arn?.resource?.startsWith("key/")) return false;
  return (
    name.resource.startsWith("alias/") ||
    keyArn === name.keyId ||
    (name.region === undefined && arn.resource === name.resource)
  );
}

function describeInvalid(keyId: unknown): string {
  if (typeof keyId !== "string" || keyId === "") return "The name of the AWS KMS key is missing";
  const quoted = JSON.stringify(keyId.length > 100 ? `${keyId.slice(0, 100)}…` : keyId);
  return `${quoted} is not ${keyId.startsWith("arn:") ? "the ARN of a KMS key or alias" : "the name of a KMS key"}`;
}
