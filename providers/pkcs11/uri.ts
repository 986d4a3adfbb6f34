/** PKCS #11 URIs (RFC 7512): read, and written without any PIN. */
import { percentEncode, readAttributes, splitUri, type UriFailure } from "../../src/keystore/uri.js";
import { isModuleName } from "./module-path.js";
import { idBytes, type KeySelector } from "./objects.js";
import type { PinSource } from "./pin.js";
import type { TokenSelector } from "./token.js";

/** What a URI says of a key, whatever else its scheme adds; what it leaves out may be given beside it. */
export interface KeyUri {
  readonly token: TokenSelector;
  readonly key: KeySelector;
  readonly pin: PinSource | undefined;
  /** Whether the PIN itself is in the URI, where anybody may read it. */
  readonly showsPin: boolean;
}

export interface Pkcs11Uri extends KeyUri {
  /** Path (`module-path`) or name (`module-name`) of the library. */
  readonly module: string | undefined;
}

const PATH = ["token", "serial", "manufacturer", "model", "slot-id", "object", "id", "type"];
const PIN = ["pin-source", "pin-value"];
/** The characters, beside the unreserved, that may stand unescaped in the query (RFC 7512 §2.3, pk11-qchar). */
const PLAIN_IN_QUERY = "/:,";

/**
 * @param uri - such as `pkcs11:token=agents;object=dpop?module-name=softhsm2&pin-source=env:HSM_PIN`
 * @throws {SignerError} code `misconfigured`, naming the attribute or the character that is wrong, never a value
 */
export function parsePkcs11Uri(uri: string): Pkcs11Uri {
  const { said, access, fail } = readKeyUri(uri, "pkcs11", ["module-path", "module-name"]);
  return { module: moduleOf(access("module-path"), access("module-name"), fail), ...said };
}

/** @returns such as `pkcs11:token=agents;object=dpop?module-path=/usr/lib/softhsm/libsofthsm2.so` */
export function formatPkcs11Uri(module: string, token: TokenSelector, key: KeySelector): string {
  return writeKeyUri("pkcs11", token, key, { [isModuleName(module) ? "module-name" : "module-path"]: module });
}

/**
 * Reads the attributes of RFC 7512 §2.3 that select a token and a key, and where the PIN is.
 *
 * @param more - the query's other attributes: `access` reads them
 * @throws {SignerError} code `misconfigured`
 */
export function readKeyUri(uri: string, scheme: string, more: readonly string[]) {
  const { path, query, fail } = splitUri(uri, scheme);
  const object = readAttributes(path, ";", PATH, fail);
  const inQuery = readAttributes(query, "&", [...more, ...PIN], fail);
  const text = (name: string) => nonEmpty(object.text(name), name, fail);
  const access = (name: string) => nonEmpty(inQuery.text(name), name, fail);
  if ((object.text("type") ?? "private") !== "private") throw fail("type must be private: it is the key that signs.");
  const [source, value] = [inQuery.secretSource("pin-source"), access("pin-value")];
  if (source !== undefined && value !== undefined) throw fail("pin-source and pin-value exclude each other.");
  const said: KeyUri = {
    token: {
      label: text("token"),
      serial: text("serial"),
      manufacturer: text("manufacturer"),
      model: text("model"),
      slot: slotOf(object.text("slot-id"), fail),
    },
    key: { label: text("object"), id: nonEmpty(object.bytes("id"), "id", fail) },
    pin: source ?? value,
    showsPin: value !== undefined,
  };
  return { said, access, fail };
}

/** @param query - what the scheme adds; what is undefined is left out */
export function writeKeyUri(
  scheme: string,
  { label, serial, manufacturer, model, slot }: TokenSelector,
  key: KeySelector,
  query: Record<string, string | undefined>,
): string {
  const path = { token: label, serial, manufacturer, model, "slot-id": slot?.toString(), object: key.label };
  // RFC 7512 §2.3: the whole of it should be percent-encoded, as it is bytes and no text.
  const id = key.id === undefined ? [] : [`id=${idBytes(key.id).toString("hex").toUpperCase().replace(/../g, "%$&")}`];
  const access = pairs(query, PLAIN_IN_QUERY).join("&");
  return `${scheme}:${[...pairs(path), ...id].join(";")}${access && `?${access}`}`;
}

function pairs(values: Record<string, string | undefined>, plain = ""): string[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${percentEncode(value, plain)}`],
  );
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
