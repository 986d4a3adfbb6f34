/** `awskms:` URIs: opens keys, makes new ones, and lists those that can sign. */
import { SignerError } from "../../src/errors.js";
import { KeySigner } from "../../src/keystore/key-signer.js";
import type { Provider } from "../../src/keystore/provider.js";
import type { Signer, SignOptions } from "../../src/keystore/signer.js";
import { checkTimeout, withClient } from "../../src/keystore/store-call.js";
import { AwsKmsClient, type CreateKeyCommandInput, type KeyMetadata } from "./client.js";
import { provesKeyExists } from "./errors.js";
import { parseKeyName } from "./names.js";
import { canSign } from "./open-key.js";
import { accessTo, KmsSigner, type KmsSignerOptions, keySource, uriOf } from "./signer.js";
import { parseKmsUri } from "./uri.js";

/** For a new key. What is left out is the service's default. */
export interface KmsProviderOptions extends KmsSignerOptions, SignOptions {
  /** Default `DPoP proofs (hardproof)`. */
  description?: string | undefined;
  /** Lets the key be replicated to other regions. It can't be changed later. */
  multiRegion?: boolean | undefined;
  tags?: Readonly<Record<string, string>> | undefined;
  /** The key policy, JSON. Default: the account's IAM policies decide. */
  policy?: string | undefined;
}

/** Keys in AWS KMS by their URIs: `awskms:///<key id, alias/… or ARN>?region=…&endpoint=…`. */
export const provider: Provider<KmsProviderOptions> = {
  scheme: "awskms",

  open(uri, options = {}) {
    const { keyId, ...merged } = located(uri, options);
    return new KmsSigner(keyId, merged);
  },

  /**
   * @param uri - `awskms:///alias/…`, or `awskms:///` for a key without an alias
   * @returns a signer for the new key's ARN; its first use waits until the key is seen everywhere
   * @throws {SignerError} code `misconfigured` if the alias names a key already; if only the alias could not be made, the
   *   message names the key that was
   */
  async create(uri, options = {}) {
    return withKms(located(uri, options), "creating the key (it may exist nevertheless: list the keys)", create);
  },

  /**
   * @param uri - `awskms:///`, with `region` and `endpoint` if need be
   * @returns the URIs of the enabled keys on P-256 for signing; those that the caller may not describe are left out
   * @throws {SignerError} code `access-denied` if the caller may describe none
   */
  async list(uri, options = {}) {
    return withKms(located(uri, options), "listing the keys", list);
  },
};

type Located = KmsProviderOptions & { keyId: string };
type Work<T> = (kms: AwsKmsClient, options: Located, signal: AbortSignal) => Promise<T>;

/** What the URI says goes before the options. */
function located(uri: string, options: KmsProviderOptions): Located {
  const { keyId, region = options.region, endpoint } = parseKmsUri(uri);
  const clientConfig = endpoint === undefined ? options.clientConfig : { ...options.clientConfig, endpoint };
  return { ...options, keyId, region, clientConfig };
}

/** Errors name the URI, once it is known to hold nothing secret. */
function withKms<T>(options: Located, operation: string, work: Work<T>): Promise<T> {
  const clientOptions = accessTo(options);
  const uri = uriOf(options.keyId, options);
  const call = { uri, operation, timeout: checkTimeout(uri, options.timeout), signal: options.signal };
  return withClient(
    call,
    () => AwsKmsClient.connect(clientOptions),
    (kms, { signal }) => work(kms, options, signal),
  );
}

async function create(kms: AwsKmsClient, options: Located, signal: AbortSignal): Promise<Signer> {
  const { keyId: alias } = options;
  if (alias !== "") await checkNewAlias(kms, alias, signal);
  const metadata = await kms.createKey(newKey(options), signal);
  if (!metadata?.Arn) throw new SignerError("integrity", "AWS KMS answered CreateKey without an ARN.");
  if (alias !== "") await createAlias(kms, alias, metadata.Arn, signal);
  return new KeySigner(keySource(metadata.Arn, options, kms.settledAt), options);
}

/** Before the key is made: a key costs money and can't be deleted at once, so none is made in vain. */
async function checkNewAlias(kms: AwsKmsClient, alias: string, signal: AbortSignal): Promise<void> {
  if (parseKeyName(alias).resource !== alias || alias.startsWith("alias/aws/"))
    throw new SignerError(
      "misconfigured",
      "AWS KMS gives a new key its id: name an alias/… (not alias/aws/…) or nothing.",
    );
  if (await aliasExists(kms, alias, signal))
    throw new SignerError("misconfigured", `${alias} names a key already. Open it, or choose another alias.`);
}

/** As far as the caller may see: who may make keys need not be allowed to look at them. */
async function aliasExists(kms: AwsKmsClient, alias: string, signal: AbortSignal): Promise<boolean> {
  try {
    await kms.getPublicKey(alias, signal);
    return true;
  } catch (error) {
    if (!(error instanceof SignerError)) throw error;
    if (provesKeyExists(error.cause)) return true;
    if (error.code === "key-not-found" || error.code === "access-denied") return false;
    throw error;
  }
}

function newKey({ description, multiRegion, tags = {}, policy }: KmsProviderOptions): CreateKeyCommandInput {
  return {
    KeySpec: "ECC_NIST_P256",
    KeyUsage: "SIGN_VERIFY",
    Description: description ?? "DPoP proofs (hardproof)",
    Tags: Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
    MultiRegion: multiRegion,
    Policy: policy,
  };
}

/** Nor is a key lost that was made. */
async function createAlias(kms: AwsKmsClient, alias: string, keyArn: string, signal: AbortSignal): Promise<void> {
  try {
    await kms.createAlias(alias, keyArn, signal);
  } catch (error) {
    if (!(error instanceof SignerError)) throw error;
    const message = `${keyArn} was made, but not ${alias}: ${error.message}`;
    const remedy = "Give the key an alias by hand, or schedule its deletion.";
    throw new SignerError(error.code, `${message} ${remedy}`, { cause: error.cause });
  }
}

async function list(kms: AwsKmsClient, options: Located, signal: AbortSignal): Promise<string[]> {
  if (options.keyId !== "") throw new SignerError("misconfigured", "To list keys, name none: awskms:///?region=…");
  const seen: (KeyMetadata | SignerError)[] = [];
  for await (const page of kms.keyPages(signal))
    seen.push(...(await Promise.all(page.map((keyArn) => describeOrSkip(kms, keyArn, signal)))));
  const keys = seen.flatMap((one) => (one instanceof SignerError ? [] : one));
  const denied = seen.find((one) => one instanceof SignerError && one.code === "access-denied");
  if (denied && keys.length === 0) throw denied;
  return keys
    .filter((key) => canSign(key) && key.KeyState === "Enabled")
    .flatMap(({ Arn = "" }) => uriOf(Arn, options, parseKeyName(Arn).region));
}

/** A key may have a policy of its own that hides it, be gone by now, or be too new to be seen everywhere. */
async function describeOrSkip(
  kms: AwsKmsClient,
  keyArn: string,
  signal: AbortSignal,
): Promise<KeyMetadata | SignerError> {
  try {
    return await kms.describeKey(keyArn, signal);
  } catch (error) {
    const isHidden = error instanceof SignerError && ["access-denied", "key-not-found"].includes(error.code);
    if (isHidden) return error;
    throw error;
  }
}
