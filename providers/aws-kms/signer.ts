/** A signer whose key is in AWS KMS. */
import { assertObject } from "../../src/keystore/assert.js";
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import type { KeySource } from "../../src/keystore/key-source.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import type { AwsKmsClientOptions, KMSClient, KMSClientConfig } from "./client.js";
import { parseKeyName } from "./key-name.js";
import { openKey } from "./open-key.js";
import { formatKmsUri } from "./uri.js";

/** Options of {@link KmsSigner}. */
export interface KmsSignerOptions extends KeySignerOptions {
  /** The AWS region. Default: the region of the ARN, or else what the SDK finds (`AWS_REGION`, the profile). */
  region?: string | undefined;
  /** A client to use instead of a new one. `close()` doesn't close it. */
  client?: KMSClient | undefined;
  /** The configuration of the new client: `endpoint`, `credentials`, `maxAttempts`, `retryMode`, `requestHandler`, … */
  clientConfig?: KMSClientConfig | undefined;
}

/**
 * Signs with a key in AWS KMS. Its key spec decides the algorithm; an RSA key also needs the option `algorithm`. Sends
 * one `GetPublicKey` for all signers of a key ARN in the process, or one for each signer that names the key otherwise; none
 * for a key ARN with the option `publicKey`. Sends one `Sign` per signature: over the digest of the message, over its representative μ
 * (ML-DSA), or over the message itself, which may then have 1 to 4,096 bytes (Ed25519).
 *
 * @example
 * ```ts
 * const signer = new KmsSigner("arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab");
 * ```
 */
export class KmsSigner extends KeySigner {
  /**
   * Validates the name and the options. Doesn't do any I/O: the key is opened when it is first used.
   *
   * @param keyId - The key ARN, alias ARN, key id or `alias/…`. An alias is resolved only once, when the key is opened.
   * @throws {SignerError} With code `misconfigured` if the name or an option is invalid.
   */
  constructor(keyId: string, options: KmsSignerOptions = {}) {
    super(keySource(keyId, options), options);
  }
}

/**
 * Returns the source of a key for a `KeySigner`.
 *
 * @param retryNotFoundUntil - Milliseconds since 1970. Until this time, requests are repeated if KMS doesn't find the
 *   key yet.
 * @throws {SignerError} With code `misconfigured` if the name or an option is invalid.
 */
export function keySource(keyId: string, options: KmsSignerOptions, retryNotFoundUntil?: number): KeySource {
  const name = parseKeyName(keyId);
  const { algorithm } = assertObject(options, "The options of a signer");
  const openOptions = { ...toClientOptions(options, name.region), retryNotFoundUntil, algorithm };
  return {
    provider: "awskms",
    uri: toUri(keyId, options, name.region),
    open: (call, publicKey) => openKey(name, openOptions, call, publicKey),
  };
}

/**
 * Validates the options, and returns those for the client.
 *
 * @param arnRegion - The region of the key's ARN, if it was named by one.
 * @throws {SignerError} With code `misconfigured` if an option is invalid.
 */
export function toClientOptions(options: KmsSignerOptions, arnRegion?: string): AwsKmsClientOptions {
  const { client, clientConfig = {} } = options;
  const region = options.region ?? clientConfig.region ?? arnRegion;
  if (client && options.clientConfig) throw misconfigured("awskms: Use either client or clientConfig, not both.");
  if (client && options.region !== undefined)
    throw misconfigured("awskms: The client already has a region. Remove the option region.");
  if (typeof region === "string") checkRegion(region);
  if (typeof clientConfig.endpoint === "string") checkEndpoint(clientConfig.endpoint);
  return { client, config: { ...clientConfig, ...(region !== undefined && { region }) } };
}

/**
 * Returns the URI of a key. It includes the algorithm if it is an option, and region and endpoint if they are strings and
 * aren't part of the ARN.
 */
export function toUri(keyId: string, options: KmsSignerOptions, arnRegion?: string): string {
  const { region = options.clientConfig?.region, clientConfig, algorithm } = options;
  return formatKmsUri({
    keyId,
    region: typeof region === "string" && region !== arnRegion ? region : undefined,
    endpoint: typeof clientConfig?.endpoint === "string" ? clientConfig.endpoint : undefined,
    algorithm,
  });
}

/** The region becomes part of the host name. */
function checkRegion(region: string): void {
  if (!/^[a-z0-9]+(-[a-z0-9]+)+$/.test(region))
    throw misconfigured(`awskms: ${JSON.stringify(region)} is not an AWS region. Use one such as eu-central-1.`);
}

/** The endpoint is part of the URI, which appears in logs. */
function checkEndpoint(endpoint: string): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const isHttp = url?.protocol === "https:" || url?.protocol === "http:";
  if (!url || !isHttp || url.username || url.password || url.search || url.hash)
    throw misconfigured("awskms: endpoint must be a URL (https://…) without a user name, password, query or fragment.");
}
