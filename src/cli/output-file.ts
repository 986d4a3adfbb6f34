/** A new file for secrets, which only its owner can read. */
import { open, unlink } from "node:fs/promises";
import { errorCode, UsageError } from "./exit-codes.js";

/** A file that was created, and is still empty. */
export interface NewFile {
  /** Writes the text and closes the file. */
  write(text: string): Promise<void>;
  /** Closes and deletes the file, after a failure. */
  remove(): Promise<void>;
}

/**
 * Creates the file before there is anything to write, so that a secret isn't lost because its file can't be created. An
 * existing file isn't overwritten.
 *
 * @throws {UsageError} If the file can't be created or written.
 */
export async function newSecretFile(path: string): Promise<NewFile> {
  const fail = (cause: unknown): never => {
    throw new UsageError(`--output: the file can't be written (${errorCode(cause)}).`, cause);
  };
  const file = await open(path, "wx", 0o600).catch(fail);
  return {
    write: (text) =>
      file
        .writeFile(text)
        .catch(fail)
        .finally(() => file.close()),
    remove: async () => {
      await file.close().catch(() => undefined);
      await unlink(path).catch(() => undefined);
    },
  };
}
