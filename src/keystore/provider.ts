/** What the package of a key store exports: a scheme, and functions that open, create, list, delete and diagnose its keys. */
import type { Finding } from "./finding.js";
import type { KeySignerOptions } from "./key-signer.js";
import type { KeyFacts, Signer, SignOptions } from "./signer.js";

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
  /**
   * Returns what is known of a key before {@link Provider.create} creates it, without creating it: then a key that isn't
   * protected as the caller requires is never created. Must not try a PIN.
   */
  factsOfNewKey?(uri: string, options?: Options): Promise<KeyFacts>;
  /**
   * Returns the URIs of the keys that can sign with an algorithm that the provider supports: as they are found, or all at once.
   * The option `timeout` limits each part of the list, such as a page.
   */
  list?(uri: string, options?: Options): AsyncIterable<string> | Promise<readonly string[]>;
  /**
   * Deletes the key that the URI names, or schedules its deletion. Must fail with `ambiguous-key` if more than one key matches,
   * and must not delete anything that isn't a private key and its public key.
   *
   * @throws {SignerError} If nothing was deleted.
   */
  delete?(uri: string, options?: Options): Promise<DeletedKey>;
  /**
   * Deletes a key that {@link Provider.create} has just created, since it doesn't meet what the caller requires.
   *
   * @param uri - The URI of the new key's signer, with the sources of secrets that the caller's URI has. Default: `delete` of it.
   * @throws {SignerError} If nothing was deleted, such as because the key has changed.
   */
  deleteCreated?(uri: string, options?: Options): Promise<DeletedKey>;
  /** Returns the tokens of the store, such as those of a PKCS#11 library. Must not log in. */
  listTokens?(uri: string, options?: Options): Promise<StoreToken[]>;
  /**
   * Checks what a key depends on, outermost first, without trying a PIN. `hardproof doctor` doesn't open the key after
   * a finding that isn't ok.
   *
   * @throws {SignerError} If a check can't continue. `hardproof doctor` prints the error as the last finding.
   */
  diagnose?(uri: string, options?: Options): AsyncIterable<Finding>;
}

/** The result of {@link Provider.delete}. */
export interface DeletedKey {
  /** The URI of what was deleted, without a PIN. */
  readonly uri: string;
  /**
   * When the store destroys the key, which can be restored until then. `null` if it doesn't exist any more, and `unknown` if the
   * store keeps it, but doesn't report until when.
   */
  readonly destroyedAt: Date | "unknown" | null;
  /** What the caller should know in addition, in a sentence: how to restore the key, or what was left. */
  readonly note?: string | undefined;
}

/** A token of a store, as the store describes it without a login. */
export interface StoreToken {
  /** The URI that selects the token, without a key. */
  readonly uri: string;
  /** The label that it was initialised with. */
  readonly label: string;
  /** The serial number. */
  readonly serial: string;
  /** The manufacturer's name, as the token reports it. */
  readonly manufacturer: string;
  /** The model's name, as the token reports it. */
  readonly model: string;
  /** The version of the firmware. */
  readonly firmware: string;
  /** The number of the slot. Many libraries number their slots differently at each start. */
  readonly slot: number;
  /** Whether the token has been initialised. */
  readonly initialized: boolean;
  /** Whether private keys need a login. */
  readonly loginRequired: boolean;
  /** What the token reports about the user's PIN. `low` means that a wrong one was tried, `final-try` that one more locks it. */
  readonly pin: "set" | "not-set" | "low" | "final-try" | "locked";
  /** Whether the PIN is entered at the token (`CKF_PROTECTED_AUTHENTICATION_PATH`). */
  readonly pinPad: boolean;
  /** Whether keys can't be created or deleted. */
  readonly writeProtected: boolean;
  /** The kind of store, as in `KeyFacts`. */
  readonly protection: KeyFacts["protection"];
  /** The name of the software, if the token is known to be a program. */
  readonly software: string | undefined;
}

/**
 * Options of all providers, and any others, which are passed on to the provider of the URI's scheme. `signal` aborts
 * {@link createKey}, {@link listKeys}, {@link streamKeys}, {@link deleteKey} and {@link listTokens}.
 */
export interface ProviderOptions extends KeySignerOptions, SignOptions {
  readonly [option: string]: unknown;
}

/** Returns whether a value, such as the export of a plugin, is a provider. */
export function isProvider(value: unknown): value is Provider {
  if (value === null || typeof value !== "object" || !("scheme" in value) || !("open" in value)) return false;
  const { scheme, open } = value;
  const isScheme = typeof scheme === "string" && schemeOf(`${scheme}:`) === scheme;
  const optional = ["create", "factsOfNewKey", "list", "delete", "deleteCreated", "listTokens", "diagnose"].map(
    (name) => typeof Reflect.get(value, name),
  );
  return (
    isScheme && typeof open === "function" && optional.every((type) => type === "function" || type === "undefined")
  );
}

/** Returns the URI's scheme (RFC 3986 §3.1), which must be in lower case. */
export function schemeOf(uri: string): string | undefined {
  return /^([a-z][a-z0-9+.-]{0,31}):/.exec(uri)?.[1];
}
