/** Reads the headers and the body of a request from the command line. */
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { UsageError } from "./exit-codes.js";
import { fileError } from "./file-error.js";
import type { Io } from "./io.js";
import { isStdin, openStdin } from "./stdin.js";

/** A field line (RFC 9110 §5.5, §5.6.2). */
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t\x80-\xff]*)$/;

/** What Node's `fetch` rejects without a request: it sets these itself, or can't do what they ask for. */
const NOT_SENT = /^(?:expect|keep-alive|transfer-encoding|upgrade|connection(?!:\s*(?:close|keep-alive)\s*$)):/i;
const METHODS_NOT_SENT = ["CONNECT", "TRACE", "TRACK"];

/**
 * Parses the values of `--header`.
 *
 * @throws {UsageError} If a line isn't a header, or is one that the command sets. The message doesn't repeat it: it may
 *   contain a secret.
 */
export function parseHeaders(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const [, name, value] = HEADER.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new UsageError("--header must have the form name: value.");
    if (/^(?:authorization|dpop)$/i.test(name))
      throw new UsageError("--header can't be Authorization or DPoP, which the command sets. See --token-file.");
    if (NOT_SENT.test(line))
      throw new UsageError(
        "--header can't be Connection, Expect, Keep-Alive, Transfer-Encoding or Upgrade: leave it out.",
      );
    headers.append(name, value);
  }
  return headers;
}

/** @throws {UsageError} If `fetch` can't send the method, or a body with it. */
export function assertMethod({ request = "", data }: { request?: string; data?: string }): void {
  const method = request.toUpperCase();
  if (METHODS_NOT_SENT.includes(method))
    throw new UsageError(`${method} requests can't be sent: pass another --request.`);
  if (data === undefined || (method !== "GET" && method !== "HEAD")) return;
  throw new UsageError(`A ${method} request can't have a body: leave out --data, or pass -X POST.`);
}

/**
 * Reads the request body.
 *
 * @param data - The value of `--data`: text, `@file`, or `@-` for standard input.
 * @throws {UsageError} If the file can't be read, or standard input was read before.
 */
export async function readBody(data: string | undefined, io: Io): Promise<Uint8Array | string | undefined> {
  if (!data?.startsWith("@")) return data;
  const path = data.slice(1);
  if (isStdin(path, "--data", io)) return buffer(openStdin(io));
  return readFile(path).catch((cause) => {
    throw fileError("--data", "read", cause);
  });
}
