/** The only file that uses the Cloud KMS SDK: its calls with deadlines, bounded retries and cancellation. */
import type { KeyManagementServiceClient, protos } from "@google-cloud/kms";
import type { Deadline } from "../../src/deadline.js";
import { missingPackage } from "../../src/keystore/import-optional.js";
import type { OpenKeyOptions } from "../../src/keystore/key-source.js";
import { RequestRepeater } from "../../src/keystore/request-repeater.js";
import { type Account, findAccount } from "./account.js";
import { hostOf, toClientConfig } from "./client-config.js";
import { credentialsError, initializationError } from "./credentials-error.js";
import { type CallContext, isUnimplemented, RESOURCE_EXHAUSTED, toSignerError, UNAVAILABLE } from "./errors.js";
import { loadGax } from "./gax.js";
import { dateListener } from "./response-date.js";
import { type CreateSdkClient, SdkConnection } from "./sdk-connection.js";
import { parseSdkError } from "./sdk-error.js";

export type { KeyManagementServiceClient };
/** The constructor options of `KeyManagementServiceClient`. */
export type GcpKmsClientConfig = NonNullable<ConstructorParameters<typeof KeyManagementServiceClient>[0]>;

// The requests and responses of the SDK.
type PublicKeyRequest = protos.google.cloud.kms.v1.IGetPublicKeyRequest;
export type PublicKeyResponse = protos.google.cloud.kms.v1.IPublicKey;
export type SignResponse = protos.google.cloud.kms.v1.IAsymmetricSignResponse;
export type SignRequest = protos.google.cloud.kms.v1.IAsymmetricSignRequest;
export type CryptoKey = protos.google.cloud.kms.v1.ICryptoKey;
export type KeyVersion = protos.google.cloud.kms.v1.ICryptoKeyVersion;
type TestPermissionsRequest = Parameters<KeyManagementServiceClient["testIamPermissions"]>[0];
export type CreateKeyRequest = protos.google.cloud.kms.v1.ICreateCryptoKeyRequest;

/** The caller's client, or the configuration for a new one. */
export interface GcpKmsClientOptions {
  readonly client: KeyManagementServiceClient | undefined;
  readonly clientConfig: GcpKmsClientConfig | undefined;
  readonly endpoint: string | undefined;
  /** The domain of a sovereign cloud, which must be that of the credentials. */
  readonly universeDomain: string | undefined;
  /** The deadline of one call in milliseconds. */
  readonly timeout: number;
}

/** The SDK's options for one call. */
interface CallOptions {
  timeout: number;
  signal: AbortSignal;
  retry: { retryCodes: number[]; backoffSettings: BackoffSettings } | null;
}
type BackoffSettings = typeof BACKOFF & { initialRpcTimeoutMillis: number; maxRpcTimeoutMillis: number };

/** At most five requests within about two seconds, since quotas of HSM keys are counted per second. */
const BACKOFF = {
  maxRetries: 5,
  initialRetryDelayMillis: 100,
  retryDelayMultiplier: 2,
  maxRetryDelayMillis: 1_000,
  rpcTimeoutMultiplier: 1,
};
const RETRYABLE = [UNAVAILABLE, RESOURCE_EXHAUSTED];

const SIGNER = "roles/cloudkms.signerVerifier";
const VIEWER = "roles/cloudkms.viewer";
const ADMIN = "roles/cloudkms.admin";

/** A client with the Cloud KMS methods that Hardproof needs. It throws only `SignerError`s. */
export class GcpKmsClient {
  /** The host name of the service. The SDK's getter doesn't know one that is configured. */
  readonly host: string;
  readonly #connection: SdkConnection;
  readonly #callOptions: Omit<CallOptions, "signal">;
  readonly #repeater = new RequestRepeater();

  private constructor(connection: SdkConnection, { timeout, ...options }: GcpKmsClientOptions) {
    const backoffSettings = { ...BACKOFF, initialRpcTimeoutMillis: timeout, maxRpcTimeoutMillis: timeout };
    this.#connection = connection;
    this.host = hostOf(options) ?? connection.client.apiEndpoint;
    this.#callOptions = { timeout, retry: { retryCodes: RETRYABLE, backoffSettings } };
  }

  /**
   * Loads the SDK if needed, creates a client and gets credentials.
   *
   * @throws {SignerError} With code `misconfigured` if the package isn't installed, or a credentials file or an option is
   *   wrong; `access-denied` if no credentials were found.
   */
  static async connect(options: GcpKmsClientOptions): Promise<GcpKmsClient> {
    const create: CreateSdkClient = (config) => newClient(options, config);
    return new GcpKmsClient(await SdkConnection.open(options.client ?? create, options.timeout), options);
  }

  /**
   * Gets the public key in PEM. A post-quantum key needs a format in the request, but Google's fakekms rejects a request
   * that has one.
   */
  async getPublicKey(name: string, signal: AbortSignal): Promise<PublicKeyResponse> {
    try {
      return await this.#getPublicKey({ name, publicKeyFormat: "PEM" }, signal);
    } catch (error) {
      if (isUnimplemented(error)) return this.#getPublicKey({ name }, signal);
      throw error;
    }
  }

