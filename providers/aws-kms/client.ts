/** The one file that touches the AWS SDK: loads it, asks KMS, and hands its errors to the table. */
import { setTimeout as sleep } from "node:timers/promises";
import type {
  CreateKeyCommandInput,
  GetPublicKeyCommandOutput,
  KeyMetadata,
  KMSClient,
  KMSClientConfig,
  SignCommandOutput,
} from "@aws-sdk/client-kms";
import { SignerError } from "../../src/errors.js";
import { missingPackage } from "../../src/keystore/import-optional.js";
import { isNotFound, type Operation, toSignerError } from "./errors.js";

export type { CreateKeyCommandInput, GetPublicKeyCommandOutput, KeyMetadata, KMSClient, KMSClientConfig };

type Sdk = typeof import("@aws-sdk/client-kms");

/** As many signatures can be under way at once. The SDK's own 50 would have the others wait their turn. */
const MAX_SOCKETS = 500;
/** A new key, or alias, is seen everywhere after some seconds (KMS Developer Guide, "Eventual consistency"). */
const SETTLING = 15_000;
const PAUSE = 250;

/** Either a client of the caller's, or how to make one. */
export interface AwsKmsClientOptions {
  readonly client?: KMSClient | undefined;
  readonly config: KMSClientConfig;
  /** Until then (ms since 1970) KMS may not have heard of the key yet, so it is asked again. Default: it has. */
  readonly settledAt?: number | undefined;
}

/** AWS KMS, as far as a signer needs it. */
export class AwsKmsClient {
  readonly #sdk: Sdk;
  readonly #client: KMSClient;
  readonly #isOurs: boolean;
  #settledAt: number;

  private constructor(sdk: Sdk, { client, config, settledAt = 0 }: AwsKmsClientOptions) {
    this.#sdk = sdk;
    this.#isOurs = client === undefined;
    this.#settledAt = settledAt;
    this.#client = client ?? new sdk.KMSClient({ requestHandler: sockets(), ...config });
  }

  /** @throws {SignerError} code `misconfigured` if the SDK is not installed */
  static async connect(options: AwsKmsClientOptions): Promise<AwsKmsClient> {
    return new AwsKmsClient(await importSdk(), options);
  }

  getPublicKey(keyId: string, signal: AbortSignal): Promise<GetPublicKeyCommandOutput> {
    const command = new this.#sdk.GetPublicKeyCommand({ KeyId: keyId });
    return this.#ask("GetPublicKey", () => this.#client.send(command, { abortSignal: signal }));
  }

  /** @param digest - 32 bytes */
  sign(keyArn: string, digest: Uint8Array, signal: AbortSignal): Promise<SignCommandOutput> {
    const command = new this.#sdk.SignCommand({
      KeyId: keyArn,
      Message: digest,
      MessageType: "DIGEST",
      SigningAlgorithm: "ECDSA_SHA_256",
    });
    return this.#ask("Sign", () => this.#client.send(command, { abortSignal: signal }));
  }

  /** @throws {SignerError} code `integrity` if the answer is about another key */
  async describeKey(keyArn: string, signal: AbortSignal): Promise<KeyMetadata> {
    const command = new this.#sdk.DescribeKeyCommand({ KeyId: keyArn });
    const { KeyMetadata } = await this.#ask("DescribeKey", () => this.#client.send(command, { abortSignal: signal }));
    if (KeyMetadata?.Arn === keyArn) return KeyMetadata;
    throw new SignerError("integrity", `AWS KMS was asked for ${keyArn}, and described ${KeyMetadata?.Arn}.`);
  }

  /** From its answer on, this connection asks again for some seconds where KMS does not find the key. */
  async createKey(input: CreateKeyCommandInput, signal: AbortSignal): Promise<KeyMetadata | undefined> {
    const command = new this.#sdk.CreateKeyCommand(input);
    const { KeyMetadata } = await this.#ask("CreateKey", () => this.#client.send(command, { abortSignal: signal }));
    this.#settledAt = Date.now() + SETTLING;
    return KeyMetadata;
  }

  get settledAt(): number {
    return this.#settledAt;
  }

  async createAlias(alias: string, keyId: string, signal: AbortSignal): Promise<void> {
    const command = new this.#sdk.CreateAliasCommand({ AliasName: alias, TargetKeyId: keyId });
    await this.#ask("CreateAlias", () => this.#client.send(command, { abortSignal: signal }));
  }

  /** The ARNs of all keys of the account in the region, a page at a time. */
  async *keyPages(signal: AbortSignal): AsyncGenerator<string[]> {
    let marker: string | undefined;
    do {
      const command = new this.#sdk.ListKeysCommand({ Marker: marker });
      const page = await this.#ask("ListKeys", () => this.#client.send(command, { abortSignal: signal }));
      yield (page.Keys ?? []).flatMap(({ KeyArn }) => KeyArn ?? []);
      marker = page.Truncated ? page.NextMarker : undefined;
    } while (marker !== undefined);
  }

  /** Leaves a client of the caller's open. */
  close(): void {
    if (this.#isOurs) this.#client.destroy();
  }

  /** Retries are the SDK's own; what it does not know is that a key was just made. */
  async #ask<Answer>(operation: Operation, send: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      try {
        return await send();
      } catch (error) {
        if (!isNotFound(error) || Date.now() > this.#settledAt) throw toSignerError(error, operation);
        await sleep(PAUSE);
      }
    }
  }
}

function sockets(): NonNullable<KMSClientConfig["requestHandler"]> {
  return { httpAgent: { maxSockets: MAX_SOCKETS }, httpsAgent: { maxSockets: MAX_SOCKETS } };
}

async function importSdk(): Promise<Sdk> {
  try {
    return await import("@aws-sdk/client-kms");
  } catch (cause) {
    throw missingPackage("@aws-sdk/client-kms", "AWS KMS", cause);
  }
}
