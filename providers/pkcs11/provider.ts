/** The provider for `pkcs11:` URIs (RFC 7512): opens, creates, lists and deletes keys, and lists tokens. */
import { SignerError } from "../../src/errors.js";
import { ALGORITHM_NAMES } from "../../src/jose/algorithms.js";
import { algorithmToCreate } from "../../src/keystore/algorithm-to-create.js";
import type { Provider } from "../../src/keystore/provider.js";
import type { SignOptions } from "../../src/keystore/signer.js";
import { diagnoseToken } from "./diagnose.js";
import type { KeySelector } from "./objects.js";
import { warnOfShownPin } from "./pin.js";
import { checkOptions, Pkcs11Signer, type Pkcs11SignerOptions } from "./signer.js";
import type { TokenSelector } from "./token.js";
import {
  createKeyPair,
  deleteKeyPair,
  factsOfNewKey,
  listKeyUris,
  listTokens,
  removeKeyPair,
  type TokenTask,
} from "./token-tasks.js";
import { formatPkcs11Uri, parsePkcs11Uri } from "./uri.js";

/** Options that complete a URI. The parts of the URI take precedence, except for the PIN. */
export interface Pkcs11ProviderOptions extends Omit<Pkcs11SignerOptions, "module" | "token" | "key">, SignOptions {
  /** The library, for URIs without `module-path` and `module-name`. */
  module?: string | undefined;
}

type MergedOptions = Pkcs11SignerOptions & SignOptions & { token: TokenSelector; key: KeySelector };

/** Pass the validation of options where no key, or no token, is needed. */
const ANY_KEY = { label: "any" };
const ANY_TOKEN = { slot: 0 };

/** Keys on PKCS#11 tokens by URI, such as `pkcs11:token=agents;object=dpop?module-name=softhsm2&pin-source=env:HSM_PIN`. */
export const provider: Provider<Pkcs11ProviderOptions> = {
  scheme: "pkcs11",
  open: (uri, options) => new Pkcs11Signer(mergeUri(uri, options)),
  async create(uri, options) {
    const merged = mergeUri(uri, options);
    algorithmToCreate(merged.algorithm, ALGORITHM_NAMES);
    return new Pkcs11Signer({ ...merged, key: await createKeyPair(taskOn(merged)) });
  },
  list(uri, options) {
    const { key, ...rest } = mergeUri(uri, options);
    return listKeyUris({ ...taskOn({ ...rest, key: ANY_KEY }), key });
  },
  factsOfNewKey: async (uri, options) => factsOfNewKey(taskOn(mergeUri(uri, options))),
  delete: async (uri, options) => deleteKeyPair(taskOn(mergeUri(uri, options))),
  async listTokens(uri, options) {
    const { token, ...rest } = mergeUri(uri, options);
    return listTokens({ ...taskOn({ ...rest, token: ANY_TOKEN, key: ANY_KEY }), token });
  },
  diagnose: (uri, options) => diagnoseToken(checkOptions(mergeUri(uri, options))),
};

/**
 * Deletes a key pair from its token. This can't be undone.
 *
 * @param key - A `pkcs11:` URI with an `id`, or a signer's options with one.
 * @param options - `permanently` must be `true`; the rest is as for opening a URI.
 * @throws {SignerError} With code `misconfigured` without an id or the flag, `key-not-found`, or `ambiguous-key`.
 */
export async function deleteKey(
  key: string | Pkcs11SignerOptions,
  options: Pkcs11ProviderOptions & { permanently: boolean },
): Promise<void> {
  if (options?.permanently !== true)
    throw new SignerError("misconfigured", "A deleted key can't be restored: confirm with { permanently: true }.");
  await removeKeyPair(taskOn(typeof key === "string" ? mergeUri(key, options) : { ...options, ...key }));
}

function taskOn(options: Pkcs11SignerOptions & SignOptions): TokenTask {
  const key = checkOptions(options);
  const { timeout, signal } = options;
  return { ...key, timeout, signal, uriOf: (token, ...rest) => formatPkcs11Uri(key.module, token, ...rest) };
}

function mergeUri(uri: string, options: Pkcs11ProviderOptions = {}): MergedOptions {
  const { module = options.module, token, key, pin, showsPin, ...parts } = parsePkcs11Uri(uri);
  const { sessions = options.sessions, algorithm = options.algorithm } = parts;
  if (module === undefined)
    throw new SignerError(
      "misconfigured",
      "pkcs11: The URI needs module-path or module-name, such as ?module-name=softhsm2. In code, you can set the option module.",
    );
  if (showsPin) warnOfShownPin("pkcs11");
  return { ...options, module, token, key, sessions, algorithm, pin: options.pin ?? pin };
}
