/** A provider makes signers from URIs. This is the one file that names the built-in ones. */
import type { Signer } from "./signer.js";

/** A key store, as an operator names it: by the scheme of its keys' URIs. */
export interface Provider<Options = unknown> {
  /** Without the colon: `pkcs11`. */
  readonly scheme: string;
  /** Does no I/O. */
  open(uri: string, options?: Options): Signer;
  /** Makes a key, non-exportable where the store can do that, and opens it. */
  create?(uri: string, options?: Options): Promise<Signer>;
  /** @returns the URIs of the keys that can sign ES256 */
  list?(uri: string, options?: Options): Promise<string[]>;
}

/*
 * Each loader imports this package by its own name, so that importing `hardproof` loads no addon and no SDK, and each is
 * a constant of its own, so that a bundler leaves out those that an app does not use.
 */
export const memory = () => import("hardproof/memory");
export const pkcs11 = () => import("hardproof/pkcs11");
export const tpm = () => import("hardproof/tpm");

/** Scheme → provider. */
export const builtIn = { memory, pkcs11, tpm };
