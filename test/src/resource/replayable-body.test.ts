/** A stream that is tried more than once, read, stopped and opened again at any moment. */
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { expect, it } from "vitest";
import { type RequestBody, requestBody } from "../../../src/resource/replayable-body.js";

const LIMIT = 8;

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant("chunk" as const) },
  { weight: 3, arbitrary: fc.constant("read" as const) },
  fc.constant("stop" as const),
  fc.constant("open" as const),
  fc.constant("release" as const),
);

/** A source whose chunks come when the test says so: one read may be pending for as long as it likes. */
function heldSource(chunks: Uint8Array[]) {
  const coming: (() => void)[] = [];
  let asked = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const at = asked++;
        await new Promise<void>((resolve) => coming.push(resolve));
        const chunk = chunks[at];
        if (chunk) controller.enqueue(chunk);
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, chunk: () => coming.shift()?.() };
}

class Try {
  readonly got: number[] = [];
  ended = false;
  #reading: Promise<void> | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(body: RequestBody) {
    const stream = body.open();
    this.#reader = stream instanceof ReadableStream ? stream.getReader() : expect.unreachable();
  }

  read(): void {
    this.#reading ??= this.#reader.read().then(({ value, done }) => {
      this.#reading = undefined;
      this.got.push(...(value ?? []));
      this.ended = done;
    });
  }
}

it("a try is given the whole, or there is none", async () => {
  let retried = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.array(fc.nat(6), { maxLength: 6 }), async (steps, sizes) => {
      let byte = 0;
      const chunks = sizes.map((size) => Uint8Array.from({ length: size }, () => byte++));
      const whole = chunks.flatMap((chunk) => [...chunk]);
      const source = heldSource(chunks);
      const body = requestBody(source.stream, LIMIT);
      const tries = [new Try(body)];
      let stopped = false;
      const does = {
        chunk: source.chunk,
        read: () => {
          for (const one of tries) one.read();
        },
        stop: () => {
          stopped = true;
          body.stop();
        },
        open: () => {
          if (!body.replayable) return;
          stopped = false;
          tries.push(new Try(body));
        },
        release: () => body.release(),
      };
      for (const step of steps) {
        const { replayable } = body;
        does[step]();
        await turn();
        if (stopped) expect(body.replayable).toBe(replayable);
      }
      for (let turns = 0; turns < 40; turns++) {
        does.read();
        does.chunk();
        await turn();
      }
      for (const { got } of tries) expect(got).toEqual(whole.slice(0, got.length));
      for (const { got, ended } of tries) if (ended) expect(got).toEqual(whole);
      if (!stopped) expect(tries.at(-1)?.ended).toBe(true);
      retried = Math.max(retried, tries.length);
    }),
    { numRuns: 300 },
  );
  expect(retried).toBeGreaterThan(2);
});
