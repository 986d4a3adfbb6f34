/** Request bodies that can be sent again: every attempt needs the whole body, but a stream can be read only once. */
import { isArrayBuffer } from "node:util/types";

/** A body as `fetch` accepts it. */
export type Body = NonNullable<RequestInit["body"]>;

/** A body for one or more attempts to send a request. */
export interface RequestBody {
  /** Whether the body can be sent from its start. Doesn't change while no attempt is open. */
  readonly replayable: boolean;
  /** Starts a new attempt and stops the previous one. */
  open(): Body;
  /** Stops the current attempt, so that it can't read more of the stream before the next one starts. */
  stop(): void;
  /** Ends buffering: there will be no further attempt. Cancels a stream that is no longer read. */
  release(reason?: unknown): void;
}

interface RequestWithBody {
  readonly input: string | Request;
  readonly body: Body | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Creates a replayable body. Copies mutable bodies, as `fetch` does, so that changes while the key signs have no
 * effect.
 *
 * @param limit - Bytes of a stream to buffer for another attempt.
 */
export function requestBody(body: Body, limit: number): RequestBody {
  const stream = streamOf(body);
  if (stream) return new StreamBody(stream, limit);
  const copy = copyOf(body);
  return { replayable: true, open: () => copy, stop: () => undefined, release: () => undefined };
}

/**
 * Returns a copy of the body of a request. That of a stream is a buffer: the body of a `Request` is a stream even if it
 * was created from a string.
 *
 * @param limit - Bytes. A longer stream is returned as a stream.
 * @throws {TypeError} If the body of the `Request` was read before.
 */
export async function bufferedBody({ input, body, signal }: RequestWithBody, limit: number): Promise<Body | undefined> {
  if (body === undefined) return undefined;
  if (typeof input === "object" && input.body === body && input.bodyUsed)
    throw new TypeError("The Request's body has already been used.");
  const stream = streamOf(body);
  return stream ? bufferUpTo(stream, limit, signal) : copyOf(body);
}

/** A string or a Blob is immutable and isn't copied. */
function copyOf(body: Body): Body {
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice();
  if (isArrayBuffer(body)) return body.slice(0);
  if (body instanceof URLSearchParams) return new URLSearchParams(body);
  if (body instanceof FormData) return copyOfForm(body);
  return body;
}

function copyOfForm(original: FormData): FormData {
  const copy = new FormData();
  for (const [name, value] of original) copy.append(name, value);
  return copy;
}

/**
 * Buffers the body of a `Request`, which is a stream even if it was created from a string. A buffered body is sent with
 * its `Content-Length`.
 *
 * @param limit - Bytes. A longer body is returned as a stream.
 * @param signal - Cancels the stream when it aborts. The result can then be a part of the body, and must not be sent.
 */
export async function bufferUpTo(
  stream: ReadableStream<Uint8Array>,
  limit: number,
  signal?: AbortSignal,
): Promise<Body> {
  const reader = stream.getReader();
  const cancel = () => {
    reader.cancel(signal?.reason).catch(() => undefined);
  };
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    return await readUpTo(reader, limit);
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}

async function readUpTo(reader: ReadableStreamDefaultReader<Uint8Array>, limit: number): Promise<Body> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return Buffer.concat(chunks);
    chunks.push(value);
    size += value.byteLength;
    if (size > limit) return concat(chunks, reader);
  }
}

/** Not an async generator: one that hasn't started doesn't cancel the rest. */
function concat(chunks: Uint8Array[], rest: ReadableStreamDefaultReader<Uint8Array>): ReadableStream<Uint8Array> {
  const next = async () => chunks.shift() ?? (await rest.read()).value;
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const chunk = await next();
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
      cancel: (reason) => rest.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/**
 * A stream that is read once and buffered up to the limit. A later attempt starts with the buffer and continues with
 * the stream. The buffer is dropped only when the current attempt has read all of it, so that no attempt gets a partial
 * body.
 */
class StreamBody implements RequestBody {
  readonly #source: ReadableStreamDefaultReader<Uint8Array>;
  readonly #limit: number;
  #buffer: Uint8Array[] = [];
  /** Bytes that were read from the source. */
  #size = 0;
  #replayable = true;
  #reading: Promise<void> | undefined;
  #hasEnded = false;
  /** The number of the current attempt. */
  #attempt = 0;
  /** The index of the chunk in the buffer that the current attempt reads next. */
  #position = 0;
  /** Whether the current attempt was cancelled by its reader. */
  #isCancelled = false;
  #isReleased = false;

  constructor(source: ReadableStream<Uint8Array>, limit: number) {
    this.#source = source.getReader();
    this.#limit = limit;
  }

  get replayable(): boolean {
    return this.#replayable;
  }

  open(): ReadableStream<Uint8Array> {
    this.stop();
    const attempt = this.#attempt;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          if (attempt === this.#attempt && this.#needsMore()) await this.#read();
          if (attempt === this.#attempt) this.#enqueueNext(controller);
        },
        cancel: (reason) => {
          if (attempt !== this.#attempt) return;
          this.#isCancelled = true;
          if (this.#isReleased) this.#cancelSource(reason);
        },
      },
      { highWaterMark: 0 },
    );
  }

  stop(): void {
    this.#attempt++;
    this.#position = 0;
    this.#isCancelled = false;
  }

  release(reason?: unknown): void {
    this.#isReleased = true;
    if (this.#isCancelled || reason !== undefined) this.#cancelSource(reason);
  }

  #needsMore(): boolean {
    return this.#position === this.#buffer.length && !this.#hasEnded;
  }

  /** Shares one read among attempts: a read that a stopped attempt has started continues for the next one. */
  #read(): Promise<void> {
    this.#reading ??= this.#source.read().then(({ value, done }) => {
      this.#reading = undefined;
      this.#hasEnded = done;
      if (!done) this.#append(value);
    });
    return this.#reading;
  }

  #append(chunk: Uint8Array): void {
    this.#size += chunk.byteLength;
    this.#buffer.push(chunk);
  }

  #enqueueNext(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const chunk = this.#buffer[this.#position];
    if (chunk === undefined) {
      controller.close();
      return;
    }
    controller.enqueue(chunk);
    this.#position++;
    if (this.#position === this.#buffer.length && !this.#isWithinLimit()) this.#dropBuffer();
  }

  #isWithinLimit(): boolean {
    return this.#size <= this.#limit && !this.#isReleased;
  }

  #dropBuffer(): void {
    this.#replayable = false;
    this.#buffer = [];
    this.#position = 0;
  }

  #cancelSource(reason: unknown): void {
    this.#source.cancel(reason).catch(() => undefined);
  }
}

function streamOf(body: Body): ReadableStream<Uint8Array> | undefined {
  if (body instanceof ReadableStream) return body;
  return typeof body === "object" && Symbol.asyncIterator in body ? ReadableStream.from(body) : undefined;
}
