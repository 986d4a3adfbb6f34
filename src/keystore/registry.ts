/** Key stores by scheme: the built-in ones, and those that an application registers. */
import { builtInProviders } from "./built-in-providers.js";
import type { Finding } from "./finding.js";
import { isProvider, type Provider, type ProviderOptions, schemeOf } from "./provider.js";
import type { Signer } from "./signer.js";
import { misconfigured } from "./signer-error.js";

const registered = new Map<string, Provider>();

/**
 * Opens the key that the URI names. Nothing is connected before its first use.
 *
 * @param uri - such as `pkcs11:token=agents;object=dpop?module-path=…`, `file:///run/keys/dpop.pem`, `memory:`
 * @param options - of the signer; what the URI says as well, the URI decides
 * @throws {SignerError} code `misconfigured` if the scheme is unknown or the URI is malformed
 */
export async function openSigner(uri: string, options: ProviderOptions = {}): Promise<Signer> {
  return (await providerOf(uri)).open(uri, options);
}

/**
 * Makes the key that the URI names, where its store can, and opens it. An existing key is never overwritten.
 *
 * @throws {SignerError} code `misconfigured` if the store can't make keys; `misconfigured` or, on a token, `ambiguous-key` if
 *   the key is there already
 */
export async function createKey(uri: string, options: ProviderOptions = {}): Promise<Signer> {
  const provider = await providerOf(uri);
  if (provider.create) return provider.create(uri, options);
  throw misconfigured(
    `${provider.scheme}: keys can't be made from here. Make one with the store's own tool, and open it.`,
  );
}

/**
 * @param uri - the store, or as much of a key's URI as narrows the search
 * @returns the URIs of the keys that can sign ES256
 * @throws {SignerError} code `misconfigured` if the store can't list its keys
 */
export async function listKeys(uri: string, options: ProviderOptions = {}): Promise<string[]> {
  const provider = await providerOf(uri);
  if (provider.list) return provider.list(uri, options);
  throw misconfigured(`${provider.scheme}: keys can't be listed from here. Name the one to open.`);
}

/**
 * Looks at what stands between a URI and its key, and tries no PIN. A store that does not know how finds nothing.
 *
 * @throws {SignerError} code of what ends the look
 */
export async function* diagnoseKey(uri: string, options: ProviderOptions = {}): AsyncGenerator<Finding> {
  const provider = await providerOf(uri);
  if (provider.diagnose) yield* provider.diagnose(uri, options);
}

/**
 * Adds a key store. Its scheme must be nobody's yet.
 *
 * @throws {SignerError} code `misconfigured` if it is no provider, or its scheme has one
 */
export function registerProvider(provider: Provider): void {
  if (!isProvider(provider))
    throw misconfigured("A provider must have a scheme (such as `mystore`, in lower case) and a function `open`.");
  const { scheme } = provider;
  if (knownSchemes().includes(scheme)) throw misconfigured(`The scheme ${scheme}: has a provider already.`);
  registered.set(scheme, provider);
}

async function providerOf(uri: string): Promise<Provider> {
  const scheme = schemeOf(uri);
  if (scheme === undefined)
    throw misconfigured(`A key's URI starts with its store's scheme, in lower case: one of ${listed()}.`);
  const provider = registered.get(scheme) ?? (await builtInProvider(scheme));
  if (provider) return provider;
  const remedy =
    "Add it by registerProvider(provider), or let the operator name its package: in HARDPROOF_PROVIDERS, or for the command by --provider.";
  throw misconfigured(`There is no provider for ${scheme}: — known are ${listed()}. ${remedy}`);
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

function listed(): string {
  return knownSchemes()
    .map((scheme) => `${scheme}:`)
    .join(", ");
}
