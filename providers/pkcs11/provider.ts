/** The provider of `pkcs11:` URIs (RFC 7512): opens, makes and lists keys; and, on its own, deletes one. */
import { SignerError } from "../../src/errors.js";
import type { Provider } from "../../src/provider.js";
import { diagnoseToken } from "./diagnose.js";
import { deleteKeyPair, generateKeyPair, listKeys } from "./key-pairs.js";
import { checkOptions, Pkcs11Signer, type Pkcs11SignerOptions } from "./signer.js";
import { parsePkcs11Uri } from "./uri.js";

/** What a URI does not say. A `pin` given here is used in place of the URI's. */
export interface Pkcs11ProviderOptions extends Omit<Pkcs11SignerOptions, "module" | "token" | "key"> {
  /** For URIs without `module-path` and `module-name`. */
  module?: string | undefined;
}

/** Stands for any key, where none needs to be named. */
const ANY_KEY = { label: "any" };

export const provider: Provider<Pkcs11ProviderOptions> = {
  scheme: "pkcs11",
  open: (uri, options) => new Pkcs11Signer(fromUri(uri, options)),
  async create(uri, options) {
    const wanted = fromUri(uri, options);
    return new Pkcs11Signer({ ...wanted, key: await generateKeyPair(checkOptions(wanted)) });
  },
  async list(uri, options) {
    const { key, ...rest } = fromUri(uri, options);
    return listKeys({ ...checkOptions({ ...rest, key: ANY_KEY }), key });
  },
  diagnose: (uri, options) => diagnoseToken(fromUri(uri, options)),
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
  await deleteKeyPair(checkOptions(typeof key === "string" ? fromUri(key, options) : key));
}

function fromUri(uri: string, options: Pkcs11ProviderOptions = {}): Pkcs11SignerOptions & { key: object } {
  const { module = options.module, token, key, pin, showsPin } = parsePkcs11Uri(uri);
  if (module === undefined)
    throw new SignerError("misconfigured", "pkcs11: The URI needs module-path or module-name, or the option module.");
  if (showsPin) process.emitWarning(WARNING, { code: "HARDPROOF_PIN_IN_URI" });
  return { ...options, module, token, key, pin: options.pin ?? pin };
}

const WARNING =
  "A pkcs11: URI holds the PIN itself (pin-value): it ends up in logs and process lists. Use pin-source=env:NAME or a file.";
