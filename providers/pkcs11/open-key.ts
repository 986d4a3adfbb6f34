/** One private key on a token, signed with by the workers of its library. */
import type { OpenKeyOptions, StoreSignature } from "../../src/keystore/key-source.js";
import type { KeyFacts, PublicJwk } from "../../src/keystore/signer.js";
import type { TokenUse } from "./library-use.js";
import type { Opened } from "./protocol.js";
import { type KeyOnToken, useToken } from "./token-use.js";

export class Pkcs11Key {
  readonly publicKey: PublicJwk;
  readonly #token: TokenUse;

  private constructor(token: TokenUse, { publicJwk }: Opened) {
    this.#token = token;
    this.publicKey = publicJwk;
  }

  /** @throws {SignerError} With the code of what wasn't found or can't be used. */
  static async open(options: KeyOnToken, deadline: OpenKeyOptions): Promise<Pkcs11Key> {
    const token = await useToken(options);
    try {
      return new Pkcs11Key(token, (await token.run({ name: "open" }, deadline)) as Opened);
    } catch (error) {
      await token.close();
      throw error;
    }
  }

  /** @param digest - Returns the SHA-256 of the message. */
  async signQueued(digest: () => Uint8Array, deadline: OpenKeyOptions): Promise<StoreSignature> {
    const signature = (await this.#token.run({ name: "sign", digest }, deadline)) as Uint8Array;
    return { signature, form: "raw" };
  }

  describe(deadline: OpenKeyOptions): Promise<KeyFacts> {
    return this.#token.run({ name: "describe" }, deadline) as Promise<KeyFacts>;
  }

  close(): Promise<void> {
    return this.#token.close();
  }
}
