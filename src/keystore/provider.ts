/** The interface that a key store's package implements. */
import type { Finding } from "./finding.js";
import type { KeySignerOptions } from "./key-signer.js";
import type { Signer, SignOptions } from "./signer.js";

/** A key store, selected by the scheme of its keys' URIs. */
export interface Provider<Options = unknown> {
  /** Without the colon: `pkcs11`. */
  readonly scheme: string;
  /**
   * Makes a signer. Does no I/O.
   *
   * @throws {SignerError} code `misconfigured` if the URI is malformed
   */
  open(uri: string, options?: Options): Signer;
  /** Makes a key, non-exportable if the store supports that, and opens it. */
  create?(uri: string, options?: Options): Promise<Signer>;
  /** @returns the URIs of the keys that can sign ES256 */
  list?(uri: string, options?: Options): Promise<string[]>;
  /**
   * Checks what a key depends on, outermost first, without trying a PIN. `hardproof doctor` doesn't open the key after a
   * finding that isn't ok.
   *
   * @throws {SignerError} if a check can't continue; the error's message is the last finding
   */
  diagnose?(uri: string, options?: Options): AsyncIterable<Finding>;
}

/**
 * Options of every provider, and further ones of the URI's provider. `signal` aborts {@link createKey} and
 * {@link listKeys}.
 */
export interface ProviderOptions extends KeySignerOptions, SignOptions {
  readonly [option: string]: unknown;
}

/** Whether a value, such as a plugin's export, is a provider. */
export function isProvider(value: unknown): value is Provider {
  if (value === null || typeof value !== "object" || !("scheme" in value) || !("open" in value)) return false;
  const { scheme, open } = value;
  const isScheme = typeof scheme === "string" && schemeOf(`${scheme}:`) === scheme;
  const optional = ["create", "list"].map((name) => typeof Reflect.get(value, name));
  return (
    isScheme && typeof open === "function" && optional.every((type) => type === "function" || type === "undefined")
  );
}

/** @returns the URI's scheme (RFC 3986 §3.1), which is accepted in lower case only */
export function schemeOf(uri: string): string | undefined {
  return /^([a-z][a-z0-9+.-]{0,31}):/.exec(uri)?.[1];
}
