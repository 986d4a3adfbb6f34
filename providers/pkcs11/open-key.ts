/** A private key on a token, with which the workers of its library sign. */
import type { OpenKeyOptions, StoreSignature } from "../../src/keystore/key-source.js";
import type { KeyFacts, PublicJwk } from "../../src/keystore/signer.js";
import type { TokenUse } from "./library-use.js";
import type { Opened } from "./protocol.js";
import { type KeyOnToken, useToken } from "./token-use.js";

/** An open key. It uses the library until it is closed. */
export class Pkcs11Key {
  readonly publicKey: PublicJwk;
  readonly #token: TokenUse;

  private constructor(token: TokenUse, { publicJwk }: Opened) {
    this.#token = token;
    this.publicKey = publicJwk;
  }

  /**
   * Opens the key.
   *
   * @throws {SignerError} If the library, the token or the key wasn't found or can't be used.
   */
  static async open(options: KeyOnToken, deadline: OpenKeyOptions): Promise<Pkcs11Key> {
    const token = await useToken(options, deadline.signal);
    try {
      return new Pkcs11Key(token, (await token.run({ name: "open" }, deadline)) as Opened);
    } catch (error) {
      await token.close();
      throw error;
    }
  }

  /**
   * Signs when a worker is free.
   *
   * @param digest - Returns the digest of the message, or the message itself, when the request is sent to the worker.
   */
  async signQueued(digest: () => Uint8Array, deadline: OpenKeyOptions): Promise<StoreSignature> {
    const signature = (await this.#token.run({ name: "sign", digest }, deadline)) as Uint8Array;
    return { signature, form: "raw" };
  }

  /** Returns what the token reports about the key. */
  describe(deadline: OpenKeyOptions): Promise<KeyFacts> {
    return this.#token.run({ name: "describe" }, deadline) as Promise<KeyFacts>;
  }

  /** Closes the key's sessions. */
  close(): Promise<void> {
    return this.#token.close();
  }
}
