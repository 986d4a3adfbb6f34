/** The one file that touches the SDK: Cloud KMS's calls, with deadlines, bounded retries and cancellation. */
import { createRequire } from "node:module";
import type { KeyManagementServiceClient, protos } from "@google-cloud/kms";
import { SignerError } from "../../src/errors.js";
import { missingPackage } from "../../src/keystore/import-optional.js";
import { type Endpoint, parseEndpoint } from "./endpoint.js";
import { type CallContext, RESOURCE_EXHAUSTED, toSignerError, UNAVAILABLE } from "./errors.js";

export type KmsClient = KeyManagementServiceClient;
export type KmsClientConfig = NonNullable<ConstructorParameters<typeof KeyManagementServiceClient>[0]>;
export type PublicKey = protos.google.cloud.kms.v1.IPublicKey;
export type Signature = protos.google.cloud.kms.v1.IAsymmetricSignResponse;
export type SignRequest = protos.google.cloud.kms.v1.IAsymmetricSignRequest;
export type CryptoKey = protos.google.cloud.kms.v1.ICryptoKey;
export type KeyVersion = protos.google.cloud.kms.v1.ICryptoKeyVersion;
export type CreateRequest = protos.google.cloud.kms.v1.ICreateCryptoKeyRequest;

/** How to come to the service. */
export interface GcpKmsClientOptions {
  readonly client: KmsClient | undefined;
  readonly clientConfig: KmsClientConfig | undefined;
  readonly endpoint: string | undefined;
  /** Milliseconds that one call may take. */
  readonly timeout: number;
}

/** What the SDK takes with each call. */
interface CallOptions {
  timeout: number;
  signal: AbortSignal;
  retry: { retryCodes: number[]; backoffSettings: BackoffSettings } | null;
}
type BackoffSettings = typeof BACKOFF & { initialRpcTimeoutMillis: number; maxRpcTimeoutMillis: number };

/** At most five requests within about two seconds: quotas of HSM keys are counted by the second. */
const BACKOFF = {
  maxRetries: 5,
  initialRetryDelayMillis: 100,
  retryDelayMultiplier: 2,
  maxRetryDelayMillis: 1_000,
  rpcTimeoutMultiplier: 1,
};
const PASSING = [UNAVAILABLE, RESOURCE_EXHAUSTED];

const USER = "roles/cloudkms.signerVerifier";
const VIEWER = "roles/cloudkms.viewer";
const ADMIN = "roles/cloudkms.admin";

/** Cloud KMS, as far as a signer needs it. Every error that leaves it is a SignerError. */
export class GcpKmsClient {
  readonly #client: KmsClient;
  readonly #owned: boolean;
  readonly #limits: Omit<CallOptions, "signal">;

  private constructor(client: KmsClient, owned: boolean, timeout: number) {
    const backoffSettings = { ...BACKOFF, initialRpcTimeoutMillis: timeout, maxRpcTimeoutMillis: timeout };
    this.#client = client;
    this.#owned = owned;
    this.#limits = { timeout, retry: { retryCodes: PASSING, backoffSettings } };
  }

  /** @throws {SignerError} `misconfigured` if the package is missing, `access-denied` if there are no credentials */
  static async connect({ client, clientConfig, endpoint, timeout }: GcpKmsClientOptions): Promise<GcpKmsClient> {
    const connected = client ?? (await newClient(clientConfig, endpoint));
    // The SDK would do this in the first call, and throw a failure where nobody can catch it.
    await connected.initialize().catch((error) => {
      throw noCredentials(error);
    });
    return new GcpKmsClient(connected, client === undefined, timeout);
  }

  getPublicKey(name: string, signal: AbortSignal): Promise<PublicKey> {
    return this.#call({ method: "GetPublicKey", name, role: USER }, signal, (options) =>
      this.#client.getPublicKey({ name }, options),
    );
  }

  asymmetricSign(name: string, request: SignRequest, signal: AbortSignal): Promise<Signature> {
    return this.#call({ method: "AsymmetricSign", name, role: USER }, signal, (options) =>
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

  /** Not retried: the answer to a second request would be that the key exists. */
  createKey(name: string, request: CreateRequest, signal: AbortSignal): Promise<CryptoKey> {
    return this.#call({ method: "CreateCryptoKey", name, role: ADMIN }, signal, (options) =>
      this.#client.createCryptoKey(request, { ...options, retry: null }),
    );
  }

  /** Leaves a client alone that somebody else made. */
  async close(): Promise<void> {
    if (this.#owned) await this.#client.close();
  }

  async #call<T>(
    context: CallContext,
    signal: AbortSignal,
    send: (options: CallOptions) => Promise<[T, ...unknown[]]>,
  ): Promise<T> {
    try {
      const [answer] = await send({ ...this.#limits, signal });
      return answer;
    } catch (error) {
      throw toSignerError(error, context);
    }
  }
}

async function newClient(clientConfig: KmsClientConfig = {}, endpoint: string | undefined): Promise<KmsClient> {
  const { KeyManagementServiceClient } = await importSdk();
  const place = endpoint === undefined ? {} : at(parseEndpoint(endpoint));
  return new KeyManagementServiceClient({ ...clientConfig, ...place });
}

async function importSdk(): Promise<typeof import("@google-cloud/kms")> {
  try {
    return await import("@google-cloud/kms");
  } catch (cause) {
    throw missingPackage("@google-cloud/kms", "Cloud KMS", cause);
  }
}

function at({ servicePath, port, plaintext }: Endpoint): KmsClientConfig {
  return { servicePath, port, ...(plaintext ? withoutTls() : {}) };
}

/** From the SDK's own copies of gRPC and the auth library. Nobody's credentials are looked for, and none are sent. */
function withoutTls(): KmsClientConfig {
  const { resolve } = createRequire(import.meta.url);
  const gax: typeof import("google-gax") = createRequire(resolve("@google-cloud/kms"))("google-gax");
  const authClient = new gax.googleAuthLibrary.PassThroughClient();
  return { sslCreds: gax.grpc.credentials.createInsecure(), authClient };
}

function noCredentials(error: unknown): SignerError {
  const { cause } = toSignerError(error, { method: "initialize", name: "Cloud KMS", role: USER });
  return new SignerError(
    "access-denied",
    "There are no usable Google credentials. Run `gcloud auth application-default login`, set " +
      "GOOGLE_APPLICATION_CREDENTIALS, or give clientConfig.authClient.",
    { cause },
  );
}
