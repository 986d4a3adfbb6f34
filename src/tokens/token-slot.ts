/** The place of one source's token in its store: what is read from it, written to it and deleted from it. */
import { TokenStoreError } from "../errors.js";
import { expiryOf } from "../oauth/token/access-token-claims.js";
import { Token } from "../oauth/token/token.js";
import { nameOf, storeError } from "./store-error.js";
import type { StoredToken, TokenStore } from "./token-store.js";

/** One token of a store. Without a store, there is never a token. */
export class TokenSlot {
  readonly #store: TokenStore | undefined;
  readonly #key: string;
  /** The refresh token that the store has, as far as this process knows. */
  #storedRefreshToken: string | null | undefined;
  /** A token that could not be stored, and replaces the stored one. */
  #unsaved: Token | undefined;

  constructor(store: TokenStore | undefined, key: string) {
    this.#store = store;
    this.#key = key;
  }

  /** Whether another process may change the token at any time. */
  get isShared(): boolean {
    return this.#store !== undefined && this.#store.lock === undefined;
  }

  /**
   * Returns the stored token, whatever it is bound to. If the last token could not be stored, and no other process has
   * stored a newer one since, stores and returns that one: its refresh token has replaced the stored one.
   *
   * @throws {TokenStoreError} If the store can't be read.
   */
  async load(): Promise<Token | undefined> {
    const stored = await this.#read();
    const unsaved = stored?.refreshToken === this.#storedRefreshToken ? this.#unsaved : undefined;
    this.#unsaved = undefined;
    if (unsaved) await this.save(unsaved);
    else this.#storedRefreshToken = stored?.refreshToken;
    return unsaved ?? stored;
  }

  async #read(): Promise<Token | undefined> {
    try {
      return restore(await this.#store?.get(this.#key));
    } catch (reason) {
      throw storeError("The token store could not be read", reason);
    }
  }

  /** Stores a token. Emits a warning if the store fails, since the token in memory is still valid. */
  async save(token: Token): Promise<void> {
    const { raw, refreshToken, expiresAt, idTokenClaims } = token;
    const stored = { raw, refreshToken, expiresAt, ...(idTokenClaims && { idTokenClaims }) };
    const isSaved = await this.#update((store) => store.set(this.#key, stored));
    if (isSaved) this.#storedRefreshToken = refreshToken;
    else this.#unsaved = token;
  }

  /** Deletes the token if it still has this refresh token. Otherwise, another process has stored a newer one. */
  async deleteWith(refreshToken: string): Promise<void> {
    if (this.#unsaved?.refreshToken === refreshToken) this.#unsaved = undefined;
    await this.#update(async (store) => {
      const stored = await store.get(this.#key);
      if (stored?.refreshToken === refreshToken) await store.del(this.#key);
    });
  }

  /**
   * Runs the work while no other process does so with the same token, if the store has a lock.
   *
   * @throws {TokenStoreError} If the lock can't be acquired. Otherwise, what the work throws.
   */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (this.#store?.lock === undefined) return work();
    let result: Promise<T> | undefined;
    const start = async () => {
      result = work();
      await result.catch(() => undefined); // returned below, whatever the store makes of it
    };
    try {
      await this.#store.lock(this.#key, start);
    } catch (reason) {
      if (result === undefined) throw storeError("The token store could not be locked", reason);
    }
    if (result === undefined) throw new TokenStoreError("unavailable", "The token store's lock did not run the work.");
    return result;
  }

  /** Returns whether the update succeeded. */
  async #update(update: (store: TokenStore) => Promise<void>): Promise<boolean> {
    try {
      if (this.#store) await update(this.#store);
      return true;
    } catch (reason) {
      const [code, why] = reason instanceof TokenStoreError ? [reason.code, reason.message] : ["", nameOf(reason)];
      const result = code === "lease-lost" ? "" : ", so only this process has the current token";
      const message = `The token store was not updated${result}: ${why}`;
      process.emitWarning(message, { code: "HARDPROOF_TOKEN_STORE" });
      return false;
    }
  }
}

/** Also reads tokens that were stored without a usable `expiresAt`. */
function restore(stored: StoredToken | undefined): Token | undefined {
  const accessToken = stored?.raw?.access_token;
  if (!stored || typeof accessToken !== "string") return undefined;
  const { raw, refreshToken, idTokenClaims } = stored;
  // The time of the response isn't known: a lifetime that began then may have ended.
  const expiresAt = stored.expiresAt ?? expiryOf(raw, accessToken, { issuedAt: 0 });
  return new Token(raw, accessToken, { refreshToken, idTokenClaims, expiresAt });
}
