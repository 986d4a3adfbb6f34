/**
 * An append-only log of everything that was signed or asked for: JSON lines, each with the SHA-256 of the one before, so that
 * a line that was changed, removed or put in breaks the chain. A line is on the disk before the proof leaves the process; a
 * log that can't be written ends the process, since a subscriber's error is an uncaught exception.
 */
import { createHash } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";

const CHANNELS = ["hardproof.signature", "hardproof.token"];
const FIRST = "0".repeat(64);

/**
 * Goes on where the file ends.
 *
 * @returns a function that stops it and closes the file
 * @throws if the file's chain is broken
 */
export function auditLog(path: string): () => void {
  const file = openSync(path, "a", 0o600);
  let previous = checkChain(readFileSync(path, "utf8"));
  const append = (message: unknown, name: string | symbol) => {
    const { error: _, ...fields } = Object(message);
    const line = JSON.stringify({ time: new Date().toISOString(), channel: channelOf(name), ...fields, previous });
    writeSync(file, `${line}\n`);
    fsyncSync(file);
    previous = hashOf(line);
  };
  for (const channel of CHANNELS) subscribe(`tracing:${channel}:asyncEnd`, append);
  return () => {
    for (const channel of CHANNELS) unsubscribe(`tracing:${channel}:asyncEnd`, append);
    closeSync(file);
  };
}

/**
 * @param log - the file's content
 * @returns the hash of the last line: note it elsewhere, since a log that was cut off at its end is a whole chain too
 * @throws if a line is not followed by the one that it was followed by
 */
export function checkChain(log: string): string {
  return log
    .split("\n")
    .filter((line) => line !== "")
    .reduce((previous, line, at) => {
      if (JSON.parse(line).previous !== previous) throw new Error(`The audit log was changed before line ${at + 1}.`);
      return hashOf(line);
    }, FIRST);
}

function channelOf(name: string | symbol): string {
  return String(name).replace(/^tracing:|:asyncEnd$/g, "");
}

function hashOf(line: string): string {
  return createHash("sha256").update(line).digest("hex");
}
