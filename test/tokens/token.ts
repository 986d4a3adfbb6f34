/** The interface that all throw-away tokens have in common. Those of `hardproof/softhsm` have it too. */
import { randomBytes } from "node:crypto";
import type { KeyHalf, KeyName, KeyOptions } from "hardproof/softhsm";

/** Options of a token of these tests. */
export interface TokenOptions {
  /** The token's label, at most 32 bytes. */
  label: string;
  /** The user PIN, at least 4 bytes. Default: a random PIN. */
  pin?: string | undefined;
  /** Receives one line before packages are installed. Default: standard error. */
  log?: ((line: string) => void) | undefined;
}

/** A key pair to generate. */
export type KeyToGenerate = Omit<KeyOptions, "privateKey" | "mechanisms">;

/** A throw-away token in a temporary directory. */
export interface Token extends AsyncDisposable {
  /** Path of the PKCS#11 library. */
  readonly module: string;
  /** The token's label. */
  readonly token: string;
  /** The token's serial number, as the library reports it. */
  readonly serial: string;
  /** The user PIN. */
  readonly pin: string;
  /** The key pair that every new token has. `id` is `CKA_ID` in hexadecimal. */
  readonly key: { readonly label: string; readonly id: string };
  /** NSS only: the parameters that `C_Initialize` takes in `pReserved`. */
  readonly libraryParameters?: string;
  /** The environment variables that another process needs to use this token. */
  readonly env: Readonly<Record<string, string>>;
  /** The directory of the token's files. */
  readonly directory: string;
  /** Generates one more key pair on the token. */
  addKey(key: KeyToGenerate): Promise<unknown>;
  /** Deletes a key pair, or one half of it. */
  deleteKey(key: KeyName, options?: { readonly only?: KeyHalf }): Promise<void>;
  /**
   * Stops the processes that serve the token, and removes its directory. Close everything that uses the library first.
   */
  close(): Promise<void>;
}

/** The key pair of every new token. */
export const INITIAL_KEY = { label: "dpop", id: "01" };

/** Returns a random PIN of 24 hexadecimal digits. */
export function randomPin(): string {
  return randomBytes(12).toString("hex");
}
