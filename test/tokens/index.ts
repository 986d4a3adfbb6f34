/** Throw-away tokens of other libraries: a TPM in software, NSS, and a token served by p11-kit. */
export { nssToken } from "./nss-token.js";
export { type P11KitServer, p11KitServer } from "./p11-kit-server.js";
export { NSS_PARTS, P11_KIT_PARTS, SOFT_TPM_PARTS } from "./parts.js";
export { type SoftTpm, softTpm } from "./soft-tpm.js";
