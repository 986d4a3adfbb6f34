/** Parsing of key URIs (RFC 3986): named attributes, and errors that point at the wrong character. */
import type { SignerError } from "../errors.js";
import { ALGORITHMS, type AlgorithmName } from "../jose/algorithms.js";
import { findAlgorithm, namesOf } from "../jose/find-algorithm.js";
import type { SecretReference } from "./secret-source.js";
import { misconfigured } from "./signer-error.js";

/** A part of a URI. */
export interface UriPart {
  /** The part, still percent-encoded. */
  readonly text: string;
  /** The index in the URI where it starts. */
  readonly at: number;
}

/** Attributes by name, percent-decoded. */
export class Attributes {
  readonly #values: ReadonlyMap<string, Buffer>;
  readonly #fail: UriFailure;

  /** @param fail - Creates the errors. */
  constructor(values: ReadonlyMap<string, Buffer>, fail: UriFailure) {
    this.#values = values;
    this.#fail = fail;
  }

  /** Returns an attribute as bytes. */
  bytes(name: string): Buffer | undefined {
    return this.#values.get(name);
  }

  /**
   * Returns an attribute as text.
   *
   * @throws {SignerError} With code `misconfigured` if the value isn't UTF-8, or contains a NUL.
   */
  text(name: string): string | undefined {
    const bytes = this.#values.get(name);
    return bytes && decodeText(bytes, name, this.#fail);
  }

  /**
   * Returns the source of a secret, which the URI itself must not contain.
   *
   * The value is `env:NAME`, the absolute path of a file, or a local `file:` URI (RFC 8089), whose path is
   * percent-encoded once more.
   *
   * @throws {SignerError} With code `misconfigured` if it is anything else.
   */
  secretSource(name: string): SecretReference | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const [, env, scheme, path] = SECRET_SOURCE.exec(text) ?? [];
    if (env !== undefined) return { env };
    if (path === undefined) throw this.#fail(`${name} must be env:NAME, or the absolute path of a file`);
    if (scheme === undefined) return { file: path };
    // Errors don't point at a character: the text has been decoded, so its positions differ from those in the URI.
    const fail = (message: string) => this.#fail(message);
    return { file: decodeText(percentDecode({ text: path, at: 0 }, fail), name, fail) };
  }

  /**
   * Returns the attribute `algorithm`, which an RSA key needs, since it can sign with several.
   *
   * @throws {SignerError} With code `misconfigured` if it isn't the name of an algorithm.
   */
  algorithm(): AlgorithmName | undefined {
    const name = this.text("algorithm");
    if (name === undefined) return undefined;
    const row = findAlgorithm(name);
    if (row) return row.alg;
    throw this.#fail(`algorithm must be one of ${namesOf(ALGORITHMS)}`);
  }
}

const SECRET_SOURCE = /^(?:env:([A-Za-z_]\w*)|(file:(?:\/\/(?:localhost)?)?)?(\/[^/].*))$/s;

/** The result of {@link splitUri}. */
export interface SplitUri {
  /** What follows the scheme. */
  readonly path: UriPart;
  /** What follows the question mark, or an empty text. */
  readonly query: UriPart;
  /** Creates errors about this URI. */
  readonly fail: UriFailure;
}

/** Creates an error with code `misconfigured`. `at` is the index of the wrong character in the URI. */
export type UriFailure = (message: string, at?: number) => SignerError;

/**
 * Splits `scheme:path?query`.
 *
 * @throws {SignerError} With code `misconfigured` if the scheme is another one, or the URI has a fragment or a
 *   character that must be percent-encoded.
 */
export function splitUri(uri: string, scheme: string): SplitUri {
  const fail = failureOf(scheme);
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
 * Parses `name=value` pairs.
 *
 * @param names - The allowed names. Each may appear at most once.
 * @throws {SignerError} With code `misconfigured`, naming the attribute or pointing at the character that is wrong. The
 *   message never contains a value.
 */
export function readAttributes(
  part: UriPart,
  separator: ";" | "&",
  names: readonly string[],
  fail: UriFailure,
): Attributes {
  const values = new Map<string, Buffer>();
  let { at } = part;
  for (const pair of part.text === "" ? [] : part.text.split(separator)) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw fail("Expected name=value", at);
    const name = pair.slice(0, equals);
    if (!names.includes(name)) throw fail(`Unknown attribute. Known attributes: ${names.join(", ") || "none"}`, at);
    if (values.has(name)) throw fail(`${name} appears twice`, at);
    values.set(name, percentDecode({ text: pair.slice(equals + 1), at: at + equals + 1 }, fail));
    at += pair.length + 1;
  }
  return new Attributes(values, fail);
}

/**
 * Decodes UTF-8.
 *
 * @param what - What the value is, for the error.
 * @throws {SignerError} With code `misconfigured` if the bytes aren't UTF-8, or contain a NUL, which ends a C string.
 */
export function decodeText(bytes: Buffer, what: string, fail: UriFailure): string {
  const text = bytes.toString("utf8");
  if (!Buffer.from(text).equals(bytes)) throw fail(`${what} is not UTF-8`);
  if (bytes.includes(0)) throw fail(`${what} contains a NUL`);
  return text;
}

/**
 * Decodes a percent-encoded part.
 *
 * @throws {SignerError} With code `misconfigured`, pointing at a `%` that isn't followed by two hex digits.
 */
export function percentDecode({ text, at }: UriPart, fail: UriFailure): Buffer {
  const stray = text.search(/%(?![0-9a-f]{2})/i);
  if (stray >= 0) throw fail("Expected two hex digits after %", at + stray);
  return Buffer.from(
    text.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    "latin1",
  );
}

/**
 * Percent-encodes all characters except the unreserved ones (RFC 3986 §2.3).
 *
 * @param plain - Further characters that are not encoded.
 */
export function percentEncode(value: string | Uint8Array, plain = ""): string {
  const encode = (byte: number) => {
    const character = String.fromCharCode(byte);
    const isPlain = /[\w.~-]/.test(character) || plain.includes(character);
    return isPlain ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  };
  return Array.from(typeof value === "string" ? Buffer.from(value) : value, encode).join("");
}

/**
 * Formats `name=value` pairs.
 *
 * @param attributes - Values by name. Undefined ones are omitted.
 * @param plain - Further characters that are not encoded, as in {@link percentEncode}.
 * @returns The pairs, or an empty string if there are none.
 */
export function formatAttributes(
  attributes: Readonly<Record<string, string | number | undefined>>,
  separator: ";" | "&",
  plain = "",
): string {
  return Object.entries(attributes)
    .flatMap(([name, value]) => (value === undefined ? [] : `${name}=${percentEncode(String(value), plain)}`))
    .join(separator);
}

/** Returns the value that {@link Attributes.secretSource} reads: `env:NAME` or a path. */
export function formatSecretSource(source: SecretReference): string {
  return "env" in source ? `env:${source.env}` : source.file;
}

/** Errors contain the position, but not the URI, which may contain a PIN. */
function failureOf(scheme: string): UriFailure {
  return (message, at) => {
    const position = at === undefined ? "" : ` (character ${at + 1} of the URI)`;
    return misconfigured(`${scheme}: ${message.replace(/\.$/, "")}${position}.`);
  };
}

/**
 * Returns whether a host is this machine's loopback interface, which plain HTTP never leaves (RFC 8252 §7.3, RFC 6761
 * §6.3).
 *
 * @param host - A URL's `hostname`: an IPv6 address is in brackets.
 */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127(\.\d+){3}$/.test(host);
}
