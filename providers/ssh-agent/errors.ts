/** Maps the errors of a connection to an agent. */
import { stat } from "node:fs/promises";
import { SignerError } from "../../src/errors.js";
import { ErrorTable } from "../../src/keystore/error-table.js";
import { printable } from "./printable.js";

const START = "Start the agent, or correct SSH_AUTH_SOCK or the attribute socket.";

const ERRORS = new ErrorTable(
  {
    ENOENT: ["unavailable", `It doesn't exist. ${START}`],
    ECONNREFUSED: ["unavailable", `The agent that created it has ended. ${START}`],
    ECONNRESET: ["unavailable", "The agent closed the connection. Check that it still runs."],
    EPIPE: ["unavailable", "The agent closed the connection. Check that it still runs."],
    EAGAIN: ["unavailable", "The agent has too many connections. Try again later."],
    EMFILE: ["unavailable", "This process has too many open files."],
    ENFILE: ["unavailable", "This machine has too many open files."],
    EACCES: ["access-denied", "The current user lacks permission for it or its directory."],
    EPERM: ["access-denied", "The current user lacks permission for it or its directory."],
    ENOTSOCK: ["misconfigured", `It isn't a socket. ${START}`],
    ENOTDIR: ["misconfigured", `Part of its path isn't a directory. ${START}`],
    EPROTOTYPE: ["misconfigured", "It is a socket of another type."],
  },
  ["unavailable", "See the error's cause."],
);

/**
 * Maps an error of `node:net`.
 *
 * @param path - The path of the agent's socket.
 */
export async function toSignerError(error: unknown, path: string): Promise<SignerError> {
  if (error instanceof SignerError) return error;
  const name = await nameOf(error, path);
  const [code, remedy] = ERRORS.get(name);
  return new SignerError(code, `The agent's socket ${printable(path)} can't be used (${name}). ${remedy}`, {
    cause: error,
  });
}

/** Linux reports the same error for a file that isn't a socket as for the socket of an agent that has ended. */
async function nameOf(error: unknown, path: string): Promise<string> {
  const name = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  if (name !== "ECONNREFUSED") return name;
  const isSocket = await stat(path).then(
    (file) => file.isSocket(),
    () => true,
  );
  return isSocket ? name : "ENOTSOCK";
}
