/**
 * Secrets that a key store needs, such as PINs, passphrases and tokens: where they come from, and how they are read.
 */
import { readFile } from "node:fs/promises";
import { SignerError, type SignerErrorCode } from "../errors.js";
import { misconfigured, signerError } from "./signer-error.js";

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

/** Whether the value, which a caller in JavaScript may pass, is a {@link SecretSource}. */
export function isSecretSource(value: unknown): value is SecretSource {
  if (typeof value === "string" || typeof value === "function") return true;
  const { env, file } = Object(value);
  return typeof env === "string" || typeof file === "string";
}

/**
 * Reads a secret.
 *
 * @returns The secret, which is never empty.
 * @throws {SignerError} With code `use.code`, naming the source, if the secret is missing, empty or can't be read;
 *   `misconfigured` if the source isn't one. What a function throws isn't repeated, since it may contain the secret.
 */
export async function readSecret(source: SecretSource, use: SecretUse): Promise<string> {
  if (!isSecretSource(source)) throw notASource(use);
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
    // The message of a function's error may contain the secret, such as that of JSON.parse.
    throw secretError(source, use, `can't be read${reasonOf(cause)}`, typeof source === "function" ? undefined : cause);
  }
}

/** Returns the code of a system error, or else the error's name. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return "";
  const code = "code" in cause ? cause.code : undefined;
  if (typeof code === "string" && /^E[A-Z0-9]{2,15}$/.test(code)) return ` (${code})`;
  return /^[A-Z]\w{0,60}$/.test(cause.name) && cause.name !== "Error" ? ` (${cause.name})` : "";
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

/** The error doesn't contain the value: a number may be the PIN. */
function notASource({ name, uri }: SecretUse): SignerError {
  const message = `The source of the ${name} must be a string, a function, { env } or { file }.`;
  return uri === undefined ? misconfigured(message) : signerError(uri, "misconfigured", message);
}

function secretError(source: SecretSource, use: SecretUse, problem: string, cause?: unknown): SignerError {
  const { name, uri, code = "pin-required", note } = use;
  const sentence = `The ${nameSecret(name, source)} ${problem}.`;
  const message = note === undefined ? sentence : `${sentence} ${note}`;
  return new SignerError(code, uri === undefined ? message : `${uri}: ${message}`, { uri, cause });
}

/** Returns the secret's name and source, for errors: `PIN in the environment variable HSM_PIN`. */
export function nameSecret(name: string, source: SecretSource): string {
  return name + placeOf(source);
}

/**
 * Returns the error for a secret that a store rejected, with the secret's source: only the caller of the store knows it. Any other
 * error is returned unchanged.
 *
 * @param name - What the messages of the store call it, such as `PIN`.
 */
export function withSecretSource(error: unknown, name: string, source: SecretSource): unknown {
  if (!(error instanceof SignerError) || error.code !== "pin-incorrect") return error;
  const { code, message, uri, cause } = error;
  const named = nameSecret(name, source);
  const mention = new RegExp(`\\b([Tt])h(?:e|is) ${name}\\b`);
  // A function, because a path can contain what String.replace would replace, such as $&.
  const text = mention.test(message)
    ? message.replace(mention, (_, first: string) => `${first}he ${named}`)
    : `${message} This was the ${named}.`;
  return new SignerError(code, text, { uri, cause });
}

function placeOf(source: SecretSource): string {
  if (typeof source === "string") return "";
  if (typeof source === "function") return " from the function";
  return "env" in source ? ` in the environment variable ${source.env}` : ` in the file ${source.file}`;
}
