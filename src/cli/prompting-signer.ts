/** A signer that asks the user for its key's secret when the store needs one. */
import type { KeyDescription, PublicJwk, Signer, SignOptions } from "../index.js";
import type { SecretOption, TypedSecrets } from "./typed-secrets.js";

/** Opens the key with a secret, or without one. Doesn't do any I/O. */
export type OpenSigner = (secret: SecretOption) => Promise<Signer>;

/** Asks at most once: the secret is wrong if the store still isn't satisfied. */
export class PromptingSigner implements Signer {
  readonly #uri: string;
  readonly #open: OpenSigner;
  readonly #secrets: TypedSecrets;
  #signer: Signer;
  #isUnlocked = false;
  #unlocking: Promise<boolean> | undefined;

  private constructor(uri: string, open: OpenSigner, secrets: TypedSecrets, signer: Signer) {
    this.#uri = uri;
    this.#open = open;
    this.#secrets = secrets;
    this.#signer = signer;
  }

  /** @param uri - The key's URI, as the user typed it. */
  static async create(uri: string, open: OpenSigner, secrets: TypedSecrets): Promise<PromptingSigner> {
    return new PromptingSigner(uri, open, secrets, await open({}));
  }

  get uri(): string | undefined {
    return this.#signer.uri;
  }

  publicJwk(options?: SignOptions): Promise<PublicJwk> {
    return this.#use((signer) => signer.publicJwk(options));
  }

  sign(data: Uint8Array | (() => Uint8Array), options?: SignOptions): Promise<Uint8Array> {
    return this.#use((signer) => signer.sign(data, options));
  }

  describe(options?: SignOptions): Promise<KeyDescription> {
    return this.#use((signer) => signer.describe(options));
  }

  close(): Promise<void> {
    return this.#signer.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #use<T>(call: (signer: Signer) => Promise<T>): Promise<T> {
    const signer = this.#signer;
    try {
      return await call(signer);
    } catch (error) {
      if (signer === this.#signer && !(await this.#unlock(error))) throw error;
      return call(this.#signer);
    }
  }

  /** Returns whether the key was opened with a secret. Concurrent callers share one question. */
  async #unlock(error: unknown): Promise<boolean> {
    if (this.#isUnlocked) return false;
    this.#unlocking ??= this.#askAndOpen(error).finally(() => {
      this.#unlocking = undefined;
    });
    return this.#unlocking;
  }

  async #askAndOpen(error: unknown): Promise<boolean> {
    const secret = await this.#secrets.askFor(this.#uri, error);
    if (secret === undefined) return false;
    const locked = this.#signer;
    this.#signer = await this.#open(secret);
    this.#isUnlocked = true;
    await locked.close();
    return true;
  }
}
