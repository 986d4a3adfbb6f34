/** Opens a token store by a description that other processes can open, too. */
import { encryptedTokenStore, type TokenStore } from "hardproof";

/** Which store to open. */
export type StoreDescription = { readonly lease?: number } & { kind: "file"; directory: string };

/** A store, and what must be closed after it. */
export interface OpenStore extends AsyncDisposable {
  readonly store: TokenStore;
}

/** The key of all stores of the tests. */
export const TEST_KEY = new Uint8Array(32).fill(7);

/** @param key - Default: {@link TEST_KEY}. */
export async function openStore(
  description: StoreDescription,
  key: Uint8Array | readonly Uint8Array[] = TEST_KEY,
): Promise<OpenStore> {
  const { lease, directory } = description;
  return { store: encryptedTokenStore({ directory, key, lease }), [Symbol.asyncDispose]: async () => undefined };
}