  asymmetricSign(name: string, request: SignRequest, call: OpenKeyOptions): Promise<SignResponse> {
    return this.#call({ method: "AsymmetricSign", name, role: SIGNER }, call, (client, options) =>
      client.asymmetricSign({ ...request, name }, options),
    );
  }

  getVersion(name: string, signal: AbortSignal): Promise<KeyVersion> {
    return this.#call({ method: "GetCryptoKeyVersion", name, role: VIEWER }, signal, (client, options) =>
      client.getCryptoKeyVersion({ name }, options),
    );
  }

  listVersions(key: string, signal: AbortSignal): Promise<KeyVersion[]> {
    return this.#call({ method: "ListCryptoKeyVersions", name: key, role: VIEWER }, signal, (client, options) =>
      client.listCryptoKeyVersions({ parent: key }, options),
    );
  }

  /** Yields the versions of a key, page by page. */
  versionPages(key: string, part: Deadline): AsyncGenerator<KeyVersion[]> {
    const context = { method: "ListCryptoKeyVersions", name: key, role: VIEWER };
    return this.#pages(context, part, (client, request, options) => client.listCryptoKeyVersions(request, options));
  }

  /** Yields the keys of a key ring, page by page. */
  keyPages(keyRing: string, part: Deadline): AsyncGenerator<CryptoKey[]> {
    const context = { method: "ListCryptoKeys", name: keyRing, role: VIEWER };
    return this.#pages(context, part, (client, request, options) => client.listCryptoKeys(request, options));
  }

  /** Creates a key. Isn't repeated, since a second request would fail with ALREADY_EXISTS. */
  createKey(name: string, request: CreateKeyRequest, signal: AbortSignal): Promise<CryptoKey> {
    return this.#attempt({ method: "CreateCryptoKey", name, role: ADMIN }, signal, (client, options) =>
      client.createCryptoKey(request, { ...options, retry: null }),
    );
  }

  /** Schedules the destruction of a version. Isn't repeated, since a second request would fail. */
  destroyVersion(name: string, signal: AbortSignal): Promise<KeyVersion> {
    return this.#attempt({ method: "DestroyCryptoKeyVersion", name, role: ADMIN }, signal, (client, options) =>
      client.destroyCryptoKeyVersion({ name }, { ...options, retry: null }),
    );
  }

  /**
   * Gets an access token, and describes the account that it is for.
   *
   * @throws {SignerError} If there is no usable token.
   */
  findAccount(): Promise<Account> {
    return findAccount(this.#connection.client).catch((error) => {
      throw credentialsError(parseSdkError(error));
    });
  }

  /**
   * Returns which of the permissions the caller has on a key, which needs no permission, and the `Date` of the response.
   */
  async testPermissions(
    key: string,
    permissions: string[],
    signal: AbortSignal,
  ): Promise<{ permissions: string[]; date: string | null }> {
    let date: string | null = null;
    const listener = dateListener(loadGax(), (received) => {
      date = received;
    });
    const request = { resource: key, permissions } as TestPermissionsRequest;
    const response = await this.#call(
      { method: "TestIamPermissions", name: key, role: VIEWER },
      signal,
      (client, options) => client.testIamPermissions(request, { ...options, ...listener }),
    );
    return { permissions: response.permissions, date };
  }

  /** Closes the connection, unless the client is the caller's. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  #getPublicKey(request: PublicKeyRequest & { name: string }, signal: AbortSignal): Promise<PublicKeyResponse> {
    return this.#call({ method: "GetPublicKey", name: request.name, role: SIGNER }, signal, (client, options) =>
      client.getPublicKey(request, options),
    );
  }

  async *#pages<T>(context: CallContext, part: Deadline, list: ListPage<T>): AsyncGenerator<T[]> {
    let pageToken: string | null = null;
    do {
      const request: PageRequest = { parent: context.name, pageToken };
      const [items, next] = await this.#call<Page<T>>(context, part.signal, async (client, options) => [
        await list(client, request, { ...options, autoPaginate: false }),
      ]);
      yield items;
      pageToken = next?.pageToken || null;
    } while (pageToken !== null);
  }

  /** Sends a request that is harmless to repeat. If it hangs, it is repeated over another connection. */
  #call<T>(context: CallContext, call: OpenKeyOptions | AbortSignal, send: Send<T>): Promise<T> {
    let hanging: KeyManagementServiceClient | undefined;
    return this.#repeater.repeat(call, async (attempt) => {
      if (hanging) await this.#connection.replace(hanging);
      hanging = this.#connection.client;
      return this.#attempt(context, attempt, send);
    });
  }

  async #attempt<T>(context: CallContext, signal: AbortSignal, send: Send<T>): Promise<T> {
    try {
      const [response] = await send(this.#connection.client, { ...this.#callOptions, signal });
      return response;
    } catch (error) {
      throw toSignerError(error, context);
    }
  }
}

type Send<T> = (client: KeyManagementServiceClient, options: CallOptions) => Promise<[T, ...unknown[]]>;
type ListPage<T> = (
  client: KeyManagementServiceClient,
  request: PageRequest,
  options: CallOptions & { autoPaginate: false },
) => Promise<Page<T>>;
interface PageRequest {
  parent?: string | null;
  pageToken?: string | null;
}
/** The items, the request of the next page, and the response. */
type Page<T> = [T[], PageRequest | null, unknown];

async function newClient(
  options: GcpKmsClientOptions,
  config: GcpKmsClientConfig = {},
): Promise<KeyManagementServiceClient> {
  const { KeyManagementServiceClient } = await importSdk();
  try {
    return new KeyManagementServiceClient({ ...(await toClientConfig(options)), ...config });
  } catch (error) {
    throw initializationError(error);
  }
}

async function importSdk(): Promise<typeof import("@google-cloud/kms")> {
  try {
    return await import("@google-cloud/kms");
  } catch (cause) {
    throw missingPackage("@google-cloud/kms", "Cloud KMS", cause);
  }
}
