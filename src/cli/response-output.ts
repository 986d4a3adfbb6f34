/** A server's answer, as it was sent: to standard output or a file, or as a JSON document. */
import { isUtf8 } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import type { Context } from "./context.js";
import { NetworkError, UsageError } from "./exit-codes.js";
import { codeOf } from "./secrets.js";

interface AnswerOptions {
  include?: true;
  output?: string;
}

export async function writeAnswer(answer: Response, options: AnswerOptions, { world, output }: Context): Promise<void> {
  if (output.json) return output.document(await documentOf(answer));
  if (options.include) {
    output.line(`HTTP ${answer.status} ${answer.statusText}`, "bold");
    for (const [name, value] of answer.headers) output.line(`${name}: ${value}`);
    output.line();
  }
  if (options.output !== undefined) return writeFile(answer, options.output);
  await copy(answer, (chunk) => new Promise((resolve) => world.stdout.write(chunk, () => resolve())));
}

async function writeFile(answer: Response, path: string): Promise<void> {
  const failed = (cause: unknown): never => {
    throw new UsageError(`--output: the file can't be written (${codeOf(cause)}).`, cause);
  };
  const file: FileHandle = await open(path, "w").catch(failed);
  await copy(answer, (chunk) => file.writeFile(chunk).catch(failed)).finally(() => file.close());
}

async function copy({ body }: Response, write: (chunk: Uint8Array) => Promise<void>): Promise<void> {
  for await (const chunk of chunksOf(body)) await write(chunk);
}

async function* chunksOf(body: Response["body"]): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  for (let part = await read(reader); part !== undefined; part = await read(reader)) yield part;
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array> | undefined): Promise<Uint8Array | undefined> {
  try {
    return (await reader?.read())?.value;
  } catch (error) {
    throw new NetworkError("The answer broke off.", error);
  }
}

/** The body is text where it is UTF-8, else base64. */
async function documentOf(answer: Response): Promise<object> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(answer.body)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const body = isUtf8(bytes) ? { body: bytes.toString("utf8") } : { bodyBase64: bytes.toString("base64") };
  return { status: answer.status, headers: Object.fromEntries(answer.headers), ...body };
}
