/** The provider of `pkcs11:` URIs (RFC 7512): opens, makes and lists keys; and, on its own, deletes one. */
import { SignerError } from "../../src/errors.js";
import type { Provider } from "../../src/keystore/provider.js";
import type { SignOptions } from "../../src/keystore/signer.js";
import { diagnoseToken } from "./diagnose.js";
import type { KeySelector } from "./objects.js";
import { warnOfShownPin } from "./pin.js";
import { checkOptions, Pkcs11Signer, type Pkcs11SignerOptions } from "./signer.js";
import { createKeyPair, listKeyUris, removeKeyPair, type TokenTask } from "./token-tasks.js";
import { formatPkcs11Uri, parsePkcs11Uri } from "./uri.js";

/** What a URI does not say. A `pin` given here is used in place of the URI's. */
export interface Pkcs11ProviderOptions extends Omit<Pkcs11SignerOptions, "module" | "token" | "key">, SignOptions {
  /** For URIs without `module-path` and `module-name`. */
  module?: string | undefined;
}

type Opened = Pkcs11SignerOptions & SignOptions & { key: KeySelector };

/** Stands for any key, where none needs to be named. */
const ANY_KEY = { label: "any" };

/** The provider for `pkcs11:` URIs (RFC 7512). */
export const provider: Provider<Pkcs11ProviderOptions> = {
  scheme: "pkcs11",
  open: (uri, options) => new Pkcs11Signer(fromUri(uri, options)),
  async create(uri, options) {
    const wanted = fromUri(uri, options);
    return new Pkcs11Signer({ ...wanted, key: await createKeyPair(taskOn(wanted)) });
  },
  async list(uri, options) {
    const { key, ...rest } = fromUri(uri, options);
    return listKeyUris({ ...taskOn({ ...rest, key: ANY_KEY }), key });
  },
  diagnose: (uri, options) => diagnoseToken(checkOptions(fromUri(uri, options))),
};

/**
 * Deletes a key pair from its token, for ever.
 *
 * @param key - a `pkcs11:` URI with an `id`, or a signer's options with one
 * @param options - `permanently` must be `true`; the rest as for opening a URI
 * @throws {SignerError} code `misconfigured` without an id or the flag, `key-not-found`, `ambiguous-key`
 */
export async function deleteKey(
  key: string | Pkcs11SignerOptions,
  options: Pkcs11ProviderOptions & { permanently: boolean },
): Promise<void> {
  if (options?.permanently !== true)
    throw new SignerError("misconfigured", "A deleted key is gone for ever: say so with { permanently: true }.");
  await removeKeyPair(taskOn(typeof key === "string" ? fromUri(key, options) : { ...options, ...key }));
}

function taskOn(options: Pkcs11SignerOptions & SignOptions): TokenTask {
  const wanted = checkOptions(options);
  const { timeout, signal } = options;
  return { ...wanted, timeout, signal, uriOf: (token, key) => formatPkcs11Uri(wanted.module, token, key) };
}

function fromUri(uri: string, options: Pkcs11ProviderOptions = {}): Opened {
  const { module = options.module, token, key, pin, showsPin, sessions = options.sessions } = parsePkcs11Uri(uri);
  if (module === undefined)
    throw new SignerError("misconfigured", "pkcs11: The URI needs module-path or module-name, or the option module.");
  if (showsPin) warnOfShownPin("pkcs11");
  return { ...options, module, token, key, sessions, pin: options.pin ?? pin };
}
