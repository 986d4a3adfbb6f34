/** A signer whose key is in Azure Key Vault or in a managed HSM. */
import { assertObject } from "../../src/keystore/assert.js";
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { checkTimeout } from "../../src/keystore/store-call.js";
import type { AzureKvClientOptions, KeyClientOptions, TokenCredential } from "./client.js";
import { parseKeyId } from "./key-id.js";
import { openKey } from "./open-key.js";
import { formatAzureKvUri, SCHEME } from "./uri.js";

/** Options of {@link AzureKeyVaultSigner}. */
export interface AzureKeyVaultSignerOptions extends KeySignerOptions {
  /**
   * A credential of `@azure/identity`, or any other `TokenCredential`. Default: `DefaultAzureCredential`, one for all
   * signers of the process.
   */
  credential?: TokenCredential | undefined;
  /** The options of the SDK's clients: `proxyOptions`, `tlsOptions`, `additionalPolicies`, … */
  clientOptions?: KeyClientOptions | undefined;
}

/**
 * Signs with a key in Key Vault: one `sign` request over the digest per signature. The version is pinned when the key is
 * opened.
 *
 * @example
 * ```ts
 * const signer = new AzureKeyVaultSigner(
 *   "https://my-vault.vault.azure.net/keys/dpop/0123456789abcdef0123456789abcdef",
 * );
 * ```
 */
export class AzureKeyVaultSigner extends KeySigner {
  /**
   * Validates the identifier and the options. Doesn't do any I/O: the key is opened when it is first used.
   *
   * @param keyId - `https://VAULT.vault.azure.net/keys/NAME/VERSION`, or `managedhsm` instead of `vault`. Without the
   *   version, it is the current one when the key is opened.
   * @throws {SignerError} With code `misconfigured` if the identifier or an option is invalid.
   */
  constructor(keyId: string, options: AzureKeyVaultSignerOptions = {}) {
    const id = parseKeyId(keyId);
    const { algorithm } = assertObject(options, "The options of a signer");
    const uri = formatAzureKvUri(id, { algorithm });
    const openOptions = { ...toClientOptions(uri, id.vaultUrl, options), algorithm };
    super({ provider: SCHEME, uri, open: (call, publicKey) => openKey(id, openOptions, call, publicKey) }, options);
  }
}

/**
 * Validates the options, and returns those for the client.
 *
 * @param uri - The URI of the key or vault, for errors.
 * @throws {SignerError} With code `misconfigured` if an option is invalid.
 */
export function toClientOptions(
  uri: string,
  vaultUrl: string,
  { credential, clientOptions, timeout }: AzureKeyVaultSignerOptions,
): AzureKvClientOptions {
  if (credential !== undefined && typeof Object(credential).getToken !== "function")
    throw misconfigured("azurekms: credential must be a TokenCredential, such as those of @azure/identity.");
  return { vaultUrl, credential, clientOptions, timeout: checkTimeout(uri, timeout) };
}
