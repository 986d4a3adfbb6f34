/** Reads the file of a key, but nothing that could block or never end. */
import { readFile, stat } from "node:fs/promises";
import { signerError } from "../../src/keystore/signer-error.js";
import { toSignerError } from "./errors.js";

/** The text and the mode of a key's file. */
export interface FileContent {
  readonly pem: string;
  readonly mode: number;
}

/** A descriptor that the process inherited. A shell passes `<(command)` as one. */
const DESCRIPTOR = /^\/(dev\/(stdin|fd\/\d+)|proc\/(self|\d+)\/fd\/\d+)$/;

/**
 * Reads a file. To open a named pipe that nobody writes to would block a thread for good: neither a time limit nor a signal
 * could end the process. A device such as `/dev/zero` has no end.
 *
 * @param uri - The URI of the key.
 * @throws {SignerError} With code `key-not-found`, `access-denied` or `unavailable` if the file can't be read;
 *   `misconfigured` if it is a named pipe, a device or a socket.
 */
export async function readKeyFile(path: string, uri: string): Promise<FileContent> {
  const file = await stat(path).catch((cause) => {
    throw toSignerError(cause, uri);
  });
  if (!file.isFile() && !file.isDirectory() && !DESCRIPTOR.test(path))
    throw signerError(uri, "misconfigured", "This is a pipe, a device or a socket. Use the path of a regular file.");
  const pem = await readFile(path, "utf8").catch((cause) => {
    throw toSignerError(cause, uri);
  });
  return { pem, mode: file.mode };
}
