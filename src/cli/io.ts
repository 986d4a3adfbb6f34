/** What a command has of the process around it, so that a test can be one too. */
import type { Readable, Writable } from "node:stream";

export interface World {
  readonly stdin: Readable & Terminal;
  readonly stdout: Writable & Terminal;
  readonly stderr: Writable & Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts at Ctrl-C. Its reason is an {@link Interruption}. */
  readonly signal: AbortSignal;
}

/** What a stream has that leads to a terminal. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Who ended the command from outside. */
export class Interruption extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super("Interrupted.");
    this.exitCode = exitCode;
  }
}
