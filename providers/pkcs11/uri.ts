/** Parses PKCS #11 URIs (RFC 7512), and formats them without a PIN. */
import { isAbsolute } from "node:path";
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import {
  type Attributes,
  formatAttributes,
  readAttributes,
  splitUri,
  type UriFailure,
} from "../../src/keystore/uri.js";
import { isModuleName } from "./module-path.js";
import { idBytes, type KeySelector } from "./objects.js";
import type { PinSource } from "./pin.js";
import type { TokenSelector } from "./token.js";

/** The parts of a URI that all schemes have in common. Options can add the parts that are missing. */
export interface KeyUri {
  readonly token: TokenSelector;
  readonly key: KeySelector;
  readonly pin: PinSource | undefined;
  /** The JWS algorithm (`algorithm`, an attribute that Hardproof defines), which an RSA key needs. */
  readonly algorithm: AlgorithmName | undefined;
  /** Whether the URI contains the PIN itself. */
  readonly showsPin: boolean;
}

export interface Pkcs11Uri extends KeyUri {
  /** Path (`module-path`) or name (`module-name`) of the library. */
  readonly module: string | undefined;
  /** The most sessions (`sessions`, an attribute that Hardproof defines). */
  readonly sessions?: number;
}

/** Attributes of the library and the slot. They are accepted, but don't select anything. */
const IGNORED = [
  "library-manufacturer",
  "library-description",
  "library-version",
  "slot-description",
  "slot-manufacturer",
];
const PATH = ["token", "serial", "manufacturer", "model", "slot-id", "object", "id", "type", ...IGNORED];
/** Query attributes of every scheme. */
const QUERY = ["pin-source", "pin-value", "algorithm"];
/** Characters, in addition to the unreserved ones, that aren't encoded in the query (RFC 7512 §2.3, `pk11-qchar`). */
const PLAIN_IN_QUERY = "/:,";

/**
 * Parses a URI such as `pkcs11:token=agents;object=dpop?module-name=softhsm2&pin-source=env:HSM_PIN`.
 *
 * @throws {SignerError} With code `misconfigured`. The message names the attribute or the position, but never a value.
 */
export function parsePkcs11Uri(uri: string): Pkcs11Uri {
  const { key, access, fail } = readKeyUri(uri, "pkcs11", ["module-path", "module-name", "sessions"]);
  const sessions = numberOf("sessions", access("sessions"), fail);
  const module = moduleOf(access("module-path"), access("module-name"), fail);
  return { module, ...key, ...(sessions === undefined ? {} : { sessions }) };
}

/** Returns a URI such as `pkcs11:token=agents;object=dpop?module-path=/usr/lib/softhsm/libsofthsm2.so`. */
export function formatPkcs11Uri(
  module: string,
  token: TokenSelector,
  key: KeySelector,
  algorithm?: AlgorithmName | undefined,
): string {
  const library = isModuleName(module) ? "module-name" : "module-path";
  return formatKeyUri("pkcs11", token, key, { [library]: module, algorithm });
}

/**
 * Parses the attributes of RFC 7512 §2.3 that select a token and a key, and the source of the PIN. Text attributes may be
 * padded or empty, because some tools print them like that.
 *
 * @param more - Names of the scheme's other query attributes, which `access` reads.
 * @throws {SignerError} With code `misconfigured`.
 */
export function readKeyUri(uri: string, scheme: string, more: readonly string[]) {
  const lowerCased = typeof uri === "string" ? uri.replace(/^[A-Za-z][\w+.-]*(?=:)/, lowerCase) : uri;
  const { path, query, fail } = splitUri(lowerCased, scheme);
  const object = readAttributes(path, ";", PATH, fail);
  const inQuery = readAttributes(query, "&", [...more, ...QUERY], fail);
  const access = (name: string) => nonEmpty(inQuery.text(name), name, fail);
  if ((object.text("type") ?? "private") !== "private") throw fail("type must be private: the private key signs.");
  const [source, value] = [inQuery.secretSource("pin-source"), access("pin-value")];
  if (source !== undefined && value !== undefined) throw fail("pin-source and pin-value exclude each other.");
  const key: KeyUri = {
    token: {
      label: nonEmpty(tokenText(object, "token", fail), "token", fail),
      serial: tokenText(object, "serial", fail) || undefined,
      manufacturer: tokenText(object, "manufacturer", fail) || undefined,
      model: tokenText(object, "model", fail) || undefined,
      slot: numberOf("slot-id", object.text("slot-id"), fail),
    },
    key: {
      label: nonEmpty(utf8(object, "object", fail), "object", fail),
      id: nonEmpty(object.bytes("id"), "id", fail),
    },
    pin: source ?? value,
    algorithm: inQuery.algorithm(),
    showsPin: value !== undefined,
  };
  return { key, access, fail };
}

/**
 * Formats a URI that selects a key.
 *
 * @param query - The scheme's query attributes. Those that are `undefined` are omitted.
 */
export function formatKeyUri(
  scheme: string,
  { label, serial, manufacturer, model, slot }: TokenSelector,
  key: KeySelector,
  query: Record<string, string | undefined>,
): string {
  const path = { token: label, serial, manufacturer, model, "slot-id": slot, object: key.label };
  // RFC 7512 §2.3: an id should be encoded as a whole, because it is bytes and not text.
  const id = key.id === undefined ? [] : [`id=${idBytes(key.id).toString("hex").toUpperCase().replace(/../g, "%$&")}`];
  const selection = [formatAttributes(path, ";"), ...id].filter((part) => part !== "").join(";");
  const access = formatAttributes(query, "&", PLAIN_IN_QUERY);
  return `${scheme}:${selection}${access && `?${access}`}`;
}

function lowerCase(scheme: string): string {
  return scheme.toLowerCase();
}

/** A token's text field, without the padding that some tools print. */
function tokenText(attributes: Attributes, name: string, fail: UriFailure): string | undefined {
  return utf8(attributes, name, fail)?.replace(/[ \0]+$/, "");
}

/** Decodes an attribute as UTF-8. NULs are accepted: some serial numbers and labels contain them. */
function utf8(attributes: Attributes, name: string, fail: UriFailure): string | undefined {
  const bytes = attributes.bytes(name);
  const text = bytes?.toString("utf8");
  if (bytes && !Buffer.from(text ?? "").equals(bytes)) throw fail(`${name} is not UTF-8`);
  return text;
}

function nonEmpty<T extends string | Buffer>(value: T | undefined, name: string, fail: UriFailure): T | undefined {
  if (value?.length === 0) throw fail(`${name} is empty.`);
  return value;
}

function moduleOf(path: string | undefined, name: string | undefined, fail: UriFailure): string | undefined {
  if (path !== undefined && name !== undefined) throw fail("module-path and module-name exclude each other.");
  if (name !== undefined && !isModuleName(name)) throw fail("module-name must be a name, such as softhsm2.");
  if (path !== undefined && !isAbsolute(path))
    throw fail("module-path must be an absolute path, such as /usr/lib/x.so.");
  return path ?? name;
}

function numberOf(name: string, text: string | undefined, fail: UriFailure): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,20}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw fail(`${name} must be a decimal number.`);
}
