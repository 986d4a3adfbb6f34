/** Throw-away SoftHSM tokens for tests. */
export { SOFTHSM_DEPENDENCIES } from "./dependencies.js";
export { ensureInstalled, TokenUnavailable } from "./install.js";
export { type SoftHsm, softHsm } from "./soft-hsm.js";
export type { Token } from "./token.js";
