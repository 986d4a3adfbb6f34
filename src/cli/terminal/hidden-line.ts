/** Reads a line from a terminal without showing it. The terminal is restored whatever ends the read. */
import { EXIT, UsageError } from "../exit-codes.js";
import { type EndSignal, Interruption, type Io } from "../io.js";
import { printable } from "../output.js";
import { LineEditor } from "./line-editor.js";

const BELL = "\u0007";

/** Signals that would end the process without restoring the terminal. `Io.signal` stands for the others. */
const FATAL_SIGNALS = ["SIGHUP", "SIGQUIT"] as const;

/**
 * Asks for one line.
 *
 * @param question - What to type. ` End with Enter: ` is added.
 * @param name - The line's name in errors: `The PIN`.
 * @throws {UsageError} If the line is empty or isn't UTF-8.
 * @throws {Interruption} After Ctrl-C.
 */
export async function readHiddenLine(question: string, name: string, io: Io): Promise<string> {
  io.signal.throwIfAborted();
  const restore = hideInput(io);
  try {
    // The terminal must not show what is typed as soon as the question is there.
    io.stderr.write(`${printable(question)} End with Enter: `);
    const line = (await readLine(io))?.replace(/[\r\n]+$/, ""); // a paste may end with line breaks
    if (line === undefined || line === "") throw new UsageError(`${name}: nothing was typed.`);
    if (line.includes("\ufffd"))
      throw new UsageError(`${name}: what was typed isn't UTF-8. Check the terminal's encoding.`);
    return line;
  } finally {
    restore();
    io.stderr.write("\n");
  }
}

/** Turns the echo off. Returns a function that turns it on again. */
function hideInput({ stdin, end }: Io): () => void {
  const setHidden = (isHidden: boolean) => void stdin.setRawMode?.(isHidden);
  const restoreAndEnd = (signal: EndSignal) => {
    setHidden(false);
    end(signal);
  };
  // A shell may have changed the terminal's mode while the process was stopped.
  const resume = () => {
    setHidden(false);
    setHidden(true);
  };
  for (const signal of FATAL_SIGNALS) process.on(signal, restoreAndEnd);
  process.on("SIGCONT", resume);
  stdin.on("error", ignore); // of a terminal that is gone
  setHidden(true);
  return () => {
    for (const signal of FATAL_SIGNALS) process.off(signal, restoreAndEnd);
    process.off("SIGCONT", resume);
    setHidden(false);
    stdin.off("error", ignore);
  };
}

function ignore(): void {}

/** Returns `undefined` for Ctrl-D. */
function readLine(io: Io): Promise<string | undefined> {
  const { stdin, stderr, signal } = io;
  const editor = new LineEditor();
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      stdin.pause();
      stdin.off("data", onData).off("end", onEnd).off("close", onEnd).off("error", onEnd);
      signal.removeEventListener("abort", onAbort);
      act();
    };
    const onAbort = () => settle(() => reject(signal.reason));
    // The terminal was closed.
    const onEnd = () => {
      io.end("SIGHUP");
      settle(() => resolve(undefined));
    };
    const onData = (bytes: Buffer) => {
      const { pressed, rest } = editor.apply(bytes);
      if (pressed === "ignored") stderr.write(BELL);
      if (pressed === "edited" || pressed === "ignored") return;
      settle(() => {
        // What was typed after this line is for the next question.
        if (rest !== "" && pressed === "enter") stdin.unshift(Buffer.from(rest));
        if (pressed !== "interrupt") return resolve(pressed === "end" ? undefined : editor.text);
        io.end("SIGINT");
        reject(new Interruption(EXIT.interrupted));
      });
    };
    signal.addEventListener("abort", onAbort);
    stdin.on("data", onData).on("end", onEnd).on("close", onEnd).on("error", onEnd);
    stdin.resume();
  });
}
