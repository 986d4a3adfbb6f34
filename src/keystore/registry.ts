/** Providers by scheme: the built-in ones, and those that the application registers. */
import { assertObject } from "./assert.js";
import { builtInProviders } from "./built-in-providers.js";
import { type CreatingProvider, createRequiredKey } from "./create-required-key.js";
import type { Finding } from "./finding.js";
import {
  type DeletedKey,
  isProvider,
  type Provider,
  type ProviderOptions,
  type StoreToken,
  schemeOf,
} from "./provider.js";
import type { KeyRequirement } from "./require-non-exportable.js";
import type { Signer } from "./signer.js";
import { isSignerError, misconfigured, withKeyUri } from "./signer-error.js";
import { similarName } from "./similar.js";

const registered = new Map<string, Provider>();

/**
 * Returns a signer for the key that the URI names. The key is opened at its first use.
 *
 * @example
 * ```ts
 * await using signer = await openSigner("pkcs11:token=agents;object=dpop?module-name=softhsm2&pin-source=env:HSM_PIN");
 * ```
 *
 * @param uri - Such as `pkcs11:token=agents;object=dpop?module-path=…`, `file:///run/keys/dpop.pem` or `memory:`.
 * @param options - Options of the signer. What the URI contains takes precedence, except for a PIN.
 * @throws {SignerError} With code `misconfigured` if the scheme is unknown or the URI is malformed.
 */
export async function openSigner(uri: string, options: ProviderOptions = {}): Promise<Signer> {
  return (await providerOf(uri)).open(uri, assertObject(options, "The options of openSigner"));
}

/** Options of {@link createKey}. */
export interface CreateKeyOptions extends ProviderOptions {
  /**
   * What the new key must meet. If the store says beforehand that it wouldn't, no key is created. If the new key turns out not
   * to meet it, it is deleted again; if the store can't do that, the error says that the key exists.
   */
  readonly require?: KeyRequirement | undefined;
}

/**
 * Creates the key that the URI names, and returns its signer. An existing key is never overwritten.
 *
 * @example
 * ```ts
 * await using signer = await createKey("file:///run/keys/entra.pem", { algorithm: "PS256" });
 * ```
 *
 * @param options - `algorithm` is the JWS algorithm that the key is for. Default: `ES256`.
 * @throws {SignerError} With code `misconfigured` if the store can't create keys, or none for the algorithm; with code
 *   `misconfigured` or, on a token, `ambiguous-key` if the key already exists; with code `wrong-key` if the key doesn't meet
 *   the option `require`.
 */
export async function createKey(uri: string, options: CreateKeyOptions = {}): Promise<Signer> {
  const { require, ...others } = assertObject(options, "The options of createKey");
  const provider = await providerOf(uri);
  if (!canCreate(provider)) {
    const remedy = "Create one with the store's own tool, and open it.";
    throw misconfigured(`${provider.scheme}: This store can't create keys. ${remedy}`);
  }
  if (require === undefined) return provider.create(uri, others);
  return createRequiredKey(provider, { uri, options: others, require });
}

/**
 * Lists keys. The option `timeout` limits each part of the list, as for {@link streamKeys}.
 *
 * @param uri - The store, or a part of a key's URI that narrows the search.
 * @returns The URIs of the keys that can sign with an algorithm that the provider supports.
 * @throws {SignerError} With code `misconfigured` if the store can't list its keys.
 */
export async function listKeys(uri: string, options: ProviderOptions = {}): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of streamKeys(uri, options)) keys.push(key);
  return keys;
}

/**
 * Lists keys while the store finds them, in its order. Leaving the loop ends the list: nothing more is sent, and the session or
 * the client is closed. The option `timeout` limits each part of the list, such as a page, and not the whole list. `signal` aborts
 * it when the next key is read. The loop itself may take any time.
 *
 * @example
 * ```ts
 * for await (const uri of streamKeys("awskms:///?region=eu-central-1")) {
 *   console.log(uri);
 *   if (uri.includes("ES256")) break;
 * }
 * ```
 * @param uri - The store, or a part of a key's URI that narrows the search.
 * @returns The URIs of the keys that can sign with an algorithm that the provider supports.
 * @throws {SignerError} With code `misconfigured` if the store can't list its keys. Any error of the store can come after some keys.
 */
