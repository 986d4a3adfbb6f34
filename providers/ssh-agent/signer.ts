/** A signer whose key is in an SSH agent. */
import { assertObject } from "../../src/keystore/assert.js";
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { AgentClient } from "./client.js";
import type { KeyName } from "./find-key.js";
import { openKey } from "./open-key.js";
import { checkSocket } from "./socket-path.js";
import { EXPECTED, formatSshAgentUri, isFingerprint, SCHEME } from "./uri.js";

/** Milliseconds. An agent may wait for its user. */
export const DEFAULT_TIMEOUT = 120_000;

/** Names a key: its fingerprint, or the comment that the agent stores with it. */
export type SshAgentKey =
  | string
  | {
      /** The comment, which exactly one key of the agent that can sign must have. */
      readonly comment: string;
    };

/** Options of {@link SshAgentSigner}. */
export interface SshAgentSignerOptions extends KeySignerOptions {
  /**
   * The path of the agent's socket, or the name of its pipe on Windows. Default: `SSH_AUTH_SOCK`, or else the pipe of
   * Windows' own agent, `\\.\pipe\openssh-ssh-agent`.
   */
  socket?: string | undefined;
  /**
   * Milliseconds that opening the key, or one signature with its wait for the key, may take. Default: 120,000, since an
   * agent may ask its user for each signature.
   */
  timeout?: number | undefined;
}

/**
 * Signs with a key in an SSH agent, with one request for each signature. An RSA key needs the option `algorithm`. A message
 * may have up to 256 KiB, less some hundred bytes for the request.
 *
 * @example
 * ```ts
 * const signer = new SshAgentSigner("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU");
 * ```
 */
export class SshAgentSigner extends KeySigner {
  /**
   * Validates the name and the options. Doesn't do any I/O: the key is opened when it is first used.
   *
   * @param key - The fingerprint, as `ssh-add -l` prints it, or the comment.
   * @throws {SignerError} With code `misconfigured` if the name or an option is invalid.
   */
  constructor(key: SshAgentKey, options: SshAgentSignerOptions = {}) {
    const name = checkKey(key);
    const { socket, algorithm, timeout = DEFAULT_TIMEOUT } = assertObject(options, "The options of SshAgentSigner");
    if (socket !== undefined) checkSocket(socket);
    const uri = formatSshAgentUri({ ...name, socket, algorithm });
    const client = new AgentClient(uri, socket);
    super({ provider: SCHEME, uri, open: (call) => openKey(client, name, algorithm, call) }, { ...options, timeout });
  }
}

function checkKey(key: SshAgentKey): KeyName {
  if (typeof key === "string" && isFingerprint(key)) return { fingerprint: key };
  const comment: unknown = typeof key === "object" && key !== null ? key.comment : undefined;
  if (typeof comment === "string" && comment !== "") return { comment };
  throw misconfigured(`${SCHEME}: ${EXPECTED} (in code: { comment }).`);
}
