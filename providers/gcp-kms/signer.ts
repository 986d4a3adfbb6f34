/** A signer whose key is in Google Cloud KMS (https://cloud.google.com/kms/docs/create-validate-signatures). */
import { assertObject } from "../../src/keystore/assert.js";
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { checkTimeout } from "../../src/keystore/store-call.js";
import type { GcpKmsClientConfig, GcpKmsClientOptions, KeyManagementServiceClient } from "./client.js";
import { parseEndpoint } from "./endpoint.js";
import { openKey } from "./open-key.js";
import { checkResourceName } from "./resource-name.js";
import { checkUniverseDomain } from "./universe.js";
import { formatGcpKmsUri, SCHEME } from "./uri.js";

/** Options of {@link GcpKmsSigner}. */
export interface GcpKmsSignerOptions extends KeySignerOptions {
  /** A client to use instead of a new one. `close()` doesn't close it. */
  client?: KeyManagementServiceClient | undefined;
  /**
   * The configuration of the new client: `authClient`, `universeDomain`, … Default: the credentials of the environment.
   */
  clientConfig?: GcpKmsClientConfig | undefined;
  /**
   * A regional or private endpoint under `googleapis.com` or `universeDomain`, or `http://127.0.0.1:PORT` for an emulator. Any other host
   * must be set in `clientConfig`, since the access token is sent to it.
   */
  endpoint?: string | undefined;
  /**
   * The domain of a sovereign cloud, such as `apis-tpczero.goog`. It must be that of the credentials. Default: the
   * environment variable `GOOGLE_CLOUD_UNIVERSE_DOMAIN`, or `googleapis.com`.
   */
  universeDomain?: string | undefined;
}

/**
 * Signs with a key in Cloud KMS: `AsymmetricSign` over the digest or, if the algorithm or an external key needs it, over
 * the message, with checksums for request and response. The algorithm belongs to the key version.
 *
 * @example
 * ```ts
 * const signer = new GcpKmsSigner(
 *   "projects/my-project/locations/europe-west3/keyRings/agents/cryptoKeys/dpop/cryptoKeyVersions/1",
 * );
 * ```
 */
export class GcpKmsSigner extends KeySigner {
  /**
   * Validates the name and the options. Doesn't do any I/O: the key is opened when it is first used.
   *
   * @param name - `projects/…/locations/…/keyRings/…/cryptoKeys/…/cryptoKeyVersions/…`. Without the version, it is the
   *   newest enabled version when the key is opened.
   * @throws {SignerError} With code `misconfigured` if the name or an option is invalid.
   */
  constructor(name: string, options: GcpKmsSignerOptions = {}) {
    checkResourceName(name, ["key", "key version"]);
    const uri = formatGcpKmsUri(name, assertObject(options, "The options of a signer"));
    const clientOptions = toClientOptions(uri, options);
    const key = { name, algorithm: options.algorithm, clientOptions };
    super({ provider: SCHEME, uri, open: (...openOptions) => openKey(key, ...openOptions) }, options);
  }
}

/**
 * Validates the options, and returns those for the client.
 *
 * @param uri - The URI of the key, for errors.
 * @throws {SignerError} With code `misconfigured` if options exclude each other, or the endpoint isn't allowed.
 */
export function toClientOptions(
  uri: string,
  { client, clientConfig, endpoint, universeDomain, timeout }: GcpKmsSignerOptions,
): GcpKmsClientOptions {
  if (client && (clientConfig || endpoint !== undefined))
    throw misconfigured("gcpkms: Use either client, or clientConfig and endpoint, not both.");
  if (client && universeDomain !== undefined)
    throw misconfigured("gcpkms: Set the universe domain of client when you create it, instead of universeDomain.");
  if (universeDomain !== undefined) checkUniverseDomain(universeDomain);
  if (endpoint !== undefined) parseEndpoint(endpoint, universeDomain);
  return { client, clientConfig, endpoint, universeDomain, timeout: checkTimeout(uri, timeout) };
}