export async function* streamKeys(uri: string, options: ProviderOptions = {}): AsyncGenerator<string, void, void> {
  assertObject(options, "The options of streamKeys");
  const provider = await providerOf(uri);
  if (!provider.list) throw misconfigured(`${provider.scheme}: This store can't list its keys. Open a key by its URI.`);
  for await (const key of await provider.list(uri, options)) yield key;
}

/**
 * Deletes the key that the URI names, or schedules its deletion if the store keeps deleted keys for some time. A key that was
 * destroyed can't be restored.
 *
 * @param uri - The URI of one key. If more than one key matches, none is deleted.
 * @returns What was deleted, and until when it can be restored.
 * @throws {SignerError} With code `misconfigured` if the store can't delete keys; `key-not-found` or `ambiguous-key` if the
 *   URI doesn't name exactly one key; `access-denied` if the store rejects it. Nothing was deleted then.
 */
export async function deleteKey(uri: string, options: ProviderOptions = {}): Promise<DeletedKey> {
  assertObject(options, "The options of deleteKey");
  const provider = await providerOf(uri);
  if (provider.delete) return provider.delete(uri, options);
  throw misconfigured(`${provider.scheme}: This store can't delete keys. Delete the key with the store's own tool.`);
}

/**
 * Lists the tokens of a store, without a login.
 *
 * @param uri - The store, such as `pkcs11:?module-name=softhsm2`. Attributes of a token narrow the list.
 * @throws {SignerError} With code `misconfigured` if the store doesn't have tokens.
 */
export async function listTokens(uri: string, options: ProviderOptions = {}): Promise<StoreToken[]> {
  assertObject(options, "The options of listTokens");
  const provider = await providerOf(uri);
  if (provider.listTokens) return provider.listTokens(uri, options);
  throw misconfigured(`${provider.scheme}: This store doesn't have tokens. List its keys instead.`);
}

/**
 * Checks what the key depends on, without trying a PIN. A provider that doesn't support it returns no findings.
 *
 * @throws {SignerError} If a check can't continue.
 */
export async function* diagnoseKey(uri: string, options: ProviderOptions = {}): AsyncGenerator<Finding> {
  const provider = await providerOf(uri);
  try {
    if (provider.diagnose) yield* provider.diagnose(uri, options);
  } catch (error) {
    if (isSignerError(error)) throw error;
    throw withKeyUri(provider.scheme, error); // The URI may contain a PIN.
  }
}

/**
 * Registers a provider.
 *
 * @throws {SignerError} With code `misconfigured` if it isn't a provider, or its scheme is already registered.
 */
export function registerProvider(provider: Provider): void {
  if (!isProvider(provider))
    throw misconfigured("A provider must have a scheme (such as `mystore`, in lower case) and a function `open`.");
  const { scheme } = provider;
  if (knownSchemes().includes(scheme)) throw misconfigured(`The scheme ${scheme}: already has a provider.`);
  registered.set(scheme, provider);
}

/** The errors don't contain the URI, which may contain a PIN. */
async function providerOf(uri: string): Promise<Provider> {
  const scheme = schemeOf(uri);
  if (scheme === undefined)
    throw misconfigured(`A key's URI must start with its store's scheme, in lower case: one of ${schemeList()}.`);
  const provider = registered.get(scheme) ?? (await builtInProvider(scheme));
  if (provider) return provider;
  const remedy =
    "Name the package of a third-party provider in HARDPROOF_PROVIDERS or with --provider. In code, use registerProvider(provider).";
  const meant = similarName(scheme, knownSchemes());
  const hint = meant === undefined ? "" : ` Did you mean ${meant}:?`;
  throw misconfigured(
    `There is no provider for the scheme ${scheme}:.${hint} Known schemes are ${schemeList()}. ${remedy}`,
  );
}

function canCreate(provider: Provider): provider is CreatingProvider {
  return provider.create !== undefined;
}

async function builtInProvider(scheme: string): Promise<Provider | undefined> {
  const load: (() => Promise<{ provider: Provider }>) | undefined = new Map(Object.entries(builtInProviders)).get(
    scheme,
  );
  return (await load?.())?.provider;
}

function knownSchemes(): string[] {
  return [...Object.keys(builtInProviders), ...registered.keys()].sort();
}

function schemeList(): string {
  return knownSchemes()
    .map((scheme) => `${scheme}:`)
    .join(", ");
}
