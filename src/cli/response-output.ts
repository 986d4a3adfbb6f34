/** Writes a server's response: to standard output or a file unchanged, or as a JSON document. */
import { isUtf8 } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import type { Context } from "./context.js";
import { errorCode, NetworkError, UsageError } from "./exit-codes.js";

interface ResponseOptions {
  include?: true;
  output?: string;
}

/**
 * Writes a response as the options require.
 *
 * @throws {UsageError} If the file of `--output` can't be written.
 * @throws {NetworkError} If the response ends early.
 */
export async function writeResponse(
  response: Response,
  options: ResponseOptions,
  { io, output }: Context,
): Promise<void> {
  if (output.json) return output.document(await responseDocument(response));
  if (options.include) {
    output.line(`HTTP ${response.status} ${response.statusText}`, "bold");
    for (const [name, value] of response.headers) output.line(`${name}: ${value}`);
    output.line();
  }
  if (options.output !== undefined) return writeFile(response, options.output);
  await copyBody(response, (chunk) => new Promise((resolve) => io.stdout.write(chunk, () => resolve())));
}

async function writeFile(response: Response, path: string): Promise<void> {
  const fail = (cause: unknown): never => {
    throw new UsageError(`--output: the file can't be written (${errorCode(cause)}).`, cause);
  };
  const file: FileHandle = await open(path, "w").catch(fail);
  await copyBody(response, (chunk) => file.writeFile(chunk).catch(fail)).finally(() => file.close());
}

async function copyBody({ body }: Response, write: (chunk: Uint8Array) => Promise<void>): Promise<void> {
  for await (const chunk of chunks(body)) await write(chunk);
}

async function* chunks(body: Response["body"]): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  for (let chunk = await read(reader); chunk !== undefined; chunk = await read(reader)) yield chunk;
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array> | undefined): Promise<Uint8Array | undefined> {
  try {
    return (await reader?.read())?.value;
  } catch (error) {
    throw new NetworkError("The connection was closed before the response was complete.", error);
  }
}

/** `body` is a string if the bytes are UTF-8; otherwise `bodyBase64` contains them. */
async function responseDocument(response: Response): Promise<object> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks(response.body)) parts.push(chunk);
  const bytes = Buffer.concat(parts);
  const body = isUtf8(bytes) ? { body: bytes.toString("utf8") } : { bodyBase64: bytes.toString("base64") };
  return { status: response.status, headers: Object.fromEntries(response.headers), ...body };
}
