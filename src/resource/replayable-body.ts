/** A request's body that can be sent a second time: each try needs it whole, and a stream gives it only once. */
import { isArrayBuffer } from "node:util/types";

/** What `fetch` takes for a body. */
export type Body = NonNullable<RequestInit["body"]>;

export interface RequestBody {
  /** Whether it can be sent from its start (again). While no try is open, it stays so. */
  readonly replayable: boolean;
  /** What to hand to the next try. The one before gets nothing more. */
  open(): Body;
  /** There will be another try: the one before gets nothing more, so that nothing is lost until the next one opens. */
  stop(): void;
  /** No further try: nothing more is kept, and a stream that nobody reads any longer is cancelled. */
  release(reason?: unknown): void;
}

/**
 * Takes the body as it is now, as `fetch` does: what becomes of it while the key signs is not sent.
 *
 * @param limit - bytes of a stream that are kept for a second try
 */
export function requestBody(body: Body, limit: number): RequestBody {
  if (body instanceof ReadableStream) return new StreamBody(body, limit);
  if (isAsyncIterable(body)) return new StreamBody(ReadableStream.from(body), limit);
  const taken = copied(body);
  return { replayable: true, open: () => taken, stop: () => undefined, release: () => undefined };
}

/** A string and a Blob never change. */
function copied(body: Body): Body {
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice();
  if (isArrayBuffer(body)) return body.slice(0);
  if (body instanceof URLSearchParams) return new URLSearchParams(body);
  if (body instanceof FormData) return formOf(body);
  return body;
}

function formOf(entries: FormData): FormData {
  const form = new FormData();
  for (const [name, value] of entries) form.append(name, value);
  return form;
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

/**
 * Reads its source once and keeps what it read, up to the limit: a later try begins with that and goes on from there. Only
 * what the current try was given is ever let go, so no try gets less than the whole.
 */
class StreamBody implements RequestBody {
  readonly #source: ReadableStreamDefaultReader<Uint8Array>;
  readonly #limit: number;
  #kept: Uint8Array[] = [];
  #size = 0;
  #replayable = true;
  #reading: Promise<void> | undefined;
  #ended = false;
  #tries = 0;
  #given = 0;
  #abandoned = false;
  #released = false;

  constructor(source: ReadableStream<Uint8Array>, limit: number) {
    this.#source = source.getReader();
    this.#limit = limit;
  }

  get replayable(): boolean {
    return this.#replayable;
  }

  open(): ReadableStream<Uint8Array> {
    this.stop();
    const current = this.#tries;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          if (current === this.#tries && this.#needsMore()) await this.#read();
          if (current === this.#tries) this.#give(controller);
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

  stop(): void {
    this.#tries++;
    this.#given = 0;
    this.#abandoned = false;
  }

  release(reason?: unknown): void {
    this.#released = true;
    if (this.#abandoned || reason !== undefined) this.#cancel(reason);
  }

  #needsMore(): boolean {
    return this.#given === this.#kept.length && !this.#ended;
  }

  /** One read for all who wait: one that a stopped try has begun brings what the next try gets. */
  #read(): Promise<void> {
    this.#reading ??= this.#source.read().then(({ value, done }) => {
      this.#reading = undefined;
      this.#ended = done;
      if (!done) this.#keep(value);
    });
    return this.#reading;
  }

  #keep(chunk: Uint8Array): void {
    this.#size += chunk.byteLength;
    this.#kept.push(chunk);
  }

  #give(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const chunk = this.#kept[this.#given];
    if (chunk === undefined) {
      controller.close();
      return;
    }
    controller.enqueue(chunk);
    this.#given++;
    this.#letGo();
  }

  #letGo(): void {
    const keepsMore = this.#size <= this.#limit && !this.#released;
    if (keepsMore || this.#given < this.#kept.length) return;
    this.#replayable = false;
    this.#kept = [];
    this.#given = 0;
  }

  #cancel(reason: unknown): void {
    this.#source.cancel(reason).catch(() => undefined);
  }
}

function isAsyncIterable(body: Body): body is AsyncIterable<Uint8Array> & Body {
  return typeof body === "object" && Symbol.asyncIterator in body;
}
