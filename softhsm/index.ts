/** Throw-away SoftHSM tokens for tests. */
export { ensureParts, TokenUnavailable } from "./install.js";
export { SOFT_HSM_PARTS } from "./parts.js";
export { type SoftHsm, softHsm } from "./soft-hsm.js";
export type { Token } from "./token.js";
