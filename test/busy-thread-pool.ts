/** Occupies the threads of libuv's pool, where Node makes signatures: a store that never responds. */
import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, open, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The default size of the pool. */
const THREADS = Number(process.env.UV_THREADPOOL_SIZE ?? 4);

/**
 * Lets each thread wait until a FIFO has a writer.
 *
 * @returns A function that releases the threads.
 */
export function occupyThreadPool(): () => Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-threads-"));
  const fifo = join(directory, "fifo");
  execFileSync("mkfifo", [fifo]);
  const threads = Array.from({ length: THREADS }, () => openForReading(fifo));
  return async () => {
    const writer = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    for (const reader of await Promise.all(threads)) closeSync(reader);
    closeSync(writer);
    rmSync(directory, { recursive: true });
  };
}

function openForReading(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, "r", (error, descriptor) => (error ? reject(error) : resolve(descriptor)));
  });
}
