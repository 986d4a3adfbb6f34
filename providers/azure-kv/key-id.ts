/** The identifiers of vaults and keys (Key Vault documentation, "Key Vault keys, secrets, and certificates overview"). */
import { misconfigured } from "../../src/keystore/signer-error.js";
import { isLoopback } from "../../src/keystore/uri.js";

/** A key in a vault or managed HSM. */
export interface KeyId {
  /** The URL of the vault, such as `https://my-vault.vault.azure.net`. */
  readonly vaultUrl: string;
  readonly name: string;
  /** Without it, the identifier stands for the current version. */
  readonly version?: string | undefined;
}

const NAME = /^[0-9a-zA-Z-]{1,127}$/;
const VERSION = /^[0-9a-zA-Z]{1,64}$/;
const EXPECTED = "Expected https://VAULT.vault.azure.net/keys/NAME, optionally followed by /VERSION";

/**
 * Parses the identifier of a key or a key version: `https://my-vault.vault.azure.net/keys/dpop/0123…`.
 *
 * @throws {SignerError} With code `misconfigured`. The message doesn't contain the text, which may contain credentials.
 */
export function parseKeyId(id: string): KeyId {
  const url = typeof id === "string" && URL.canParse(id) ? new URL(id) : undefined;
  if (!url) throw misconfigured(`azurekms: The identifier of the key isn't a URL. ${EXPECTED}.`);
  const [, collection, name = "", version, ...rest] = url.pathname.split("/");
  if (collection !== "keys" || rest.length > 0 || version === "")
    throw misconfigured(`azurekms: The URL at ${url.host} doesn't name a key. ${EXPECTED}.`);
  return checkKeyId({ vaultUrl: checkVaultUrl(url), name, ...(version !== undefined && { version }) });
}

/**
 * Checks the name and the version, which become parts of a URL.
 *
 * @throws {SignerError} With code `misconfigured`.
 */
export function checkKeyId(id: KeyId): KeyId {
  if (!NAME.test(id.name)) throw misconfigured("azurekms: The name of a key has 1 to 127 letters, digits and hyphens.");
  if (id.version !== undefined && !VERSION.test(id.version))
    throw misconfigured("azurekms: The version of a key consists of letters and digits.");
  return id;
}

/**
 * Checks the URL of a vault.
 *
 * @returns Its origin.
 * @throws {SignerError} With code `misconfigured` if it isn't HTTPS, or HTTP on this machine, or has other parts than
 *   those of a key's identifier.
 */
export function checkVaultUrl(url: URL): string {
  // Errors contain only the host, since the URL could contain a password.
  if (url.username || url.password || url.search || url.hash)
    throw misconfigured(`azurekms: The URL at ${url.host} must not have credentials, a query or a fragment.`);
  if (url.protocol === "https:" || isPlaintext(url.origin)) return url.origin;
  throw misconfigured(
    `azurekms: The vault at ${url.host} must be reached by https://. Plain HTTP is only allowed on this machine.`,
  );
}

/** Returns whether the vault is an emulator on this machine that is reached without TLS. */
export function isPlaintext(vaultUrl: string): boolean {
  const { protocol, hostname } = new URL(vaultUrl);
  return protocol === "http:" && isLoopback(hostname);
}

/** Returns whether the vault is a managed HSM, which its host name says in every cloud. */
export function isManagedHsm(vaultUrl: string): boolean {
  return new URL(vaultUrl).hostname.split(".")[1] === "managedhsm";
}

/** Returns the identifier as the service writes it. */
export function formatKeyId({ vaultUrl, name, version }: KeyId): string {
  return `${vaultUrl}/keys/${name}${version === undefined ? "" : `/${version}`}`;
}

/** Returns the identifier for comparisons: the service ignores the case of names. */
export function canonicalKeyId(id: KeyId): string {
  return formatKeyId({ ...id, name: id.name.toLowerCase() });
}
