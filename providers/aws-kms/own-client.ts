/** The SDK's client, configured for many requests, and the signals that abort them. */
import type { KMSClient, KMSClientConfig } from "@aws-sdk/client-kms";

type Sdk = typeof import("@aws-sdk/client-kms");

/** A command of the SDK, to one of whose requests a signal belongs. */
export interface SentCommand {
  readonly input: object;
}

/** The maximum number of concurrent requests. With the SDK's default of 50, further signatures would wait. */
const MAX_SOCKETS = 500;

/** The name of the middleware that calls the request handler. Other middleware that watches requests belongs before it. */
export const LAST_MIDDLEWARE = "hardproofAbort";

/**
 * A client that composes its middleware once instead of for each request (`cacheMiddleware`), so that a request needs a quarter
 * less CPU time. The SDK only does so for requests without options, so a middleware passes the signals.
 */
export class OwnClient {
  readonly client: KMSClient;
  readonly #signals = new WeakMap<object, AbortSignal>();

  /** @param logger - Used unless the configuration has its own. */
  constructor(sdk: Sdk, config: KMSClientConfig, logger: NonNullable<KMSClientConfig["logger"]>) {
    const agent = { maxSockets: MAX_SOCKETS };
    const requestHandler = { httpAgent: agent, httpsAgent: agent };
    // Cached middleware shares its context among all requests, and some strategies for retries add to the context of each.
    const cacheMiddleware = config.retryStrategy === undefined;
    this.client = new sdk.KMSClient({ requestHandler, logger, cacheMiddleware, ...config });
    // The SDK copies its configuration several times for each request, and V8 copies an object literal ten times as fast.
    Object.assign(this.client, { config: { ...this.client.config } });
    // This middleware describes each request to the logger, of which only a caller's logger makes use.
    if (!config.logger) this.client.middlewareStack.remove("loggerMiddleware");
    this.#passSignals(this.client);
  }

  /** Aborts the requests of a command with the signal. A command is sent once. */
  abortBy(signal: AbortSignal, { input }: SentCommand): void {
    this.#signals.set(input, signal);
  }

  #passSignals({ middlewareStack, config }: KMSClient): void {
    middlewareStack.add(
      () =>
        ({ input, request }) =>
          config.requestHandler.handle(request as HandledRequest, { abortSignal: this.#signals.get(input) }),
      { step: "deserialize", priority: "low", name: LAST_MIDDLEWARE },
    );
  }
}

type HandledRequest = Parameters<KMSClient["config"]["requestHandler"]["handle"]>[0];
