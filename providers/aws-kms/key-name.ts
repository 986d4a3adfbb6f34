/** The four ways to name a key in AWS KMS: key id, key ARN, alias and alias ARN (KMS Developer Guide, "Key identifiers"). */
import { SignerError } from "../../src/errors.js";

export interface KeyName {
  /** As it was given, and as KMS takes it. Its case matters. */
  readonly keyId: string;
  /** `key/…` or `alias/…`, with which the ARN ends. */
  readonly resource: string;
  /** Where the key is, if it was named by an ARN. */
  readonly region?: string | undefined;
}

const ID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|mrk-[0-9a-f]{32}";
const ALIAS = "alias/[\\w/-]{1,250}";
const BARE_NAME = new RegExp(`^(?:(?<id>${ID})|(?<alias>${ALIAS}))$`);
const ARN = new RegExp(`^arn:aws[a-z-]*:kms:(?<region>[a-z0-9-]+):\\d{12}:(?<resource>key/(?:${ID})|${ALIAS})$`);
const NEEDED =
  "Needed is a key id (a UUID in lower case, or mrk-…), alias/…, or the ARN of either (arn:aws:kms:<region>:<account>:key/…)";

/** @throws {SignerError} code `misconfigured`, saying what was found and what is needed */
export function parseKeyName(keyId: string): KeyName {
  const arn = ARN.exec(keyId)?.groups;
  if (arn?.resource) return { keyId, resource: arn.resource, region: arn.region };
  const bare = BARE_NAME.exec(keyId)?.groups;
  if (bare) return { keyId, resource: bare.alias ?? `key/${bare.id}` };
  throw new SignerError("misconfigured", `${wrongName(keyId)}. ${NEEDED}.`);
}

/** Whether an ARN that KMS gave can be that of the key: an alias may stand for any. */
export function isArnOf(name: KeyName, keyArn: string): boolean {
  const arn = ARN.exec(keyArn)?.groups;
  if (!arn?.resource?.startsWith("key/")) return false;
  return (
    name.resource.startsWith("alias/") ||
    keyArn === name.keyId ||
    (name.region === undefined && arn.resource === name.resource)
  );
}

function wrongName(found: unknown): string {
  if (typeof found !== "string" || found === "") return "An AWS KMS signer was given no key";
  const quoted = JSON.stringify(found.length > 100 ? `${found.slice(0, 100)}…` : found);
  return found.startsWith("arn:") ? `${quoted} is no ARN of a KMS key or alias` : `${quoted} is no name of a KMS key`;
}
