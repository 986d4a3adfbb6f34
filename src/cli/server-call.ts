/** One call of a resource server, from the request to the end of the response, within a time limit. */
import { HardproofError } from "../index.js";
import { NetworkError } from "./exit-codes.js";

/** The time limit of a call, and its errors. */
export class ServerCall {
  /** Aborts when the time is up or the command is interrupted. */
  readonly signal: AbortSignal;
  readonly #url: URL;
  readonly #timeout: number;
  readonly #limit: AbortSignal;

  /**
   * Begins the call.
   *
   * @param timeout - Milliseconds.
   * @param signal - Interrupts the command.
   */
  constructor(url: URL, timeout: number, signal: AbortSignal) {
    this.#url = url;
    this.#timeout = timeout;
    this.#limit = AbortSignal.timeout(timeout);
    this.signal = AbortSignal.any([signal, this.#limit]);
  }

  /**
   * Runs a part of the call.
   *
   * @param problem - Describes why the network failed.
   * @throws {NetworkError} If the time is up, or `fetch` throws its TypeError for a failure of the network.
   */
  async run<T>(part: () => Promise<T>, problem: (error: TypeError) => string): Promise<T> {
    try {
      return await part();
    } catch (error) {
      if (this.#limit.aborted) throw new NetworkError("timeout", this.#timeoutMessage(), error);
      if (error instanceof HardproofError || !(error instanceof TypeError)) throw error;
      throw new NetworkError("unreachable", problem(error), error);
    }
  }

  #timeoutMessage(): string {
    const { origin, pathname } = this.#url;
    return `The call of ${origin}${pathname} did not end within ${this.#timeout} ms.`;
  }
}
