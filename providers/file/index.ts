/** Keys in PEM files. */
export type { SecretSource } from "../../src/uri.js";
export { provider } from "./provider.js";
export { FileSigner, type FileSignerOptions } from "./signer.js";
