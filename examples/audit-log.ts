/**
 * An append-only audit log of every signature and every token request, as JSON lines. Each line contains the SHA-256
 * hash of the previous one, so a line that was changed, removed or inserted breaks the chain.
 *
 * A line is written to disk before the proof leaves the process. If the log can't be written, the process ends: an
 * error in a subscriber is an uncaught exception.
 */
import { createHash } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";

const CHANNELS = ["hardproof.signature", "hardproof.token"];
const FIRST_HASH = "0".repeat(64);

/**
 * Starts logging, and continues an existing file.
 *
 * @returns A function that stops logging and closes the file.
 * @throws If the chain of the existing file is broken.
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
 * Verifies that no line was changed, removed or inserted.
 *
 * @param log - The content of the file.
 * @returns The hash of the last line. Store it elsewhere: a log that was truncated at its end still has a valid chain.
 * @throws If a line doesn't contain the hash of the previous line.
 */
export function checkChain(log: string): string {
  return log
    .split("\n")
    .filter((line) => line !== "")
    .reduce((previous, line, index) => {
      if (JSON.parse(line).previous !== previous)
        throw new Error(`The audit log was changed before line ${index + 1}.`);
      return hashOf(line);
    }, FIRST_HASH);
}

function channelOf(name: string | symbol): string {
  return String(name).replace(/^tracing:|:asyncEnd$/g, "");
}

function hashOf(line: string): string {
  return createHash("sha256").update(line).digest("hex");
}
