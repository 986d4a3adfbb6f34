/** The only file that uses the SDK of Key Vault: loads it, calls the service, repeats what failed, and maps its errors. */
import type { CryptographyClient, DeletedKey, KeyClient, KeyClientOptions, KeyVaultKey } from "@azure/keyvault-keys";
import type { Deadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import { missingPackage } from "../../src/keystore/import-optional.js";
import { RequestRepeater } from "../../src/keystore/request-repeater.js";
import { defaultCredential } from "./credential.js";
import { type Operation, toSignerError } from "./errors.js";
import { canonicalKeyId, formatKeyId, isPlaintext, type KeyId } from "./key-id.js";
import { type RequestObserver, requestPolicies } from "./policies.js";
import { withRetries } from "./retry.js";
import { keyRefOf, parseReturnedId, type RawResponse } from "./returned-id.js";
import { type CachedCredential, withTokenCache } from "./token-cache.js";

export type { KeyClientOptions, KeyVaultKey };
/** A credential of `@azure/identity`. Named by the SDK that uses it, so that the other package stays optional. */
export type TokenCredential = ConstructorParameters<typeof KeyClient>[1];
export type AccessToken = NonNullable<Awaited<ReturnType<TokenCredential["getToken"]>>>;
export type GetTokenOptions = NonNullable<Parameters<TokenCredential["getToken"]>[1]>;
export type AdditionalPolicy = NonNullable<KeyClientOptions["additionalPolicies"]>[number];
export type PipelineRequest = Parameters<AdditionalPolicy["policy"]["sendRequest"]>[0];
export type PipelineResponse = Awaited<ReturnType<AdditionalPolicy["policy"]["sendRequest"]>>;
export type DeletedKeyProperties = DeletedKey["properties"];
type Sdk = typeof import("@azure/keyvault-keys");
type SignatureAlgorithm = Parameters<CryptographyClient["sign"]>[0];

/** Which vault, and how to reach it. */
export interface AzureKvClientOptions extends RequestObserver {
  readonly vaultUrl: string;
  readonly credential: TokenCredential | undefined;
  readonly clientOptions: KeyClientOptions | undefined;
  /** Milliseconds that one call may take. */
  readonly timeout: number;
}

/** A key as Key Vault describes it. */
export interface VaultKey {
  readonly key: KeyVaultKey;
  /** The version that was returned. */
  readonly id: KeyId & { readonly version: string };
  /** The service's clock when it responded, in milliseconds since 1970. */
  readonly now: number;
}

/** What `CreateKey` needs. */
export interface CreateKeyOptions {
  /** Such as `EC-HSM`. */
  readonly keyType: string;
  readonly curve?: string;
  /** Bits. */
  readonly keySize?: number;
}

/** What the service returned for a request to sign. */
export interface SignResponse {
  readonly signature: Uint8Array;
  /** The key version that signed, as {@link canonicalKeyId} writes it. */
  readonly keyRef: string;
}

type Signing = Pick<CryptographyClient, "sign">;
type KeyPages = ReturnType<ReturnType<KeyClient["listPropertiesOfKeys"]>["byPage"]>;

/** A client with the operations of Key Vault that Hardproof needs. It throws only `SignerError`s. */
export class AzureKvClient {
  readonly #sdk: Sdk;
  readonly #options: AzureKvClientOptions;
  readonly #credential: CachedCredential;
  readonly #keys: KeyClient;
  readonly #repeater = new RequestRepeater();
  /** The SDK's clients that sign, by the identifier of the key version. */
  readonly #signing = new Map<string, Signing>();

  private constructor(sdk: Sdk, options: AzureKvClientOptions, credential: TokenCredential) {
    this.#sdk = sdk;
    this.#options = options;
    this.#credential = withTokenCache(credential, Math.ceil(options.timeout / 2), options.onToken);
    this.#keys = new sdk.KeyClient(options.vaultUrl, this.#credential, this.#sdkOptions());
  }

  /**
   * Loads the SDK, and the default credential if none is set. Doesn't send a request.
   *
   * @throws {SignerError} With code `misconfigured` if a package isn't installed.
   */
  static async connect(options: AzureKvClientOptions): Promise<AzureKvClient> {
    const sdk = await importSdk();
    return new AzureKvClient(sdk, options, options.credential ?? (await defaultCredential(options.vaultUrl)));
  }

  /**
   * Gets a key.
   *
   * @param version - Default: the current one.
   * @throws {SignerError} With code `integrity` if the response is about another key.
   */
  async getKey(name: string, version: string | undefined, signal: AbortSignal): Promise<VaultKey> {
    let raw: RawResponse | undefined;
    const key = await this.#repeat("GetKey", signal, (abortSignal) =>
      this.#keys.getKey(name, {
        abortSignal,
        ...(version !== undefined && { version }),
        onResponse: (response) => {
          raw = response;
        },
      }),
    );
    return this.#check({ name, version }, key, raw);
  }

  /** Gets a key of a managed HSM with its attestation. */
  async getKeyAttestation(name: string, version: string, signal: AbortSignal): Promise<VaultKey> {
    const key = await this.#repeat("GetKeyAttestation", signal, (abortSignal) =>
      this.#keys.getKeyAttestation(name, { version, abortSignal }),
    );
    return this.#check({ name, version }, key, undefined);
  }

  /** Signs a digest with one request. */
  async sign(id: KeyId, algorithm: SignatureAlgorithm, digest: Uint8Array, signal: AbortSignal): Promise<SignResponse> {
    const client = this.#signingClient(id);
    let raw: RawResponse | undefined;
    const { result } = await this.#repeat("sign", signal, (abortSignal) =>
      client.sign(algorithm, digest, {
        abortSignal,
        onResponse: (response) => {
          raw = response;
        },
      }),
    );
    if (!result) throw new SignerError("integrity", "The response to sign doesn't contain a signature.");
    return { signature: result, keyRef: keyRefOf(raw) };
  }

  /** Creates a key. Isn't repeated, since each request adds a version. */
  async createKey(name: string, options: CreateKeyOptions, signal: AbortSignal): Promise<VaultKey> {
    const { keyType, ...parameters } = options;
    const key = await this.#call("CreateKey", () =>
      this.#keys.createKey(name, keyType, {
        ...parameters,
        keyOps: ["sign", "verify"],
        exportable: false,
        abortSignal: signal,
      }),
    );
    return this.#check({ name }, key, undefined);
  }

  /** Deletes a key with its versions. Isn't repeated. */
  async deleteKey(name: string, signal: AbortSignal): Promise<DeletedKeyProperties | undefined> {
    const poller = await this.#call("DeleteKey", () => this.#keys.beginDeleteKey(name, { abortSignal: signal }));
    return poller.getResult()?.properties;
  }

  /** Returns whether a key of that name was deleted, and can be recovered. */
  async isDeleted(name: string, signal: AbortSignal): Promise<boolean> {
    await this.#repeat("GetDeletedKey", signal, (abortSignal) => this.#keys.getDeletedKey(name, { abortSignal }));
    return true;
  }

  /**
   * Yields the names of all enabled keys, page by page. If a page fails, those before it are requested again as well, since the
   * SDK doesn't say where a page begins.
   */
  async *keyNamePages(part: Deadline): AsyncGenerator<string[]> {
    let pages: KeyPages | undefined;
    for (let count = 0; ; count += 1) {
      const next = await this.#repeat("GetKeys", part.signal, async (abortSignal) => {
        const current = pages ?? (await this.#keyPagesAfter(count, abortSignal));
        pages = undefined; // An iterator that fails has ended.
        return { pages: current, page: await current.next() };
      });
      if (next.page.done) return;
      yield next.page.value.flatMap(({ name, enabled }) => (enabled === false ? [] : [name]));
      pages = next.pages;
    }
  }

  async #keyPagesAfter(count: number, abortSignal: AbortSignal): Promise<KeyPages> {
    const pages = this.#keys.listPropertiesOfKeys({ abortSignal }).byPage();
    for (let read = 0; read < count; read += 1) await pages.next();
    return pages;
  }

  /**
   * The SDK's client gets a key that it only knows by its identifier, and checks its validity by the clock of this
   * machine. With what is known here, it sends one request for each signature, and the service decides.
   */
  #signingClient(id: KeyId): Signing {
    const { vaultUrl, name, version } = id;
    const kid = formatKeyId(id);
    const known = this.#signing.get(kid);
    if (known) return known;
    const key = { id: kid, name, properties: { id: kid, name, vaultUrl, version: version ?? "" } };
    const client = new this.#sdk.CryptographyClient(key, this.#credential, this.#sdkOptions());
    this.#signing.set(kid, client);
    return client;
  }

  /** The SDK changes the options that it is given, so each client gets its own. */
  #sdkOptions(): KeyClientOptions {
    const { vaultUrl, clientOptions = {} } = this.#options;
    return {
      allowInsecureConnection: isPlaintext(vaultUrl),
      // Requests are repeated here, where the time that is left is known.
      retryOptions: { maxRetries: 0 },
      redirectOptions: { maxRetries: 0 },
      ...clientOptions,
      additionalPolicies: [
        ...(clientOptions.additionalPolicies ?? []),
        ...requestPolicies(vaultUrl, { ...this.#options, onRejectedToken: (token) => this.#credential.forget(token) }),
      ],
    };
  }

  #check(requested: Omit<KeyId, "vaultUrl">, key: KeyVaultKey, raw: RawResponse | undefined): VaultKey {
    const id = parseReturnedId(key.id);
    const { vaultUrl } = this.#options;
    const expected = canonicalKeyId({ version: id.version, ...defined(requested), vaultUrl });
    if (canonicalKeyId(id) !== expected)
      throw new SignerError("integrity", `The response is for ${formatKeyId(id)} instead of ${expected}.`);
    const date = Date.parse(raw?.headers.get("date") ?? "");
    return { key, id, now: Number.isNaN(date) ? Date.now() : date };
  }

  #repeat<T>(operation: Operation, signal: AbortSignal, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#call(operation, () => withRetries(signal, () => this.#repeater.repeat(signal, send)));
  }

  async #call<T>(operation: Operation, send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      throw toSignerError(error, operation, this.#options.vaultUrl);
    }
  }
}

function defined({ name, version }: Omit<KeyId, "vaultUrl">): Omit<KeyId, "vaultUrl"> {
  return version === undefined ? { name } : { name, version };
}

async function importSdk(): Promise<Sdk> {
  try {
    return await import("@azure/keyvault-keys");
  } catch (cause) {
    throw missingPackage("@azure/keyvault-keys", "Azure Key Vault", cause);
  }
}
