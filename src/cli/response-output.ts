/** Writes a server's response: to standard output or a file unchanged, or as a JSON document. */
import { isUtf8 } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import type { Context } from "./context.js";
import { fileError } from "./file-error.js";
import type { ServerCall } from "./server-call.js";

interface ResponseOptions {
  include?: true;
  output?: string;
}

/**
 * Writes a response as the options require.
 *
 * @param call - The call that the response belongs to.
 * @throws {UsageError} If the file of `--output` can't be written.
 * @throws {NetworkError} If the response ends early, or takes too long.
 */
export async function writeResponse(
  response: Response,
  call: ServerCall,
  options: ResponseOptions,
  { output }: Context,
): Promise<void> {
  const body = chunks(response.body, call);
  if (output.json) return output.document(await responseDocument(response, body));
  if (options.include) {
    output.line(`HTTP ${response.status} ${response.statusText}`, "bold");
    for (const [name, value] of response.headers) output.line(`${name}: ${value}`);
    output.line();
  }
  if (options.output !== undefined) return writeFile(body, options.output);
  for await (const chunk of body) await output.bytes(chunk);
}

async function writeFile(body: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const fail = (cause: unknown): never => {
    throw fileError("--output", "written", cause);
  };
  const file: FileHandle = await open(path, "w").catch(fail);
  try {
    for await (const chunk of body) await file.writeFile(chunk).catch(fail);
  } finally {
    await file.close();
  }
}

async function* chunks(body: Response["body"], call: ServerCall): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  const nextPart = () => reader.read();
  const read = () => call.run(nextPart, () => CLOSED);
  for (let part = await read(); !part.done; part = await read()) yield part.value;
}

const CLOSED = "The connection was closed before the response was complete.";

/** `body` is a string if the bytes are UTF-8; otherwise `bodyBase64` contains them. */
async function responseDocument(response: Response, content: AsyncIterable<Uint8Array>): Promise<object> {
  const parts: Uint8Array[] = [];
  for await (const chunk of content) parts.push(chunk);
  const bytes = Buffer.concat(parts);
  const body = isUtf8(bytes) ? { body: bytes.toString("utf8") } : { bodyBase64: bytes.toString("base64") };
  return { status: response.status, headers: Object.fromEntries(response.headers), ...body };
}
