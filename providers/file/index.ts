/**
 * Keys in PEM files.
 *
 * @module
 */
export type { SecretReference, SecretSource } from "../../src/keystore/secret-source.js";
export { type FileProviderOptions, provider } from "./provider.js";
export { FileSigner, type FileSignerOptions } from "./signer.js";
