/** A request's body that can be sent a second time: each try needs it whole, and a stream gives it only once. */

/** What `fetch` takes for a body. */
export type Body = NonNullable<RequestInit["body"]>;

export interface RequestBody {
  /** Whether it can be sent from its start (again). */
  readonly replayable: boolean;
  /** What to hand to the next try. The one before gets nothing more. */
  open(): Body;
  /** No further try: nothing more is kept, and a stream that nobody reads any longer is cancelled. */
  release(reason?: unknown): void;
}

/**
 * @param limit - bytes of a stream that are kept for a second try
 */
export function requestBody(body: Body, limit: number): RequestBody {
  if (body instanceof ReadableStream) return new StreamBody(body, limit);
  if (isAsyncIterable(body)) return new StreamBody(ReadableStream.from(body), limit);
  return { replayable: true, open: () => body, release: () => undefined };
}

/**
 * The body of a `Request`, which is a stream even where it was made of a string: read whole, so that it keeps its length.
 *
 * @param limit - bytes; what is longer stays a stream
 */
export async function gathered(stream: ReadableStream<Uint8Array>, limit: number): Promise<Body> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream.values({ preventCancel: true })) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > limit) return ReadableStream.from(joined(chunks, stream));
  }
  return Buffer.concat(chunks);
}

async function* joined(chunks: Uint8Array[], rest: ReadableStream<Uint8Array>) {
  yield* chunks;
  yield* rest;
}

/** Reads its source once and keeps what it read, up to the limit: a later try begins with that and goes on from there. */
class StreamBody implements RequestBody {
  readonly #source: ReadableStreamDefaultReader<Uint8Array>;
  readonly #limit: number;
  #kept: Uint8Array[] = [];
  #size = 0;
  #reading: Promise<Uint8Array | undefined> | undefined;
  #tries = 0;
  #abandoned = false;
  #released = false;

  constructor(source: ReadableStream<Uint8Array>, limit: number) {
    this.#source = source.getReader();
    this.#limit = limit;
  }

  get replayable(): boolean {
    return this.#size <= this.#limit;
  }

  open(): ReadableStream<Uint8Array> {
    const current = ++this.#tries;
    let given = 0;
    this.#abandoned = false;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = this.#kept[given] ?? (await this.#read());
          if (current !== this.#tries) return;
          given++;
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        },
        cancel: (reason) => {
          if (current !== this.#tries) return;
          this.#abandoned = true;
          if (this.#released) this.#cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
  }

  release(reason?: unknown): void {
    this.#released = true;
    if (this.#abandoned || reason !== undefined) this.#cancel(reason);
  }

  #read(): Promise<Uint8Array | undefined> {
    this.#reading ??= this.#source.read().then(({ value, done }) => {
      this.#reading = undefined;
      return done ? undefined : this.#keep(value);
    });
    return this.#reading;
  }

  /** Only called once the try has been given all that was kept, so that can be let go. */
  #keep(chunk: Uint8Array): Uint8Array {
    this.#size += chunk.byteLength;
    if (this.replayable && !this.#released) this.#kept.push(chunk);
    else this.#kept = [];
    return chunk;
  }

  #cancel(reason: unknown): void {
    this.#source.cancel(reason).catch(() => undefined);
  }
}

function isAsyncIterable(body: Body): body is AsyncIterable<Uint8Array> & Body {
  return typeof body === "object" && Symbol.asyncIterator in body;
}
