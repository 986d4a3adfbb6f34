/** Keys in PEM files. */
export type { SecretReference, SecretSource } from "../../src/keystore/secret-source.js";
export { provider } from "./provider.js";
export { FileSigner, type FileSignerOptions } from "./signer.js";
