/** A provider makes signers from URIs. This is the one file that names the built-in ones. */
import { SignerError } from "./errors.js";
import type { KeySignerOptions } from "./key-signer.js";
import type { Signer, SignOptions } from "./signer.js";

/** A key store, as an operator names it: by the scheme of its keys' URIs. */
export interface Provider<Options = unknown> {
  /** Without the colon: `pkcs11`. */
  readonly scheme: string;
  /**
   * Does no I/O.
   *
   * @throws {SignerError} code `misconfigured` if the URI is malformed
   */
  open(uri: string, options?: Options): Signer;
  /** Makes a key, non-exportable where the store can do that, and opens it. */
  create?(uri: string, options?: Options): Promise<Signer>;
  /** @returns the URIs of the keys that can sign ES256 */
  list?(uri: string, options?: Options): Promise<string[]>;
  /**
   * Looks at what stands between a URI and its key, outermost first, and tries no PIN. For `hardproof doctor`, which does
   * not open the key after a finding that is not ok.
   *
   * @throws {SignerError} code of what ends the look; its message is the finding
   */
  diagnose?(uri: string, options?: Options): AsyncIterable<Finding>;
}

/** One thing that was looked at. No secret is in it. */
export interface Finding {
  /** What was looked at, in a word or two: `PIN`. */
  readonly check: string;
  /** `null` where it does not apply, or could not be looked at. */
  readonly ok: boolean | null;
  readonly found: string;
  /** What to do about it. */
  readonly remedy?: string;
}

/**
 * What every provider takes, and what else the one of the URI's scheme takes. `signal` ends what {@link createKey} and
 * {@link listKeys} wait for.
 */
export interface ProviderOptions extends KeySignerOptions, SignOptions {
  readonly [option: string]: unknown;
}

/** A loader's type that names no provider, and so none of the SDKs that come with its types. */
type Load = () => Promise<{ provider: Provider }>;

/*
 * Each loader imports this package by its own name, so that importing `hardproof` loads no addon and no SDK, and each is
 * a constant of its own, so that a bundler leaves out those that an app does not use.
 */
export const awskms: Load = () => import("hardproof/aws-kms");
export const file: Load = () => import("hardproof/file");
export const gcpkms: Load = () => import("hardproof/gcp-kms");
export const memory = () => import("hardproof/memory");
export const pkcs11: Load = () => import("hardproof/pkcs11");
export const tpm: Load = () => import("hardproof/tpm");

/** Scheme → provider. */
export const builtIn = { awskms, file, gcpkms, memory, pkcs11, tpm };

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
  throw refused(`${provider.scheme}: keys can't be made from here. Make one with the store's own tool, and open it.`);
}

/**
 * @param uri - the store, or as much of a key's URI as narrows the search
 * @returns the URIs of the keys that can sign ES256
 * @throws {SignerError} code `misconfigured` if the store can't list its keys
 */
export async function listKeys(uri: string, options: ProviderOptions = {}): Promise<string[]> {
  const provider = await providerOf(uri);
  if (provider.list) return provider.list(uri, options);
  throw refused(`${provider.scheme}: keys can't be listed from here. Name the one to open.`);
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
    throw refused("A provider must have a scheme (such as `mystore`, in lower case) and a function `open`.");
  const { scheme } = provider;
  if (knownSchemes().includes(scheme)) throw refused(`The scheme ${scheme}: has a provider already.`);
  registered.set(scheme, provider);
}

/** Whether it is what a provider must be, wherever it comes from. */
export function isProvider(value: unknown): value is Provider {
  if (value === null || typeof value !== "object" || !("scheme" in value) || !("open" in value)) return false;
  const { scheme, open } = value;
  const named = typeof scheme === "string" && schemeOf(`${scheme}:`) === scheme;
  const optional = ["create", "list"].map((name) => typeof Reflect.get(value, name));
  return named && typeof open === "function" && optional.every((type) => type === "function" || type === "undefined");
}

async function providerOf(uri: string): Promise<Provider> {
  const scheme = schemeOf(uri);
  if (scheme === undefined)
    throw refused(`A key's URI starts with its store's scheme, in lower case: one of ${listed()}.`);
  const provider = registered.get(scheme) ?? (await builtInProvider(scheme));
  if (provider) return provider;
  const remedy =
    "Add it by registerProvider(provider), or let the operator name its package: in HARDPROOF_PROVIDERS, or for the command by --provider.";
  throw refused(`There is no provider for ${scheme}: — known are ${listed()}. ${remedy}`);
}

async function builtInProvider(scheme: string): Promise<Provider | undefined> {
  const load: (() => Promise<{ provider: Provider }>) | undefined = new Map(Object.entries(builtIn)).get(scheme);
  return (await load?.())?.provider;
}

/** RFC 3986 §3.1, in lower case alone: no second spelling of a scheme is anybody's. */
function schemeOf(uri: string): string | undefined {
  return /^([a-z][a-z0-9+.-]{0,31}):/.exec(uri)?.[1];
}

function knownSchemes(): string[] {
  return [...Object.keys(builtIn), ...registered.keys()].sort();
}

function listed(): string {
  return knownSchemes()
    .map((scheme) => `${scheme}:`)
    .join(", ");
}

/** Never with the URI: it may hold a PIN. */
function refused(message: string): SignerError {
  return new SignerError("misconfigured", message);
}
