/** `openssl:` URIs: the URI of a key as an OpenSSL STORE loader takes it, with attributes that Hardproof reads itself. */
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import type { SecretReference } from "../../src/keystore/secret-source.js";
import {
  type Attributes,
  formatAttributes,
  readAttributes,
  splitUri,
  type UriFailure,
  type UriPart,
} from "../../src/keystore/uri.js";
import { asksForPass, loaderOf } from "./loaders.js";
import { checkPkcs11Path } from "./pkcs11-path.js";

/** A key that OpenSSL opens. */
export interface OpensslUri {
  /** The scheme of the loader, such as `pkcs11`. */
  readonly scheme: string;
  /** The URI that OpenSSL gets. It doesn't contain a PIN. */
  readonly storeUri: string;
  /** Names the token or the key that the PIN belongs to. */
  readonly pinOwner: string;
  readonly pin: SecretReference | undefined;
  readonly properties: string | undefined;
  readonly algorithm: AlgorithmName | undefined;
  readonly allowFile: boolean;
}

/** The query attributes that Hardproof reads, and OpenSSL doesn't get. */
const OWN = ["pin-source", "properties", "algorithm", "allow-file"];
/** The schemes of loaders that fetch a key from anywhere, or read it from the URI itself. */
const REMOTE = ["http", "https", "ftp", "ftps", "data", "blob", "javascript"];
/** Characters, in addition to the unreserved ones, that aren't encoded in the query. */
const PLAIN_IN_QUERY = "/:,=?";

/**
 * Parses a URI such as `openssl:pkcs11:token=agents;object=dpop?pin-source=env:HSM_PIN`.
 *
 * @throws {SignerError} With code `misconfigured`. The message names the attribute or the position, but never a value.
 */
export function parseOpensslUri(uri: string): OpensslUri {
  const { path, query, fail } = splitUri(uri, "openssl");
  rejectSecrets(uri, fail);
  const { scheme, rest } = splitScheme(path, fail);
  const { own, others } = splitQuery(query, scheme, fail);
  const { text, pinOwner = `${scheme}:${rest.text}` } = checkRest(scheme, rest, fail);
  return {
    scheme,
    storeUri: `${scheme}:${text}${others === "" ? "" : `?${others}`}`,
    pinOwner,
    pin: own.secretSource("pin-source"),
    properties: own.text("properties") || undefined,
    algorithm: own.algorithm(),
    allowFile: readFlag(own, "allow-file", fail),
  };
}

/** Returns the URI without a PIN source, and without what is the default. */
export function formatOpensslUri({
  scheme,
  storeUri,
  properties,
  algorithm,
  allowFile,
}: Omit<OpensslUri, "pin">): string {
  const own = {
    properties: properties === loaderOf(scheme).properties ? undefined : properties,
    algorithm,
    "allow-file": allowFile ? "true" : undefined,
  };
  const query = formatAttributes(own, "&", PLAIN_IN_QUERY);
  const mark = storeUri.includes("?") ? "&" : "?";
  return `openssl:${storeUri}${query && mark}${query}`;
}

/** Returns the URI for a key that is loaded with a PIN. */
export function withPass({ scheme, storeUri }: Pick<OpensslUri, "scheme" | "storeUri">): string {
  return asksForPass(scheme) && !storeUri.endsWith("?pass") ? `${storeUri}?pass` : storeUri;
}

/** The URI is part of logs and errors. RFC 7512 allows a PIN in it, and RFC 3986 a password. */
function rejectSecrets(uri: string, fail: UriFailure): void {
  if (/(^|[:;?&])pin-value=/i.test(decoded(uri)))
    throw fail("The URI contains the PIN itself (pin-value). Use pin-source=env:NAME, a file, or the option pin");
  if (/:\/\/[^/?]*@/.test(uri)) throw fail("The URI must not contain a user name or a password");
}

function decoded(uri: string): string {
  return uri.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function splitScheme(path: UriPart, fail: UriFailure): { scheme: string; rest: UriPart } {
  const [, name = ""] = /^([a-z][a-z0-9+.-]+):/i.exec(path.text) ?? [];
  const scheme = name.toLowerCase();
  if (scheme === "")
    throw fail("Expected the URI of an OpenSSL STORE loader, as in openssl:pkcs11:token=agents;object=dpop", path.at);
  if (REMOTE.includes(scheme)) throw fail(`A key must not be loaded from a ${scheme}: URL`, path.at);
  const start = name.length + 1;
  return { scheme, rest: { text: path.text.slice(start), at: path.at + start } };
}

/** Separates the attributes that Hardproof reads from those of the loader, which are passed on as they are. */
function splitQuery(query: UriPart, scheme: string, fail: UriFailure): { own: Attributes; others: string } {
  const pairs = query.text === "" ? [] : query.text.split("&");
  const isOwn = (pair: string) => OWN.some((name) => pair.startsWith(`${name}=`));
  const others = pairs.filter((pair) => !isOwn(pair)).join("&");
  const own = { text: pairs.filter(isOwn).join("&"), at: query.at };
  const isAllowed = asksForPass(scheme) ? others === "pass" : !["pkcs11", "file"].includes(scheme);
  if (others !== "" && !isAllowed)
    throw fail(`Unknown attribute after the question mark. Known attributes: ${OWN.join(", ")}${hintFor(scheme)}`);
  return { own: readAttributes(own, "&", OWN, (message) => fail(message)), others };
}

function hintFor(scheme: string): string {
  return scheme === "pkcs11" ? ". OpenSSL's configuration names the module" : "";
}

/** Checks what follows the loader's scheme, as far as the loader is known. */
function checkRest(scheme: string, rest: UriPart, fail: UriFailure): { text: string; pinOwner?: string } {
  if (scheme === "pkcs11") return checkPkcs11Path(rest, fail);
  if (scheme === "handle" && !/^0x[0-9a-f]{1,8}$/i.test(rest.text))
    throw fail("Expected the handle of a key in a TPM, as in handle:0x81000001", rest.at);
  if (scheme === "file" && !/^(\/\/)?\/[^/]/.test(rest.text))
    throw fail("Expected an absolute path, as in file:///etc/agent/key.pem", rest.at);
  return rest;
}

function readFlag(attributes: Attributes, name: string, fail: UriFailure): boolean {
  const text = attributes.text(name) ?? "false";
  if (text === "true" || text === "false") return text === "true";
  throw fail(`${name} must be true or false`);
}
