/** URIs of keys in a TPM: the attributes of RFC 7512, and the store and TCTI of tpm2-pkcs11. */
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { type Attributes, percentEncode, readAttributes, splitUri, type UriFailure } from "../../src/uri.js";
import type { KeySelector, PinSource, TokenSelector } from "../pkcs11/index.js";
import { idBytes } from "../pkcs11/objects.js";

/** The transports of the TSS that a URI may name: another name would be a library to load, and `cmd` a program to run. */
const TRANSPORT = /^(device|tabrmd|swtpm|mssim)(:|$)/;

/** What a URI says. */
export interface TpmUri {
  readonly token: TokenSelector;
  readonly key: KeySelector;
  readonly store: string | undefined;
  readonly tcti: string | undefined;
  readonly module: string | undefined;
  readonly pin: PinSource | undefined;
}

const PATH = ["token", "serial", "slot-id", "object", "id", "type"];
const QUERY = ["store", "tcti", "module-path", "pin-source", "pin-value"];
/** Left readable in the query (RFC 7512 §2.3, pk11-qchar). */
const PLAIN = "/:,";

/**
 * @param uri - such as `tpm:token=agents;object=dpop?tcti=device:/dev/tpmrm0&pin-source=/run/secrets/tpm-pin`
 * @throws {SignerError} code `misconfigured`, naming the attribute or the character that is wrong, never a value
 */
export function parseTpmUri(uri: string): TpmUri {
  const { path, query, fail } = splitUri(uri, "tpm");
  const object = readAttributes(path, ";", PATH, fail);
  const access = readAttributes(query, "&", QUERY, fail);
  const text = (attributes: Attributes, name: string) => nonEmpty(attributes.text(name), name, fail);
  if ((object.text("type") ?? "private") !== "private") throw fail("type must be private: it is the key that signs.");
  return {
    token: { label: text(object, "token"), serial: text(object, "serial"), slot: slotOf(object.text("slot-id"), fail) },
    key: { label: text(object, "object"), id: nonEmpty(object.bytes("id"), "id", fail) },
    store: text(access, "store"),
    tcti: tctiOf(text(access, "tcti"), fail),
    module: text(access, "module-path"),
    pin: pinOf(text(access, "pin-source"), text(access, "pin-value"), fail),
  };
}

/** @returns the URI without any PIN, such as `tpm:token=agents;object=dpop?tcti=device:/dev/tpmrm0` */
export function formatTpmUri({ token, key, store, tcti, module }: FormattedUri): string {
  const path = {
    token: token.label,
    serial: token.serial,
    "slot-id": token.slot?.toString(),
    object: key.label,
  };
  // Bytes and no text: all of them percent-encoded (RFC 7512 §2.3).
  const id = key.id === undefined ? [] : [`id=${idBytes(key.id).toString("hex").toUpperCase().replace(/../g, "%$&")}`];
  const query = pairs({ store, tcti, "module-path": module }, PLAIN).join("&");
  return `tpm:${[...pairs(path, ""), ...id].join(";")}${query && `?${query}`}`;
}

interface FormattedUri {
  token: TokenSelector;
  key: KeySelector;
  store?: string | undefined;
  tcti?: string | undefined;
  module?: string | undefined;
}

function pairs(values: Record<string, string | undefined>, plain: string): string[] {
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${percentEncode(value, plain)}`],
  );
}

function nonEmpty<T extends string | Buffer>(value: T | undefined, name: string, fail: UriFailure): T | undefined {
  if (value?.length === 0) throw fail(`${name} is empty.`);
  return value;
}

function slotOf(slot: string | undefined, fail: UriFailure): number | undefined {
  if (slot === undefined) return undefined;
  if (/^\d+$/.test(slot) && Number.isSafeInteger(Number(slot))) return Number(slot);
  throw fail("slot-id must be a decimal number.");
}

function tctiOf(tcti: string | undefined, fail: UriFailure): string | undefined {
  if (tcti === undefined || TRANSPORT.test(tcti)) return tcti;
  throw fail("tcti must be device:…, tabrmd:…, swtpm:… or mssim:…; anything else is an option of TpmSigner.");
}

/** A path, a `file:` URI, or `env:NAME`. RFC 7512 §2.4 lets `|command` be run; a URI should not be able to. */
function pinOf(source: string | undefined, value: string | undefined, fail: UriFailure): PinSource | undefined {
  if (source === undefined) return value;
  if (value !== undefined) throw fail("pin-source and pin-value exclude each other.");
  if (/^env:./.test(source)) return { env: source.slice("env:".length) };
  if (isAbsolute(source)) return { file: source };
  try {
    if (source.startsWith("file:")) return { file: fileURLToPath(source) };
  } catch {
    // Of another host, or no URI: refused below.
  }
  throw fail("pin-source must be an absolute path, a file: URI, or env:NAME.");
}
