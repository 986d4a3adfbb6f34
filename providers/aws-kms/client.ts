/** The only file that uses the AWS SDK: loads it, calls AWS KMS, and maps its errors. */
import { setTimeout as sleep } from "node:timers/promises";
import type {
  $Command,
  CreateKeyCommandInput,
  GetPublicKeyCommandOutput,
  KeyMetadata,
  KMSClient,
  KMSClientConfig,
  KMSClientResolvedConfig,
  ScheduleKeyDeletionCommandOutput,
  ServiceInputTypes,
  ServiceOutputTypes,
  SignCommandInput,
  SignCommandOutput,
} from "@aws-sdk/client-kms";
import type { Deadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import { missingPackage } from "../../src/keystore/import-optional.js";
import type { OpenKeyOptions } from "../../src/keystore/key-source.js";
import { RequestRepeater } from "../../src/keystore/request-repeater.js";
import { CredentialSearch } from "./credential-search.js";
import { isDryRun, isNotFound, isSearchError, type Operation, toSignerError } from "./errors.js";
import { ClientInspection } from "./inspection.js";
import { OwnClient } from "./own-client.js";

export type { CreateKeyCommandInput, GetPublicKeyCommandOutput, KeyMetadata, KMSClient, KMSClientConfig };

type Sdk = typeof import("@aws-sdk/client-kms");

/**
 * Milliseconds until a new key or alias is visible everywhere (KMS Developer Guide, "AWS KMS eventual consistency").
 */
const PROPAGATION_TIME = 15_000;
/** Milliseconds between two attempts to find a new key. */
const RETRY_PAUSE = 250;

/** A request to sign, without the key. */
export type SignRequest = Pick<SignCommandInput, "Message" | "MessageType" | "SigningAlgorithm" | "DryRun">;

type Command<Input extends ServiceInputTypes, Output extends ServiceOutputTypes> = $Command<
  Input,
  Output,
  KMSClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes
>;

/** The options of a call, whose signal is only created if it is needed, or its signal. */
type Call = OpenKeyOptions | AbortSignal;

/** The caller's client, or the configuration for a new one. */
export interface AwsKmsClientOptions {
  readonly client?: KMSClient | undefined;
  readonly config: KMSClientConfig;
  /**
   * Milliseconds since 1970. Until this time, requests are repeated if KMS doesn't find the key yet. Default: never.
   */
  readonly retryNotFoundUntil?: number | undefined;
}

/** A client with the AWS KMS operations that Hardproof needs. It throws only `SignerError`s. */
export class AwsKmsClient {
  readonly #sdk: Sdk;
  readonly #client: KMSClient;
  /** `undefined` if the client is the caller's. */
  readonly #ownClient: OwnClient | undefined;
  /** What the SDK reports to it, unless the client or its logger is the caller's. */
  readonly #search = new CredentialSearch();
  readonly #repeater = new RequestRepeater();
  #retryNotFoundUntil: number;

  private constructor(sdk: Sdk, { client, config, retryNotFoundUntil = 0 }: AwsKmsClientOptions) {
    this.#sdk = sdk;
    this.#retryNotFoundUntil = retryNotFoundUntil;
    if (client) {
      this.#client = client;
    } else {
      this.#ownClient = new OwnClient(sdk, config, this.#search);
      this.#client = this.#ownClient.client;
    }
  }

  /**
   * Loads the SDK and creates a client. Doesn't send a request.
   *
   * @throws {SignerError} With code `misconfigured` if the SDK isn't installed, or doesn't accept the configuration.
   */
  static async connect(options: AwsKmsClientOptions): Promise<AwsKmsClient> {
    const sdk = await importSdk();
    try {
      return new AwsKmsClient(sdk, options);
    } catch (error) {
      throw toSignerError(error, "KMSClient");
    }
  }

  /** Milliseconds since 1970. Until this time, requests are repeated if KMS doesn't find the key yet. */
  get retryNotFoundUntil(): number {
    return this.#retryNotFoundUntil;
  }

  getPublicKey(keyId: string, signal: AbortSignal): Promise<GetPublicKeyCommandOutput> {
    return this.#repeat("GetPublicKey", signal, (abortSignal) => {
      const command = new this.#sdk.GetPublicKeyCommand({ KeyId: keyId });
      return this.#send(command, abortSignal);
    });
  }

  sign(keyArn: string, request: SignRequest, call: Call): Promise<SignCommandOutput> {
    return this.#repeat("Sign", call, (abortSignal) => {
      const command = new this.#sdk.SignCommand({ KeyId: keyArn, ...request });
      return this.#send(command, abortSignal);
    });
  }

  /** Checks whether AWS KMS would sign, without a signature. Throws what {@link AwsKmsClient.sign} would throw. */
  async dryRunSign(keyArn: string, request: SignRequest, signal: AbortSignal): Promise<void> {
    try {
      await this.sign(keyArn, { ...request, DryRun: true }, signal);
    } catch (error) {
      if (!(error instanceof SignerError && isDryRun(error.cause))) throw error;
    }
  }

  /** @throws {SignerError} With code `integrity` if the response is for another key. */
  async describeKey(keyArn: string, signal: AbortSignal): Promise<KeyMetadata> {
    const key = await this.findKey(keyArn, signal);
    if (key?.Arn === keyArn) return key;
    throw new SignerError("integrity", `DescribeKey for ${keyArn} returned ${key?.Arn ?? "no key"}.`);
  }

  /** Describes the key that a key id, ARN or alias names. */
  async findKey(keyId: string, signal: AbortSignal): Promise<KeyMetadata | undefined> {
    const { KeyMetadata } = await this.#repeat("DescribeKey", signal, (abortSignal) => {
      const command = new this.#sdk.DescribeKeyCommand({ KeyId: keyId });
      return this.#send(command, abortSignal);
    });
    return KeyMetadata;
  }

  /** Only the SDK repeats it. A repeated request fails if the first one had an effect: the key is pending deletion then. */
  scheduleKeyDeletion(keyArn: string, days: number, signal: AbortSignal): Promise<ScheduleKeyDeletionCommandOutput> {
    const command = new this.#sdk.ScheduleKeyDeletionCommand({ KeyId: keyArn, PendingWindowInDays: days });
    return this.#call("ScheduleKeyDeletion", () => this.#send(command, signal));
  }

  /** Creates a key. For some seconds after that, this client repeats requests if KMS doesn't find the key yet. */
  async createKey(input: CreateKeyCommandInput, signal: AbortSignal): Promise<KeyMetadata | undefined> {
    const command = new this.#sdk.CreateKeyCommand(input);
    const { KeyMetadata } = await this.#call("CreateKey", () => this.#send(command, signal));
    this.#retryNotFoundUntil = Date.now() + PROPAGATION_TIME;
    return KeyMetadata;
  }

  async createAlias(alias: string, keyId: string, signal: AbortSignal): Promise<void> {
    const command = new this.#sdk.CreateAliasCommand({ AliasName: alias, TargetKeyId: keyId });
    await this.#call("CreateAlias", () => this.#send(command, signal));
  }

  /** Yields the ARNs of all keys of the account in the region, page by page. */
  async *keyPages(part: Deadline): AsyncGenerator<string[]> {
    let marker: string | undefined;
    do {
      const page = await this.#repeat("ListKeys", part.signal, (abortSignal) => {
        const command = new this.#sdk.ListKeysCommand({ Marker: marker });
        return this.#send(command, abortSignal);
      });
      yield (page.Keys ?? []).flatMap(({ KeyArn }) => KeyArn ?? []);
      marker = page.Truncated ? page.NextMarker : undefined;
    } while (marker !== undefined);
  }

  /** Returns what the client found, and what its later requests show. */
  inspect(): ClientInspection {
    return new ClientInspection(this.#client, this.#ownClient !== undefined, (work) => this.#call("KMSClient", work));
  }

  /** Closes the connections, unless the client is the caller's. */
  close(): void {
    this.#ownClient?.client.destroy();
  }

  /**
   * Sends a command that the signal aborts. The signer's own client sends commands without options, so that the SDK caches its
   * middleware.
   */
  #send<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
    command: Command<Input, Output>,
    abortSignal: AbortSignal,
  ): Promise<Output> {
    if (!this.#ownClient) return this.#client.send(command, { abortSignal });
    this.#ownClient.abortBy(abortSignal, command);
    return this.#client.send(command);
  }

  /** Sends a request that is harmless to repeat. One that hangs is repeated within the time limit. */
  #repeat<Response>(
    operation: Operation,
    call: Call,
    send: (signal: AbortSignal) => Promise<Response>,
  ): Promise<Response> {
    return this.#call(operation, () => this.#repeater.repeat(call, send));
  }

  /** Repeats a request that doesn't find a new key yet. The SDK retries other transient errors itself. */
  async #call<Response>(operation: Operation, send: () => Promise<Response>): Promise<Response> {
    for (;;) {
      try {
        return await send();
      } catch (error) {
        if (!isNotFound(error) || Date.now() > this.#retryNotFoundUntil) throw this.#toSignerError(error, operation);
        await sleep(RETRY_PAUSE);
      }
    }
  }

  #toSignerError(error: unknown, operation: Operation): SignerError {
    return toSignerError(error, operation, isSearchError(error) ? this.#search.report : undefined);
  }
}

async function importSdk(): Promise<Sdk> {
  try {
    return await import("@aws-sdk/client-kms");
  } catch (cause) {
    throw missingPackage("@aws-sdk/client-kms", "AWS KMS", cause);
  }
}
