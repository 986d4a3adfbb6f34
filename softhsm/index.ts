/**
 * Throw-away SoftHSM tokens for integration tests: `await using hsm = await softHsm({ keys })`. Needs the package `koffi` or
 * `graphene-pk11`.
 */
export { type InstallOptions, softHsmSkipReason } from "./availability.js";
export { TokenUnavailable } from "./install.js";
export type { KeyOptions, SoftHsmKey } from "./key-options.js";
export type { KeyHalf, KeyName } from "./key-templates.js";
export { type SoftHsm, type SoftHsmOptions, softHsm } from "./soft-hsm.js";
export type { SoftHsmAccess, SoftHsmEnvironment, SoftHsmSignerOptions, SoftToken } from "./soft-token.js";
export type { TokenOptions } from "./token-options.js";
