/** A signer whose key is in Google Cloud KMS (https://cloud.google.com/kms/docs/create-validate-signatures). */
import { SignerError } from "../../src/errors.js";
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import { checkTimeout } from "../../src/keystore/store-call.js";
import type { GcpKmsClientOptions, KmsClient, KmsClientConfig } from "./client.js";
import { parseEndpoint } from "./endpoint.js";
import { checkName } from "./names.js";
import { openKey } from "./open-key.js";
import { formatGcpKmsUri, SCHEME } from "./uri.js";

export interface GcpKmsSignerOptions extends KeySignerOptions {
  /** A client of yours. `close()` leaves it open. */
  client?: KmsClient | undefined;
  /** For a client made here: `authClient`, `universeDomain`, … Default: the environment's credentials. */
  clientConfig?: KmsClientConfig | undefined;
  /**
   * A regional or private endpoint under `googleapis.com`, or `http://127.0.0.1:PORT` for an emulator. For any other
   * host use `clientConfig`, since the credentials go there.
   */
  endpoint?: string | undefined;
}

/**
 * ES256 by `AsymmetricSign` over the SHA-256 digest, with checksums on both ways.
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
   * @param name - `projects/…/locations/…/keyRings/…/cryptoKeys/…/cryptoKeyVersions/…`, or without the version: its
   *   newest enabled one is then looked up at first use, and kept
   * @throws {SignerError} code `misconfigured` if the name or an option can't be right
   */
  constructor(name: string, options: GcpKmsSignerOptions = {}) {
    checkName(name, ["key", "key version"]);
    const uri = formatGcpKmsUri(name, options.endpoint);
    const access = accessTo(uri, options);
    super({ provider: SCHEME, uri, open: (use) => openKey(name, access, use) }, options);
  }
}

/** @throws {SignerError} code `misconfigured` if the options contradict each other, or the endpoint is refused */
export function accessTo(
  uri: string,
  { client, clientConfig, endpoint, timeout }: GcpKmsSignerOptions,
): GcpKmsClientOptions {
  if (client && (clientConfig || endpoint !== undefined))
    throw new SignerError("misconfigured", "Give a client, or else clientConfig and endpoint for one to be made.");
  if (endpoint !== undefined) parseEndpoint(endpoint);
  return { client, clientConfig, endpoint, timeout: checkTimeout(uri, timeout) };
}
