/** PKCS#11 tokens made out of nothing, for the demo and the tests: what this room offers to the rest of the house. */
export { ensureParts, TokenUnavailable } from "./install.js";
export { NSS_PARTS, nssToken } from "./nss-token.js";
export { P11_KIT_PARTS, type P11KitServer, p11KitServer } from "./p11-kit-server.js";
export { SOFT_HSM_PARTS, type SoftHsm, softHsm } from "./soft-hsm.js";
export { SOFT_TPM_PARTS, type SoftTpm, softTpm } from "./soft-tpm.js";
export type { Token } from "./token.js";
