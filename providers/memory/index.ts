/** Keys in this process's memory. */
export { provider } from "./provider.js";
export { type MemoryKeyOptions, MemorySigner } from "./signer.js";
