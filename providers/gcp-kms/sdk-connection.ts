/** The SDK's client, and its replacement if a request hangs: gRPC doesn't notice a dead connection for minutes. */
import type { KeyManagementServiceClient } from "./client.js";
import { initializationError } from "./credentials-error.js";

/** Creates a client of the SDK. */
export type CreateSdkClient = (
  config?: Readonly<Record<`grpc.${string}`, number>>,
) => Promise<KeyManagementServiceClient>;

/** By default, gRPC shares the connections of one process, also a dead one. */
const OWN_CONNECTION = { "grpc.use_local_subchannel_pool": 1 };

/** The current client of the SDK. */
export class SdkConnection {
  #client: KeyManagementServiceClient;
  readonly #create: CreateSdkClient | undefined;
  readonly #timeout: number;
  #replacement: Promise<void> | undefined;
  #isClosed = false;
  /** Replaced clients whose other requests may be in flight, with the timers that close them. */
  readonly #replaced = new Map<KeyManagementServiceClient, NodeJS.Timeout>();

  private constructor(client: KeyManagementServiceClient, create: CreateSdkClient | undefined, timeout: number) {
    this.#client = client;
    this.#create = create;
    this.#timeout = timeout;
  }

  /**
   * Gets credentials.
   *
   * @param source - Creates the client, or the caller's own, which is neither replaced nor closed.
   * @param timeout - Milliseconds that a request takes at most.
   * @throws {SignerError} If there are no usable credentials.
   */
  static async open(source: CreateSdkClient | KeyManagementServiceClient, timeout: number): Promise<SdkConnection> {
    const create = typeof source === "function" ? source : undefined;
    const client = typeof source === "function" ? await source() : source;
    await initialize(client);
    return new SdkConnection(client, create, timeout);
  }

  get client(): KeyManagementServiceClient {
    return this.#client;
  }

  /** Connects again, once for all concurrent requests, unless `hanging` has been replaced already. */
  async replace(hanging: KeyManagementServiceClient): Promise<void> {
    const create = this.#create;
    if (!create || hanging !== this.#client) return;
    this.#replacement ??= this.#connectAgain(create).finally(() => {
      this.#replacement = undefined;
    });
    await this.#replacement;
  }

  /** Closes the connections, unless the client is the caller's. */
  async close(): Promise<void> {
    if (!this.#create) return;
    this.#isClosed = true;
    for (const [client, timer] of this.#replaced) {
      clearTimeout(timer);
      await client.close();
    }
    await this.#client.close();
  }

  async #connectAgain(create: CreateSdkClient): Promise<void> {
    const client = await create(OWN_CONNECTION);
    await initialize(client);
    if (this.#isClosed) return client.close();
    const replaced = this.#client;
    this.#client = client;
    const close = () => {
      this.#replaced.delete(replaced);
      replaced.close().catch(() => undefined);
    };
    this.#replaced.set(replaced, setTimeout(close, this.#timeout).unref());
  }
}

/** Otherwise, the SDK initialises itself in the first call, where a failure is an unhandled rejection. */
async function initialize(client: KeyManagementServiceClient): Promise<void> {
  await client.initialize().catch((error) => {
    throw initializationError(error);
  });
}
