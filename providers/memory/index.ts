/** Keys in this process's memory. */
export type { PrivateJwk } from "../../src/keystore/software-key.js";
export { provider } from "./provider.js";
export { type MemoryKeyOptions, MemorySigner } from "./signer.js";
