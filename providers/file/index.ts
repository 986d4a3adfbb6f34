/** Keys in PEM files. */
export { provider } from "./provider.js";
export { FileSigner, type FileSignerOptions } from "./signer.js";
