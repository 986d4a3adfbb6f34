/**
 * URIs of keys in Key Vault: `azurekms://VAULT_HOST/NAME[/VERSION][?algorithm=…&hsm=…&plaintext=…]`, as sigstore's tools write
 * them. Those of smallstep's are understood as well: `azurekms:name=…;vault=…[?version=…&hsm=…]`.
 */
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import {
  Attributes,
  decodeText,
  formatAttributes,
  percentDecode,
  readAttributes,
  splitUri,
  type UriFailure,
  type UriPart,
} from "../../src/keystore/uri.js";
import { checkKeyId, checkVaultUrl, type KeyId } from "./key-id.js";

/** The scheme of the URIs. */
export const SCHEME = "azurekms";

/** The attributes of a URI. */
export interface UriAttributes {
  /** The JWS algorithm, which an RSA key needs. */
  readonly algorithm?: AlgorithmName | undefined;
  /** Whether a new key is created in an HSM. */
  readonly hsm?: boolean | undefined;
}

/** The parts of a URI. A member that the URI doesn't have is missing. */
export interface VaultUri extends UriAttributes, Omit<KeyId, "name"> {
  /** Missing in the URI of a vault. */
  readonly name?: string;
}

const ATTRIBUTES = ["algorithm", "hsm", "version", "plaintext"];
const SMALLSTEP_ATTRIBUTES = ["name", "vault", "version", "hsm", "environment", "algorithm"];
/** The DNS suffixes of vaults, by smallstep's name of the cloud in lower case. The first one is the default. */
const CLOUDS: Readonly<Record<string, string>> = {
  public: "vault.azure.net",
  azurecloud: "vault.azure.net",
  azurepubliccloud: "vault.azure.net",
  usgov: "vault.usgovcloudapi.net",
  azureusgovernment: "vault.usgovcloudapi.net",
  azureusgovernmentcloud: "vault.usgovcloudapi.net",
  china: "vault.azure.cn",
  azurechinacloud: "vault.azure.cn",
};
const DEFAULT_CLOUD = "public";

/**
 * Parses the URI of a vault, key or key version.
 *
 * @throws {SignerError} With code `misconfigured`. The message names what is wrong.
 */
export function parseAzureKvUri(uri: string): VaultUri {
  const { path, query, fail } = splitUri(uri, SCHEME);
  return path.text.startsWith("//") ? parseHierarchical(path, query, fail) : parseOpaque(path, query, fail);
}

/** sigstore's form: `//HOST/NAME/VERSION`. */
function parseHierarchical(path: UriPart, query: UriPart, fail: UriFailure): VaultUri {
  const attributes = readAttributes(query, "&", ATTRIBUTES, fail);
  const [host = "", ...segments] = path.text.slice(2).replace(/\/$/, "").split("/");
  if (host === "") throw fail("Expected the host of a vault after azurekms://", path.at + 2);
  if (segments.length > 2) throw fail("Expected //HOST/NAME or //HOST/NAME/VERSION after azurekms:", path.at);
  const at = path.at;
  const [name, version] = segments.map((text) => decodeText(percentDecode({ text, at }, fail), "the name", fail));
  if (version !== undefined && attributes.text("version") !== undefined) throw fail("version appears twice");
  const protocol = flag(attributes, "plaintext", fail) ? "http" : "https";
  return toParts({ url: `${protocol}://${host}`, name, version }, attributes, fail);
}

/** smallstep's form: `name=NAME;vault=VAULT?version=VERSION`. Its tools find an attribute on either side of the question mark. */
function parseOpaque(path: UriPart, query: UriPart, fail: UriFailure): VaultUri {
  const values = new Map<string, Buffer>();
  for (const [part, separator] of [[path, ";"] as const, [query, "&"] as const]) {
    const attributes = readAttributes(part, separator, SMALLSTEP_ATTRIBUTES, fail);
    for (const name of SMALLSTEP_ATTRIBUTES) {
      const bytes = attributes.bytes(name);
      if (bytes && values.has(name)) throw fail(`${name} appears twice`);
      if (bytes) values.set(name, bytes);
    }
  }
  const attributes = new Attributes(values, fail);
  const vault = attributes.text("vault");
  if (!vault) throw fail("vault is missing. Expected azurekms://HOST/NAME, or azurekms:name=NAME;vault=VAULT");
  if (!/^[0-9a-zA-Z-]+$/.test(vault)) throw fail("vault must be the name of a vault, without its domain");
  const suffix = new Map(Object.entries(CLOUDS)).get((attributes.text("environment") ?? DEFAULT_CLOUD).toLowerCase());
  if (suffix === undefined) throw fail(`environment must be one of ${Object.keys(CLOUDS).join(", ")}`);
  return toParts({ url: `https://${vault}.${suffix}`, name: attributes.text("name") }, attributes, fail);
}

interface Location {
  readonly url: string;
  readonly name?: string | undefined;
  readonly version?: string | undefined;
}

function toParts({ url, name, version: inPath }: Location, attributes: Attributes, fail: UriFailure): VaultUri {
  if (!URL.canParse(url)) throw fail("The host of the vault is malformed");
  const vaultUrl = checkVaultUrl(new URL(url));
  const algorithm = attributes.algorithm();
  const hsm = flag(attributes, "hsm", fail);
  const version = inPath ?? attributes.text("version");
  if (name === undefined && version !== undefined) throw fail("version needs the name of a key");
  if (name !== undefined) checkKeyId({ vaultUrl, name, version });
  return {
    vaultUrl,
    ...(name !== undefined && { name }),
    ...(version !== undefined && { version }),
    ...(algorithm && { algorithm }),
    ...(hsm !== undefined && { hsm }),
  };
}

function flag(attributes: Attributes, name: string, fail: UriFailure): boolean | undefined {
  const text = attributes.text(name);
  if (text === undefined || text === "true" || text === "false")
    return text === undefined ? undefined : text === "true";
  throw fail(`${name} must be true or false`);
}

/** Returns the URI that {@link parseAzureKvUri} parses, in sigstore's form. */
export function formatAzureKvUri(
  id: Omit<KeyId, "name"> & { name?: string | undefined },
  options: UriAttributes = {},
): string {
  const { protocol, host } = new URL(id.vaultUrl);
  const path = [host, id.name, id.version].filter((part) => part !== undefined).join("/");
  const plaintext = protocol === "http:" ? "true" : undefined;
  const { algorithm, hsm } = options;
  const query = formatAttributes({ algorithm, hsm: hsm === undefined ? undefined : String(hsm), plaintext }, "&");
  return `${SCHEME}://${path}${query && `?${query}`}`;
}
