/** PKCS#11 tokens made out of nothing, for the demo and the tests: what this room offers to the rest of the house. */
export { ensureSoftHsm, SoftHsmUnavailable } from "./install.js";
export { type SoftHsm, softHsm } from "./token.js";
