#!/usr/bin/env node
/** The process of the command `hardproof`: its streams, its signals, its end. */
import { EXIT } from "./exit-codes.js";
import { hardproof } from "./hardproof.js";
import { Interruption } from "./io.js";
import { printable } from "./output.js";

const { stdin, stdout, stderr, env, argv } = process;
const stopping = new AbortController();

/** The first asks the command to end, which closes its key; the second does not wait for that. */
function stop(exitCode: number): void {
  if (stopping.signal.aborted) process.exit(exitCode);
  stopping.abort(new Interruption(exitCode));
}
process.on("SIGINT", () => stop(EXIT.interrupted));
process.on("SIGTERM", () => stop(EXIT.terminated));

// Node's own way of telling takes two lines and names the process.
process.removeAllListeners("warning");
process.on("warning", ({ name, message }) => {
  if (name === "Warning") stderr.write(`hardproof: warning: ${printable(message)}\n`);
});

/** Whoever reads our output has read enough. */
for (const stream of [stdout, stderr]) stream.on("error", () => process.exit());

process.exitCode = await hardproof(argv.slice(2), { stdin, stdout, stderr, env, signal: stopping.signal });
stdin.destroy();
