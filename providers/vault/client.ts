/** Requests with a token: repeated if the server hangs or fails for a moment, and once with another token. */
import { setTimeout as sleep } from "node:timers/promises";
import { SignerError } from "../../src/errors.js";
import { RequestRepeater } from "../../src/keystore/request-repeater.js";
import { isTransient, toSignerError } from "./errors.js";
import { exchange, type VaultRequest, type VaultResponse, type VaultServer } from "./http.js";
import { openSession, type Session, type SessionOptions } from "./sessions.js";

/** A request of a client. Its path is relative to the mount, unless it begins with `/`. */
export interface ClientRequest {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: object;
  /** What the token's policies must allow, for the error: `read`. */
  readonly capability: string;
  /** Whether the request is sent only once, because it creates or deletes something. */
  readonly once?: boolean;
}

/** The options of a client. */
export interface ClientOptions extends SessionOptions {
  /** Where the engine is mounted. */
  readonly mount: string;
}

/** Milliseconds before a request is repeated that the server failed to answer. There is one repetition for each. */
const PAUSES = [50, 250] as const;

/** A client of one transit engine. It throws only `SignerError`s. */
export class VaultClient {
  readonly #server: VaultServer;
  readonly #namespace: string | undefined;
  readonly #mount: string;
  readonly #session: Session;
  readonly #repeater = new RequestRepeater();

  /** Sends nothing. */
  constructor({ mount, ...options }: ClientOptions) {
    this.#server = { address: options.address, fetch: options.fetch };
    this.#namespace = options.namespace;
    this.#mount = mount;
    this.#session = openSession(options);
  }

  /**
   * Sends a request.
   *
   * @throws {SignerError} For any response that isn't successful.
   */
  async request(request: ClientRequest, signal: AbortSignal): Promise<VaultResponse> {
    const path = request.path.startsWith("/") ? request.path.slice(1) : `${this.#mount}/${request.path}`;
    const response = await this.#authorized({ ...request, path }, signal);
    if (response.status < 300) return response;
    const denied = `${this.#session.tokens.problem} The request needs \`${request.capability}\` on ${path}.`;
    throw toSignerError(response, path.replace(/\?.*/, ""), { 403: denied });
  }

  /**
   * Gets a token, if there isn't one yet.
   *
   * @throws {SignerError} If it isn't at its source, or the login failed.
   */
  async logIn(signal: AbortSignal): Promise<void> {
    await this.#session.tokens.current(signal);
  }

  /** Closes the session, unless another signer uses it. */
  close(): Promise<void> {
    return this.#session.close();
  }

  /** Ends the use of the session, which the next client may continue. */
  release(): void {
    this.#session.release();
  }

  /** A token may have been revoked, or replaced by its owner, since the last request. */
  async #authorized(request: ClientRequest, signal: AbortSignal): Promise<VaultResponse> {
    const { tokens } = this.#session;
    const token = await tokens.current(signal);
    const response = await this.#send(request, token, signal);
    if (response.status !== 403) {
      tokens.accepted(token);
      return response;
    }
    const other = await tokens.replace(token, request.path, signal);
    if (other === undefined) return response;
    const repeated = await this.#send(request, other, signal);
    if (repeated.status === 403) tokens.denied(other, request.path);
    else tokens.accepted(other);
    return repeated;
  }

  async #send({ method, path, body, once }: ClientRequest, token: string, signal: AbortSignal) {
    const request: VaultRequest = { method, path, token, namespace: this.#namespace, ...(body && { body }) };
    if (once) return exchange(this.#server, request, signal);
    for (const pause of PAUSES) {
      const response = await this.#attempt(request, signal).catch(ifTransient);
      if (response && !isTransient(response)) return response;
      await sleep(pause * (1 + Math.random()), undefined, { signal });
    }
    return this.#attempt(request, signal);
  }

  #attempt(request: VaultRequest, signal: AbortSignal): Promise<VaultResponse> {
    return this.#repeater.repeat(signal, (attempt) => exchange(this.#server, request, attempt));
  }
}

function ifTransient(error: unknown): undefined {
  if (!(error instanceof SignerError) || error.code !== "unavailable") throw error;
}
