/** The only file that uses the Cloud KMS SDK: its calls with deadlines, bounded retries and cancellation. */
import { createRequire } from "node:module";
import type { KeyManagementServiceClient, protos } from "@google-cloud/kms";
import { SignerError } from "../../src/errors.js";
import { missingPackage } from "../../src/keystore/import-optional.js";
import { type Endpoint, parseEndpoint } from "./endpoint.js";
import { type CallContext, isUnimplemented, RESOURCE_EXHAUSTED, toSignerError, UNAVAILABLE } from "./errors.js";

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
export type CreateKeyRequest = protos.google.cloud.kms.v1.ICreateCryptoKeyRequest;

/** The caller's client, or the configuration for a new one. */
export interface GcpKmsClientOptions {
  readonly client: KeyManagementServiceClient | undefined;
  readonly clientConfig: GcpKmsClientConfig | undefined;
  readonly endpoint: string | undefined;
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
  readonly #client: KeyManagementServiceClient;
  readonly #ownsClient: boolean;
  readonly #callOptions: Omit<CallOptions, "signal">;

  private constructor(client: KeyManagementServiceClient, ownsClient: boolean, timeout: number) {
    const backoffSettings = { ...BACKOFF, initialRpcTimeoutMillis: timeout, maxRpcTimeoutMillis: timeout };
    this.#client = client;
    this.#ownsClient = ownsClient;
    this.#callOptions = { timeout, retry: { retryCodes: RETRYABLE, backoffSettings } };
  }

  /**
   * Loads the SDK if needed, creates a client and gets credentials.
   *
   * @throws {SignerError} With code `misconfigured` if the package isn't installed, or `access-denied` if no
   *   credentials were found.
   */
  static async connect({ client, clientConfig, endpoint, timeout }: GcpKmsClientOptions): Promise<GcpKmsClient> {
    const sdkClient = client ?? (await newClient(clientConfig, endpoint));
    // Otherwise, the SDK initialises itself in the first call, where a failure is an unhandled rejection.
    await sdkClient.initialize().catch((error) => {
      throw noCredentials(error);
    });
    return new GcpKmsClient(sdkClient, client === undefined, timeout);
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

  asymmetricSign(name: string, request: SignRequest, signal: AbortSignal): Promise<SignResponse> {
    return this.#call({ method: "AsymmetricSign", name, role: SIGNER }, signal, (options) =>
      this.#client.asymmetricSign({ ...request, name }, options),
    );
  }

  getVersion(name: string, signal: AbortSignal): Promise<KeyVersion> {
    return this.#call({ method: "GetCryptoKeyVersion", name, role: VIEWER }, signal, (options) =>
      this.#client.getCryptoKeyVersion({ name }, options),
    );
  }

  listVersions(key: string, signal: AbortSignal): Promise<KeyVersion[]> {
    return this.#call({ method: "ListCryptoKeyVersions", name: key, role: VIEWER }, signal, (options) =>
      this.#client.listCryptoKeyVersions({ parent: key }, options),
    );
  }

  listKeys(keyRing: string, signal: AbortSignal): Promise<CryptoKey[]> {
    return this.#call({ method: "ListCryptoKeys", name: keyRing, role: VIEWER }, signal, (options) =>
      this.#client.listCryptoKeys({ parent: keyRing }, options),
    );
  }

  /** Creates a key. Isn't retried, since a second request would fail with ALREADY_EXISTS. */
  createKey(name: string, request: CreateKeyRequest, signal: AbortSignal): Promise<CryptoKey> {
    return this.#call({ method: "CreateCryptoKey", name, role: ADMIN }, signal, (options) =>
      this.#client.createCryptoKey(request, { ...options, retry: null }),
    );
  }

  /** Closes the connection, unless the client is the caller's. */
  async close(): Promise<void> {
    if (this.#ownsClient) await this.#client.close();
  }

  #getPublicKey(request: PublicKeyRequest & { name: string }, signal: AbortSignal): Promise<PublicKeyResponse> {
    return this.#call({ method: "GetPublicKey", name: request.name, role: SIGNER }, signal, (options) =>
      this.#client.getPublicKey(request, options),
    );
  }

  async #call<T>(
    context: CallContext,
    signal: AbortSignal,
    send: (options: CallOptions) => Promise<[T, ...unknown[]]>,
  ): Promise<T> {
    try {
      const [response] = await send({ ...this.#callOptions, signal });
      return response;
    } catch (error) {
      throw toSignerError(error, context);
    }
  }
}

async function newClient(
  clientConfig: GcpKmsClientConfig = {},
  endpoint: string | undefined,
): Promise<KeyManagementServiceClient> {
  const { KeyManagementServiceClient } = await importSdk();
  const address = endpoint === undefined ? {} : configFor(parseEndpoint(endpoint));
  return new KeyManagementServiceClient({ ...clientConfig, ...address });
}

async function importSdk(): Promise<typeof import("@google-cloud/kms")> {
  try {
    return await import("@google-cloud/kms");
  } catch (cause) {
    throw missingPackage("@google-cloud/kms", "Cloud KMS", cause);
  }
}

function configFor({ servicePath, port, plaintext }: Endpoint): GcpKmsClientConfig {
  return { servicePath, port, ...(plaintext ? withoutTls() : {}) };
}

/** Uses the SDK's own copies of gRPC and the auth library. Doesn't search for credentials, and doesn't send any. */
function withoutTls(): GcpKmsClientConfig {
  const { resolve } = createRequire(import.meta.url);
  const gax: typeof import("google-gax") = createRequire(resolve("@google-cloud/kms"))("google-gax");
  const authClient = new gax.googleAuthLibrary.PassThroughClient();
  return { sslCreds: gax.grpc.credentials.createInsecure(), authClient };
}

function noCredentials(error: unknown): SignerError {
  const { cause } = toSignerError(error, { method: "initialize", name: "Cloud KMS", role: SIGNER });
  return new SignerError(
    "access-denied",
    "No usable Google credentials were found. Run `gcloud auth application-default login`, set " +
      "GOOGLE_APPLICATION_CREDENTIALS. In code, you can set clientConfig.authClient.",
    { cause },
  );
}
