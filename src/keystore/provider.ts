/** What the package of a key store exports: a scheme, and functions that open, create, list and diagnose its keys. */
import type { Finding } from "./finding.js";
import type { KeySignerOptions } from "./key-signer.js";
import type { Signer, SignOptions } from "./signer.js";

/** A key store, selected by the scheme of its keys' URIs. */
export interface Provider<Options = unknown> {
  /** The scheme in lower case, without the colon: `pkcs11`. */
  readonly scheme: string;
  /**
   * Returns a signer. Must not do any I/O.
   *
   * @throws {SignerError} With code `misconfigured` if the URI is malformed.
   */
  open(uri: string, options?: Options): Signer;
  /**
   * Creates a key, non-exportable if the store supports that, and returns its signer. Must not overwrite a key. The
   * option `algorithm` says what the key is for; `algorithmToCreate` checks it.
   */
  create?(uri: string, options?: Options): Promise<Signer>;
  /** Returns the URIs of the keys that can sign with an algorithm that the provider supports. */
  list?(uri: string, options?: Options): Promise<string[]>;
  /**
   * Checks what a key depends on, outermost first, without trying a PIN. `hardproof doctor` doesn't open the key after
   * a finding that isn't ok.
   *
   * @throws {SignerError} If a check can't continue. `hardproof doctor` prints the error as the last finding.
   */
  diagnose?(uri: string, options?: Options): AsyncIterable<Finding>;
}

/**
 * Options of all providers, and any others, which are passed on to the provider of the URI's scheme. `signal` aborts
 * {@link createKey} and {@link listKeys}.
 */
export interface ProviderOptions extends KeySignerOptions, SignOptions {
  readonly [option: string]: unknown;
}

/** Returns whether a value, such as the export of a plugin, is a provider. */
export function isProvider(value: unknown): value is Provider {
  if (value === null || typeof value !== "object" || !("scheme" in value) || !("open" in value)) return false;
  const { scheme, open } = value;
  const isScheme = typeof scheme === "string" && schemeOf(`${scheme}:`) === scheme;
  const optional = ["create", "list", "diagnose"].map((name) => typeof Reflect.get(value, name));
  return (
    isScheme && typeof open === "function" && optional.every((type) => type === "function" || type === "undefined")
  );
}

/** Returns the URI's scheme (RFC 3986 §3.1), which must be in lower case. */
export function schemeOf(uri: string): string | undefined {
  return /^([a-z][a-z0-9+.-]{0,31}):/.exec(uri)?.[1];
}
