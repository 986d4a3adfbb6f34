/** The headers and the body of a request, from the command line. */
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { UsageError } from "./exit-codes.js";
import type { World } from "./io.js";
import { codeOf, openStdin } from "./secrets.js";

/** RFC 9110 §5.6.2, §5.5. */
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t\x80-\xff]*)$/;

/** @throws {UsageError} without what was given, which may be a secret */
export function headersOf(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const [, name, value] = HEADER.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new UsageError("A header is given as name: value.");
    headers.append(name, value);
  }
  return headers;
}

export async function bodyOf(data: string | undefined, world: World): Promise<Uint8Array | string | undefined> {
  if (data === "@-") return buffer(openStdin(world));
  if (!data?.startsWith("@")) return data;
  return readFile(data.slice(1)).catch((cause) => {
    throw new UsageError(`--data: the file can't be read (${codeOf(cause)}).`, cause);
  });
}
