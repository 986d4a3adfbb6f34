/** PKCS #11 URIs (RFC 7512): read, and written without any PIN. */
import { fileURLToPath } from "node:url";
import { type Attributes, percentEncode, readAttributes, splitUri, type UriFailure } from "../../src/uri.js";
import { isModuleName } from "./module-path.js";
import { idBytes, type KeySelector } from "./objects.js";
import type { PinSource } from "./pin.js";
import type { TokenSelector } from "./token.js";

/** What a URI says; what it leaves out may be given beside it. */
export interface Pkcs11Uri {
  /** Path (`module-path`) or name (`module-name`) of the library. */
  readonly module: string | undefined;
  readonly token: TokenSelector;
  readonly key: KeySelector;
  readonly pin: PinSource | undefined;
  /** Whether the PIN itself is in the URI, where anybody may read it. */
  readonly showsPin: boolean;
}

const PATH = ["token", "serial", "manufacturer", "model", "slot-id", "object", "id", "type"];
const QUERY = ["module-path", "module-name", "pin-source", "pin-value"];
/** The characters, beside the unreserved, that may stand unescaped in the query (RFC 7512 §2.3, pk11-qchar). */
const PLAIN_IN_QUERY = "/:";

/**
 * @param uri - such as `pkcs11:token=agents;object=dpop?module-name=softhsm2&pin-source=env:HSM_PIN`
 * @throws {SignerError} code `misconfigured`, naming the attribute or the character that is wrong, never a value
 */
export function parsePkcs11Uri(uri: string): Pkcs11Uri {
  const { path, query, fail } = splitUri(uri, "pkcs11");
  const object = readAttributes(path, ";", PATH, fail);
  const access = readAttributes(query, "&", QUERY, fail);
  const text = (attributes: Attributes, name: string) => nonEmpty(attributes.text(name), name, fail);
  if ((object.text("type") ?? "private") !== "private") throw fail("type must be private: it is the key that signs.");
  return {
    module: moduleOf(text(access, "module-path"), text(access, "module-name"), fail),
    token: {
      label: text(object, "token"),
      serial: text(object, "serial"),
      manufacturer: text(object, "manufacturer"),
      model: text(object, "model"),
      slot: slotOf(object.text("slot-id"), fail),
    },
    key: { label: text(object, "object"), id: nonEmpty(object.bytes("id"), "id", fail) },
    pin: pinOf(text(access, "pin-source"), text(access, "pin-value"), fail),
    showsPin: access.text("pin-value") !== undefined,
  };
}

/** @returns such as `pkcs11:token=agents;object=dpop?module-path=/usr/lib/softhsm/libsofthsm2.so` */
export function formatPkcs11Uri(module: string, token: TokenSelector, key: KeySelector): string {
  const { label, serial, manufacturer, model, slot } = token;
  const path = [
    ...Object.entries({ token: label, serial, manufacturer, model, "slot-id": slot?.toString(), object: key.label })
      .filter((entry): entry is [string, string] => entry[1] !== undefined)
      .map(([name, value]) => `${name}=${percentEncode(value)}`),
    // RFC 7512 §2.3: the whole of it should be percent-encoded, as it is bytes and no text.
    ...(key.id === undefined ? [] : [`id=${idBytes(key.id).toString("hex").toUpperCase().replace(/../g, "%$&")}`]),
  ];
  const query = isModuleName(module) ? "module-name" : "module-path";
  return `pkcs11:${path.join(";")}?${query}=${percentEncode(module, PLAIN_IN_QUERY)}`;
}

function nonEmpty<T extends string | Buffer>(value: T | undefined, name: string, fail: UriFailure): T | undefined {
  if (value?.length === 0) throw fail(`${name} is empty.`);
  return value;
}

function moduleOf(path: string | undefined, name: string | undefined, fail: UriFailure): string | undefined {
  if (path !== undefined && name !== undefined) throw fail("module-path and module-name exclude each other.");
  if (name !== undefined && !isModuleName(name)) throw fail("module-name must be a name, such as softhsm2.");
  if (path !== undefined && isModuleName(path)) throw fail("module-path must be a path, such as /usr/lib/x.so.");
  return path ?? name;
}

function slotOf(slot: string | undefined, fail: UriFailure): number | undefined {
  if (slot === undefined) return undefined;
  if (/^\d{1,20}$/.test(slot) && Number.isSafeInteger(Number(slot))) return Number(slot);
  throw fail("slot-id must be a decimal number.");
}

function pinOf(source: string | undefined, value: string | undefined, fail: UriFailure): PinSource | undefined {
  if (source !== undefined && value !== undefined) throw fail("pin-source and pin-value exclude each other.");
  if (source === undefined) return value;
  if (source.startsWith("env:") && source.length > 4) return { env: source.slice(4) };
  if (source.startsWith("file:")) return { file: filePath(source, fail) };
  // RFC 7512 §2.4 lets `|command` be run; a URI should not be able to.
  if (/^(\||[a-z][a-z0-9+.-]*:)/i.test(source)) throw fail("pin-source must be a path, a file: URI, or env:NAME.");
  return { file: source };
}

function filePath(uri: string, fail: UriFailure): string {
  try {
    return fileURLToPath(uri);
  } catch {
    throw fail("pin-source is no file: URI of this machine.");
  }
}
