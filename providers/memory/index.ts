/** Keys in this process's memory. */
export { type MemoryKeyOptions, MemorySigner } from "./signer.js";
