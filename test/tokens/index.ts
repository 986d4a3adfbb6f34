/** Throw-away tokens of other libraries: a software TPM, NSS, and a token that p11-kit serves. */
export {
  ENGINE_DEPENDENCIES,
  NSS_DEPENDENCIES,
  P11_KIT_DEPENDENCIES,
  PKCS11_TOOL_DEPENDENCIES,
  pkcs11ProviderPath,
  SOFT_TPM_DEPENDENCIES,
  SSH_AGENT_DEPENDENCIES,
  STORE_PROVIDER_DEPENDENCIES,
  TPM_HANDLE_DEPENDENCIES,
  TPM2_OPENSSL_DEPENDENCIES,
} from "./dependencies.js";
export { nssToken } from "./nss-token.js";
export { type NewKey, type OpenSshAgent, openSshAgent } from "./open-ssh-agent.js";
export { type P11KitServer, p11KitServer } from "./p11-kit-server.js";
export { type SoftTpm, softTpm } from "./soft-tpm.js";
export { installStoreNode, storeNode } from "./store-node.js";
export { type StoreProvider, storeProvider } from "./store-provider.js";
export type { Token } from "./token.js";
export { createTpmKey, tpmLockout } from "./tpm-handles.js";
export { type Tpm2OpenSsl, tpm2OpenSsl } from "./tpm2-openssl.js";
