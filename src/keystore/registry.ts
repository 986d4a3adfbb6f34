/** Providers by scheme: the built-in ones, and those that the application registers. */
import { assertObject } from "./assert.js";
import { builtInProviders } from "./built-in-providers.js";
import type { Finding } from "./finding.js";
import { isProvider, type Provider, type ProviderOptions, schemeOf } from "./provider.js";
import type { Signer } from "./signer.js";
import { misconfigured, withKeyUri } from "./signer-error.js";

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
 *   `misconfigured` or, on a token, `ambiguous-key` if the key already exists.
 */
export async function createKey(uri: string, options: ProviderOptions = {}): Promise<Signer> {
  assertObject(options, "The options of createKey");
  const provider = await providerOf(uri);
  if (provider.create) return provider.create(uri, options);
  const remedy = "Create one with the store's own tool, and open it.";
  throw misconfigured(`${provider.scheme}: This provider can't create keys. ${remedy}`);
}

/**
 * Lists keys.
 *
 * @param uri - The store, or a part of a key's URI that narrows the search.
 * @returns The URIs of the keys that can sign with an algorithm that the provider supports.
 * @throws {SignerError} With code `misconfigured` if the store can't list its keys.
 */
export async function listKeys(uri: string, options: ProviderOptions = {}): Promise<string[]> {
  assertObject(options, "The options of listKeys");
  const provider = await providerOf(uri);
  if (provider.list) return provider.list(uri, options);
  throw misconfigured(`${provider.scheme}: This provider can't list keys. Open a key by its URI.`);
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
    if (error instanceof Error && error.name === "SignerError") throw error;
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
    "In code, add one with registerProvider(provider). As an operator, name its package in HARDPROOF_PROVIDERS or with --provider.";
  throw misconfigured(`There is no provider for the scheme ${scheme}:. Known schemes are ${schemeList()}. ${remedy}`);
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
