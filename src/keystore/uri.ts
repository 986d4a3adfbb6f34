/** What the URIs of all key stores have in common (RFC 3986): named attributes, and errors that point at the character. */
import { isUtf8 } from "node:buffer";
import { SignerError } from "../errors.js";
import type { SecretReference } from "./secret-source.js";

/** One part of a URI, and where in the URI it starts. */
export interface UriPart {
  readonly text: string;
  readonly at: number;
}

/** Attributes by name, percent-decoded. */
export class Attributes {
  readonly #values: ReadonlyMap<string, Buffer>;
  readonly #fail: UriFailure;

  constructor(values: ReadonlyMap<string, Buffer>, fail: UriFailure) {
    this.#values = values;
    this.#fail = fail;
  }

  bytes(name: string): Buffer | undefined {
    return this.#values.get(name);
  }

  /** @throws {SignerError} code `misconfigured` if the value is not UTF-8, or holds a NUL */
  text(name: string): string | undefined {
    const bytes = this.#values.get(name);
    return bytes && toText(bytes, name, this.#fail);
  }

  /**
   * Where a secret is kept that the URI must not hold.
   *
   * @returns of `env:NAME`, `/path`, or a `file:` URI of this machine (RFC 8089), whose path is percent-encoded once more
   * @throws {SignerError} code `misconfigured` for anything else
   */
  secretSource(name: string): SecretReference | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const [, env, scheme, path] = SECRET_SOURCE.exec(text) ?? [];
    if (env !== undefined) return { env };
    if (path === undefined) throw this.#fail(`${name} must be env:NAME, or the absolute path of a file`);
    if (scheme === undefined) return { file: path };
    // The text was decoded once already: a position in it would be none in the URI.
    const fail = (message: string) => this.#fail(message);
    return { file: toText(percentDecode({ text: path, at: 0 }, fail), name, fail) };
  }
}

const SECRET_SOURCE = /^(?:env:([A-Za-z_]\w*)|(file:(?:\/\/(?:localhost)?)?)?(\/[^/].*))$/s;

/** Makes the error; `at` is the index of the character that it is about. */
export type UriFailure = (message: string, at?: number) => SignerError;

/**
 * Splits `scheme:path?query`.
 *
 * @throws {SignerError} code `misconfigured` for another scheme, a fragment, or a character that no URI may hold
 */
export function splitUri(uri: string, scheme: string): { path: UriPart; query: UriPart; fail: UriFailure } {
  const fail = failure(scheme);
  if (typeof uri !== "string") throw fail("A key's URI must be a string");
  if (!uri.startsWith(`${scheme}:`)) throw fail(`The URI must start with ${scheme}:`, 0);
  const stray = uri.search(/[^\x21-\x7e]|["<>\\^`{}#|]/);
  if (stray >= 0) throw fail("This character must be percent-encoded", stray);
  const start = scheme.length + 1;
  const mark = uri.indexOf("?");
  const end = mark < 0 ? uri.length : mark;
  return { path: { text: uri.slice(start, end), at: start }, query: { text: uri.slice(end + 1), at: end + 1 }, fail };
}

/**
 * Reads `name=value` pairs.
 *
 * @param known - the names that may stand there; each at most once
 * @throws {SignerError} code `misconfigured`, naming the attribute or the character that is wrong, never a value
 */
export function readAttributes(
  part: UriPart,
  separator: ";" | "&",
  known: readonly string[],
  fail: UriFailure,
): Attributes {
  const values = new Map<string, Buffer>();
  let { at } = part;
  for (const pair of part.text === "" ? [] : part.text.split(separator)) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw fail("Here must stand name=value", at);
    const name = pair.slice(0, equals);
    if (!known.includes(name)) throw fail(`Unknown attribute; known are ${known.join(", ") || "none"}`, at);
    if (values.has(name)) throw fail(`${name} is given twice`, at);
    values.set(name, percentDecode({ text: pair.slice(equals + 1), at: at + equals + 1 }, fail));
    at += pair.length + 1;
  }
  return new Attributes(values, fail);
}

/**
 * @param what - names the value in errors
 * @throws {SignerError} code `misconfigured` if the bytes are not UTF-8, or hold a NUL, where C would end the text
 */
export function toText(bytes: Buffer, what: string, fail: UriFailure): string {
  if (!isUtf8(bytes)) throw fail(`${what} is not UTF-8`);
  if (bytes.includes(0)) throw fail(`${what} holds a NUL`);
  return bytes.toString("utf8");
}

/** @throws {SignerError} code `misconfigured`, pointing at a `%` that two hex digits don't follow */
export function percentDecode({ text, at }: UriPart, fail: UriFailure): Buffer {
  const wrong = text.search(/%(?![0-9a-f]{2})/i);
  if (wrong >= 0) throw fail("After % must stand two hex digits", at + wrong);
  return Buffer.from(
    text.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    "latin1",
  );
}

/** Percent-encodes all but the unreserved characters (RFC 3986 §2.3), and those named as `plain`. */
export function percentEncode(value: string | Uint8Array, plain = ""): string {
  const encode = (byte: number) => {
    const character = String.fromCharCode(byte);
    const keep = /[\w.~-]/.test(character) || plain.includes(character);
    return keep ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  };
  return Array.from(typeof value === "string" ? Buffer.from(value) : value, encode).join("");
}

/** Positions, not the URI itself: it may hold a PIN. */
function failure(scheme: string): UriFailure {
  return (message, at) => {
    const where = at === undefined ? "" : ` (character ${at + 1} of the URI)`;
    return new SignerError("misconfigured", `${scheme}: ${message.replace(/\.$/, "")}${where}.`);
  };
}
