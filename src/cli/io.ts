/** The streams, environment and signal that a command uses, so that tests can replace those of the process. */
import type { Readable, Writable } from "node:stream";

/** The streams, environment and signal of a command. */
export interface Io {
  readonly stdin: Readable & Terminal;
  readonly stdout: Writable & Terminal;
  readonly stderr: Writable & Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts on Ctrl-C or SIGTERM, and in some commands on SIGHUP, with an {@link Interruption} as its reason. */
  readonly signal: AbortSignal;
  /** Ends the command as a signal does. A terminal in raw mode doesn't turn Ctrl-C into one. */
  end(signal: EndSignal): void;
}

/** Ctrl-C, Ctrl-\, and a terminal that was closed. */
export type EndSignal = "SIGINT" | "SIGQUIT" | "SIGHUP";

/** The properties of a stream that is connected to a terminal. */
export interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  /** Turns the echo, the editing of lines and the keys for signals off, or on again. Only terminals have it. */
  setRawMode?(isRaw: boolean): unknown;
}

/** The abort reason when a process signal ends the command. */
export class Interruption extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super("Interrupted.");
    this.exitCode = exitCode;
  }
}
