#!/usr/bin/env node
/** The process of the command `hardproof`: connects its streams, signals and exit code. */
import { EXIT } from "./exit-codes.js";
import { hardproof } from "./hardproof.js";
import { type EndSignal, Interruption } from "./io.js";
import { printable } from "./output.js";

const { stdin, stdout, stderr, env, argv } = process;
const interruption = new AbortController();

/** The first signal ends the command and closes its key. The second exits immediately. */
function interrupt(exitCode: number): void {
  if (interruption.signal.aborted) process.exit(exitCode);
  interruption.abort(new Interruption(exitCode));
}
/** After SIGHUP, the terminal may be gone. Node aborts if it can't reset it, so the process ends as if nothing handled it. */
function end(signal: EndSignal): void {
  process.removeAllListeners("SIGHUP");
  if (signal === "SIGHUP") process.kill(process.pid, signal);
  else interrupt(signal === "SIGINT" ? EXIT.interrupted : EXIT.quit);
}
process.on("SIGINT", () => interrupt(EXIT.interrupted));
process.on("SIGTERM", () => interrupt(EXIT.terminated));

// Replaces Node's default listener, which prints two lines with the process ID and a Node option. Warnings about
// deprecated and experimental features have other names and are not printed. A command may open a key more than once.
const warned = new Set<string>();
process.removeAllListeners("warning");
process.on("warning", ({ name, message }) => {
  if (name !== "Warning" || warned.has(message)) return;
  warned.add(message);
  stderr.write(`hardproof: warning: ${printable(message)}\n`);
});

// The reader of a pipe may close it early, as `head` does: exit without an error.
for (const stream of [stdout, stderr]) stream.on("error", () => process.exit());

const { signal } = interruption;
process.exitCode = await hardproof(argv.slice(2), { stdin, stdout, stderr, env, signal, end });
stdin.destroy();
