/** The two requests of the agent protocol that a signer needs (RFC 9987 §3.5, §3.6). */
import { SignerError } from "../../src/errors.js";
import { reportWaiting } from "../../src/keystore/waiting.js";
import { exchange } from "./connection.js";
import { type Identity, readIdentities } from "./identities.js";
import { MAX_MESSAGE } from "./message-buffer.js";
import { socketPath } from "./socket-path.js";
import { string, uint32, WireReader } from "./wire.js";

const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN_REQUEST = 13;
const SIGN_RESPONSE = 14;
/** `SSH_AGENT_FAILURE`, and the two numbers that other agents use for it, which OpenSSH accepts as well. */
const FAILURES: readonly number[] = [5, 30, 102];

/** A request to sign. */
export interface SignRequest {
  /** The public key. */
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  /** {@link SshAlgorithm.flags}. */
  readonly flags: number;
}

/** Sends requests to one agent. Each has a connection of its own, so an agent that was restarted is found again. */
export class AgentClient {
  readonly #uri: string;
  readonly #socket: string | undefined;

  /**
   * @param uri - The URI of the key or the agent, for the notice that the agent hasn't responded yet.
   * @param socket - As for {@link socketPath}.
   */
  constructor(uri: string, socket: string | undefined) {
    this.#uri = uri;
    this.#socket = socket;
  }

  /** Where the agent listens. */
  get socket(): string {
    return socketPath(this.#socket);
  }

  /**
   * Returns the public keys that the agent lists. A locked agent lists none.
   *
   * @throws {SignerError} With code `unavailable` if the agent reports a failure.
   */
  async identities(signal: AbortSignal): Promise<Identity[]> {
    const response = await this.#request(Buffer.of(REQUEST_IDENTITIES), signal);
    const type = response.readUInt8();
    if (FAILURES.includes(type))
      throw new SignerError("unavailable", "The agent failed to list its keys. Check that it is unlocked.");
    checkType(type, IDENTITIES_ANSWER);
    return readIdentities(response.subarray(1));
  }

  /**
   * Returns a signature as the agent encodes it, or `undefined` if the agent reports a failure. It doesn't say why.
   *
   * @throws {SignerError} With code `misconfigured`, before anything is sent, if the message is too long.
   */
  async sign({ key, message, flags }: SignRequest, signal: AbortSignal): Promise<Buffer | undefined> {
    const limit = MAX_MESSAGE - signRequest(key, "", flags).length;
    if (message.length > limit) throw tooLong(message.length, limit);
    const response = await this.#request(signRequest(key, message, flags), signal);
    const type = response.readUInt8();
    if (FAILURES.includes(type)) return undefined;
    checkType(type, SIGN_RESPONSE);
    const reader = new WireReader(response.subarray(1), "The agent's response");
    const signature = reader.string();
    reader.end();
    return signature;
  }

  #request(request: Uint8Array, signal: AbortSignal): Promise<Buffer> {
    return reportWaiting(this.#uri, exchange(this.socket, request, signal), { mayAskUser: true });
  }
}

function signRequest(key: Uint8Array, message: Uint8Array | "", flags: number): Buffer {
  return Buffer.concat([Buffer.of(SIGN_REQUEST), string(key), string(Buffer.from(message)), uint32(flags)]);
}

function checkType(type: number, expected: number): void {
  if (type === expected) return;
  throw new SignerError("integrity", `The agent responded with a message of type ${type} instead of ${expected}.`);
}

function tooLong(length: number, limit: number): SignerError {
  const message = `An agent hashes the message itself, and accepts at most ${limit} bytes with this key`;
  return new SignerError("misconfigured", `${message}, but this one has ${length}. Sign a shorter message.`);
}
