/** Errors about files that an option names. They don't repeat the path: it may be a secret in the wrong place. */
import { errorCode, UsageError } from "./exit-codes.js";

/** Error code → what is wrong, and what to do. */
const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: "it, or its directory, doesn't exist. Check the path",
  ENOTDIR: "a part of its path isn't a directory. Check the path",
  EISDIR: "it is a directory. Name a file",
  EACCES: "this user isn't allowed to. Check the permissions of the file and its directory",
  EPERM: "this user isn't allowed to. Check the permissions of the file and its directory",
  EROFS: "the file system is read-only. Choose another path",
  EEXIST: "it exists already, and is never overwritten. Choose another path, or remove it",
  ENAMETOOLONG: "its name is too long. Pass the path of a file, not its content",
  ERR_INVALID_ARG_VALUE: "the path contains a NUL. Check the path",
};

/**
 * Creates the error.
 *
 * @param option - The option that names the file: `--data`.
 */
export function fileError(option: string, action: "read" | "written", cause: unknown): UsageError {
  const code = errorCode(cause);
  const problem = Object.hasOwn(PROBLEMS, code) ? PROBLEMS[code] : "the system reported an error";
  return new UsageError(`${option}: the file can't be ${action} (${code}): ${problem}.`, cause);
}
