/** A signer whose key is in AWS KMS. */
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import type { KeySource } from "../../src/keystore/key-source.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import type { AwsKmsClientOptions, KMSClient, KMSClientConfig } from "./client.js";
import { parseKeyName } from "./names.js";
import { openKey } from "./open-key.js";
import { formatKmsUri } from "./uri.js";

export interface KmsSignerOptions extends KeySignerOptions {
  /** Where the key is. Default: what its ARN says, else what the SDK finds (`AWS_REGION`, the profile). */
  region?: string | undefined;
  /** A client to use, which `close()` leaves open. Default: one of the signer's own. */
  client?: KMSClient | undefined;
  /** How to make the signer's own client: `endpoint`, `credentials`, `maxAttempts`, `retryMode`, `requestHandler`, … */
  clientConfig?: KMSClientConfig | undefined;
}

/**
 * ES256 by `Sign` with `ECDSA_SHA_256` over the SHA-256 digest. One `GetPublicKey` per signer, one `Sign` per signature.
 *
 * @example
 * ```ts
 * const signer = new KmsSigner("arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab");
 * ```
 */
export class KmsSigner extends KeySigner {
  /**
   * @param keyId - key ARN, alias ARN, key id or `alias/…`; an alias is resolved once, and its key kept
   * @throws {SignerError} code `misconfigured` if the name or an option can't be right
   */
  constructor(keyId: string, options: KmsSignerOptions = {}) {
    super(keySource(keyId, options), options);
  }
}

/**
 * @param settledAt - for a key that was just made: until when (ms since 1970) KMS may not have heard of it
 * @throws {SignerError} code `misconfigured` if the name or an option can't be right
 */
export function keySource(keyId: string, options: KmsSignerOptions, settledAt?: number): KeySource {
  const name = parseKeyName(keyId);
  const access = { ...accessTo(options, name.region), settledAt };
  return {
    provider: "awskms",
    uri: uriOf(keyId, options, name.region),
    open: (use) => openKey(name, access, use),
  };
}

/** @throws {SignerError} code `misconfigured` if an option can't be right */
export function accessTo(options: KmsSignerOptions, arnRegion?: string): AwsKmsClientOptions {
  const { client, clientConfig = {} } = options;
  const region = options.region ?? clientConfig.region ?? arnRegion;
  if (client && options.clientConfig) throw misconfigured("awskms: Give a client or a clientConfig, not both.");
  if (client && options.region !== undefined)
    throw misconfigured("awskms: A client has its own region: leave out the option.");
  if (typeof region === "string") checkRegion(region);
  if (typeof clientConfig.endpoint === "string") checkEndpoint(clientConfig.endpoint);
  return { client, config: { ...clientConfig, ...(region !== undefined && { region }) } };
}

/** Names region and endpoint where they were given as text, and are not in the ARN already. */
export function uriOf(keyId: string, options: KmsSignerOptions, arnRegion?: string): string {
  const { region = options.clientConfig?.region, clientConfig } = options;
  return formatKmsUri({
    keyId,
    region: typeof region === "string" && region !== arnRegion ? region : undefined,
    endpoint: typeof clientConfig?.endpoint === "string" ? clientConfig.endpoint : undefined,
  });
}

/** It becomes a part of the host's name. */
function checkRegion(region: string): void {
  if (!/^[a-z0-9]+(-[a-z0-9]+)+$/.test(region))
    throw misconfigured(`awskms: ${JSON.stringify(region)} is no AWS region, such as eu-central-1.`);
}

/** It is in the URI, which is in logs. */
function checkEndpoint(endpoint: string): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const isWeb = url?.protocol === "https:" || url?.protocol === "http:";
  if (!url || !isWeb || url.username || url.password || url.search || url.hash)
    throw misconfigured("awskms: endpoint must be a URL (https://…) without user, password, query and fragment.");
}
