/** Random sequences of reading, stopping and reopening a stream body. */
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

/** A source that delivers each chunk when the test requests it, so that a read can stay pending. */
function controlledSource(chunks: Uint8Array[]) {
  const pending: (() => void)[] = [];
  let pulls = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const at = pulls++;
        await new Promise<void>((resolve) => pending.push(resolve));
        const chunk = chunks[at];
        if (chunk) controller.enqueue(chunk);
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, chunk: () => pending.shift()?.() };
}

class Attempt {
  readonly bytes: number[] = [];
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
      this.bytes.push(...(value ?? []));
      this.ended = done;
    });
  }
}

it("gives every attempt the whole body, or doesn't allow the attempt", async () => {
  let mostAttempts = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.array(fc.nat(6), { maxLength: 6 }), async (steps, sizes) => {
      let byte = 0;
      const chunks = sizes.map((size) => Uint8Array.from({ length: size }, () => byte++));
      const whole = chunks.flatMap((chunk) => [...chunk]);
      const source = controlledSource(chunks);
      const body = requestBody(source.stream, LIMIT);
      const attempts = [new Attempt(body)];
      let stopped = false;
      const actions = {
        chunk: source.chunk,
        read: () => {
          for (const attempt of attempts) attempt.read();
        },
        stop: () => {
          stopped = true;
          body.stop();
        },
        open: () => {
          if (!body.replayable) return;
          stopped = false;
          attempts.push(new Attempt(body));
        },
        release: () => body.release(),
      };
      for (const step of steps) {
        const { replayable } = body;
        actions[step]();
        await turn();
        if (stopped) expect(body.replayable).toBe(replayable);
      }
      for (let turns = 0; turns < 40; turns++) {
        actions.read();
        actions.chunk();
        await turn();
      }
      for (const { bytes } of attempts) expect(bytes).toEqual(whole.slice(0, bytes.length));
      for (const { bytes, ended } of attempts) if (ended) expect(bytes).toEqual(whole);
      if (!stopped) expect(attempts.at(-1)?.ended).toBe(true);
      mostAttempts = Math.max(mostAttempts, attempts.length);
    }),
    { numRuns: 300 },
  );
  expect(mostAttempts).toBeGreaterThan(2);
});
