/** What the SDK's client found by itself: the region, the credentials, the address of the server and its clock. */
import type { KMSClient } from "@aws-sdk/client-kms";

/** The credentials, without the secret. */
export interface FoundCredentials {
  readonly accessKeyId: string;
  /** The SDK's names of the places that they came from, such as `CREDENTIALS_ENV_VARS`. */
  readonly source: readonly string[];
  readonly expiration: Date | undefined;
  /** The account, if the source says it. */
  readonly accountId: string | undefined;
}

/** Runs work of the SDK, and maps its errors. */
type Guard = <T>(work: () => Promise<T>) => Promise<T>;

/** What a client found, and what its requests and responses show. */
export class ClientInspection {
  readonly #client: KMSClient;
  readonly #guard: Guard;
  #endpoint: string | undefined;
  #clockSkew: number | undefined;

  /** @param isOwn - Whether the client isn't the caller's, so that a middleware can watch its requests. */
  constructor(client: KMSClient, isOwn: boolean, guard: Guard) {
    this.#client = client;
    this.#guard = guard;
    if (isOwn) this.#watch();
  }

  /** Where the last request was sent, such as `https://kms.eu-central-1.amazonaws.com`. */
  get endpoint(): string | undefined {
    return this.#endpoint;
  }

  /** Milliseconds that this host's clock is ahead of the `Date` of the last response, which is exact to the second. */
  get clockSkew(): number | undefined {
    return this.#clockSkew;
  }

  /** @throws {SignerError} With code `misconfigured` if it is missing. */
  region(): Promise<string> {
    return this.#guard(() => this.#client.config.region());
  }

  /** @throws {SignerError} With code `access-denied` or `unavailable` if there are none. */
  async credentials(): Promise<FoundCredentials> {
    const found = await this.#guard(() => this.#client.config.credentials());
    const source = "$source" in found ? Object.keys(Object(found.$source)) : [];
    return { accessKeyId: found.accessKeyId, source, expiration: found.expiration, accountId: found.accountId };
  }

  #watch(): void {
    // With a low priority, it is next to the request handler, so that it also sees responses that the SDK rejects.
    this.#client.middlewareStack.add(
      (next) => async (args) => {
        this.#endpoint = originOf(args.request);
        const result = await next(args);
        this.#clockSkew = skewOf(result.response);
        return result;
      },
      { step: "deserialize", priority: "low", name: "hardproofInspection" },
    );
  }
}

function originOf(request: unknown): string {
  const { protocol, hostname, port }: Record<string, unknown> = Object(request);
  return `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}`;
}

function skewOf(response: unknown): number | undefined {
  const { headers }: Record<string, unknown> = Object(response);
  const { date }: Record<string, unknown> = Object(headers);
  const skew = Date.now() - Date.parse(String(date));
  return Number.isNaN(skew) ? undefined : skew;
}
