/**
 * Secrets that a key store needs, such as PINs, passphrases and tokens: where they come from, and how they are read.
 */
import { readFile } from "node:fs/promises";
import { SignerError, type SignerErrorCode } from "../errors.js";

/** Where a secret is stored. Unlike the secret itself, a URI can contain it. */
export type SecretReference =
  | {
      /** The name of an environment variable. */
      readonly env: string;
    }
  | {
      /** The path of a file. An inherited descriptor, such as `/dev/fd/9`, is read once in the process. */
      readonly file: string;
    };

/**
 * Where a secret comes from: the secret itself, an environment variable, a file, or a function. The function is called
 * each time the secret is needed; it may prompt for it.
 *
 * A byte order mark at the beginning and line breaks at the end aren't part of the secret, whatever the source.
 */
export type SecretSource = string | SecretReference | (() => string | Promise<string>);

/** What a secret is for, as {@link readSecret} reports it in errors. */
export interface SecretUse {
  /** What the secret is, such as `PIN` or `passphrase`. */
  readonly name: string;
  /** The URI of the key or the store. It must not contain a secret. */
  readonly uri?: string | undefined;
  /** Code of the error. Default: `pin-required`. */
  readonly code?: SignerErrorCode | undefined;
  /** A sentence that ends the error's message, such as `No login was attempted.` */
  readonly note?: string | undefined;
}

/**
 * Reads a secret.
 *
 * @returns The secret, which is never empty.
 * @throws {SignerError} With code `use.code`, naming the source, if the secret is missing, empty or can't be read.
 */
export async function readSecret(source: SecretSource, use: SecretUse): Promise<string> {
  const secret = await read(source, use);
  if (typeof secret === "string" && secret !== "") return secret;
  throw secretError(source, use, secret === undefined ? "is missing" : "is empty");
}

/** Removes what editors and secret stores add to a secret: a byte order mark, and line breaks at its end. */
export function trimSecret(text: string): string {
  return text.replace(/^\uFEFF/, "").replace(/[\r\n]+$/, "");
}

/** A caller without type checks may pass a function that doesn't return a string. */
async function read(source: SecretSource, use: SecretUse): Promise<unknown> {
  try {
    const secret: unknown = await readUntrimmed(source);
    return typeof secret === "string" ? trimSecret(secret) : secret;
  } catch (cause) {
    throw secretError(source, use, `can't be read${reasonOf(cause)}`, cause);
  }
}

/** Only the code of a system error: the message of a function's error could contain the secret. */
function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return typeof code === "string" && /^E[A-Z0-9]{2,15}$/.test(code) ? ` (${code})` : "";
}

async function readUntrimmed(source: SecretSource): Promise<string | undefined> {
  if (typeof source === "string") return source;
  if (typeof source === "function") return source();
  return "env" in source ? process.env[source.env] : readSecretFile(source.file);
}

/** A descriptor that the process inherited. A shell passes `<(command)` as one. */
const DESCRIPTOR = /^\/(dev\/(stdin|fd\/\d+)|proc\/(self|\d+)\/fd\/\d+)$/;
/** By path. A pipe is empty once it was read, but a store may need its PIN again: for the new key, or for a recovery. */
const fromDescriptors = new Map<string, Promise<string>>();

/** Reads a file; an inherited descriptor only once. */
export function readSecretFile(path: string): Promise<string> {
  if (!DESCRIPTOR.test(path)) return readFile(path, "utf8");
  const content = fromDescriptors.get(path) ?? readFile(path, "utf8");
  fromDescriptors.set(path, content);
  content.catch(() => fromDescriptors.delete(path));
  return content;
}

function secretError(source: SecretSource, use: SecretUse, problem: string, cause?: unknown): SignerError {
  const { name, uri, code = "pin-required", note } = use;
  const sentence = `The ${name}${placeOf(source)} ${problem}.`;
  const message = note === undefined ? sentence : `${sentence} ${note}`;
  return new SignerError(code, uri === undefined ? message : `${uri}: ${message}`, { uri, cause });
}

function placeOf(source: SecretSource): string {
  if (typeof source === "string") return "";
  if (typeof source === "function") return " from the function";
  return "env" in source ? ` in the environment variable ${source.env}` : ` in the file ${source.file}`;
}
