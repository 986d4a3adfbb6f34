/** Where the agent listens: the option, the environment, or on Windows the pipe of OpenSSH's service. */
import { SignerError } from "../../src/errors.js";
import { misconfigured } from "../../src/keystore/signer-error.js";

const WINDOWS_PIPE = "\\\\.\\pipe\\openssh-ssh-agent";
/** Bytes of the longest path. The system would use the start of a longer one, which may be another socket. */
const MAX_PATH = process.platform === "darwin" ? 103 : 107;

/**
 * Returns the path of the agent's socket, or the name of its pipe.
 *
 * @param socket - The option. Default: `SSH_AUTH_SOCK`, or else the pipe on Windows.
 * @throws {SignerError} With code `misconfigured` if none is set, or it is too long.
 */
export function socketPath(socket: string | undefined): string {
  const path = socket || process.env.SSH_AUTH_SOCK || (process.platform === "win32" ? WINDOWS_PIPE : "");
  if (path !== "") return checkSocket(path);
  const remedy = "Start an agent and set the variable, or name its socket with the option or the URI attribute socket.";
  throw new SignerError("misconfigured", `SSH_AUTH_SOCK isn't set, so there is no agent to connect to. ${remedy}`);
}

/** @throws {SignerError} With code `misconfigured` if the system would connect to another path. */
export function checkSocket(path: string): string {
  if (typeof path !== "string" || path === "" || path.includes("\0"))
    throw misconfigured("ssh-agent: socket must be the path of the agent's socket.");
  const bytes = Buffer.byteLength(path);
  if (process.platform === "win32" || bytes <= MAX_PATH) return path;
  throw misconfigured(
    `ssh-agent: The path of the agent's socket has ${bytes} bytes, and the system's limit is ${MAX_PATH}. Use a shorter one.`,
  );
}
