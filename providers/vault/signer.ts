/** A signer whose key is in the transit engine of HashiCorp Vault or OpenBao. */
import { assertObject } from "../../src/keystore/assert.js";
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { addressOf } from "./address.js";
import { fromEnvironment } from "./environment.js";
import { checkPath, type LoginOptions, loginOf } from "./login.js";
import { openKey, type VaultKey } from "./open-key.js";
import { KEY_NAME } from "./transit.js";
import { formatVaultUri, SCHEME } from "./uri.js";

/** Options of {@link VaultSigner}. At most one of `token`, `appRole` and `kubernetes` is set. */
export interface VaultSignerOptions extends KeySignerOptions, LoginOptions {
  /**
   * The server, such as `https://vault.example.com:8200`. Plain HTTP is only for a server on this machine. Default:
   * `VAULT_ADDR` or `BAO_ADDR`.
   */
  address?: string | undefined;
  /** The path where the transit engine is mounted. Default: `transit`. */
  mount?: string | undefined;
  /** The version that signs. Default: the latest one when the key is opened. */
  version?: number | undefined;
  /** The namespace of the key. Default: `VAULT_NAMESPACE` or `BAO_NAMESPACE`, or none. */
  namespace?: string | undefined;
  /** A custom `fetch`, for a private CA, a client certificate or a proxy. Default: the global `fetch`. */
  fetch?: typeof fetch | undefined;
}

/**
 * Signs with one version of a key in a transit engine. The server is sent the digest or, for Ed25519 and ML-DSA, the
 * message.
 *
 * @example
 * ```ts
 * const signer = new VaultSigner("dpop", { address: "https://vault.example.com:8200", token: { env: "VAULT_TOKEN" } });
 * ```
 */
export class VaultSigner extends KeySigner {
  /**
   * Validates the name and the options. Doesn't do any I/O: the key is opened when it is first used.
   *
   * @param name - The name of the key.
   * @throws {SignerError} With code `misconfigured` if the name or an option is invalid.
   */
  constructor(name: string, options: VaultSignerOptions = {}) {
    const key = toVaultKey(name, options);
    if (!name) throw misconfigured("vault: The name of the key is missing.");
    const uri = formatVaultUri(key);
    super({ provider: SCHEME, uri, open: (openOptions, expected) => openKey(key, openOptions, expected) }, options);
  }
}

/**
 * Validates the options.
 *
 * @param name - The name of the key, or an empty string for the whole engine.
 * @throws {SignerError} With code `misconfigured`.
 */
export function toVaultKey(name: string, options: VaultSignerOptions): VaultKey {
  const { mount = "transit", version, algorithm, fetch } = assertObject(options, "The options of a signer");
  if (typeof name !== "string" || (name !== "" && !KEY_NAME.test(name)))
    throw misconfigured("vault: The name of a key has letters, digits, and inside it the characters . _ -");
  if (version !== undefined && !(Number.isSafeInteger(version) && version > 0))
    throw misconfigured("vault: version must be a positive integer.");
  if (fetch !== undefined && typeof fetch !== "function") throw misconfigured("vault: fetch must be a function.");
  const namespace = options.namespace ?? fromEnvironment("NAMESPACE");
  const login = loginOf(options);
  return {
    name,
    address: addressOf(options.address),
    mount: checkPath(mount, "mount"),
    namespace: namespace === undefined ? undefined : checkPath(namespace, "namespace"),
    version,
    algorithm,
    login,
    fetch,
  };
}
