/** What the SDK's client found by itself: the region, the credentials, the address of the server and its clock. */
import type { KMSClient, ServiceInputTypes, ServiceOutputTypes } from "@aws-sdk/client-kms";
import { clockFinding } from "../../src/keystore/clock-finding.js";
import type { Finding } from "../../src/keystore/finding.js";
import { LAST_MIDDLEWARE } from "./own-client.js";

/** The credentials, without the secret. */
export interface FoundCredentials {
  readonly accessKeyId: string;
  /** The SDK's names of the places that they came from, such as `CREDENTIALS_ENV_VARS`. */
  readonly source: readonly string[];
  readonly expiration: Date | undefined;
  /** The account, if the source says it. */
  readonly accountId: string | undefined;
}

/** What a middleware calls to send a request. */
type RequestHandler = (args: {
  input: ServiceInputTypes;
  request: unknown;
}) => Promise<{ response: unknown; output?: ServiceOutputTypes }>;

/** Runs work of the SDK, and maps its errors. */
type Guard = <T>(work: () => Promise<T>) => Promise<T>;

/** What a client found, and what its requests and responses show. */
export class ClientInspection {
  readonly #client: KMSClient;
  readonly #guard: Guard;
  #endpoint: string | undefined;
  #clock: Finding | undefined;

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

  /** The check of this machine's clock by the last response, made when it arrived. */
  get clock(): Finding | undefined {
    return this.#clock;
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
    // Next to the request handler, it also sees responses that the SDK rejects.
    this.#client.middlewareStack.addRelativeTo(
      (next: RequestHandler) => async (args: Parameters<RequestHandler>[0]) => {
        this.#endpoint = originOf(args.request);
        const result = await next(args);
        this.#clock = clockFinding(dateOf(result.response), "AWS KMS");
        return result;
      },
      { relation: "before", toMiddleware: LAST_MIDDLEWARE, name: "hardproofInspection" },
    );
  }
}

function originOf(request: unknown): string {
  const { protocol, hostname, port }: Record<string, unknown> = Object(request);
  return `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}`;
}

function dateOf(response: unknown): string | null {
  const { headers }: Record<string, unknown> = Object(response);
  const { date }: Record<string, unknown> = Object(headers);
  return typeof date === "string" ? date : null;
}
