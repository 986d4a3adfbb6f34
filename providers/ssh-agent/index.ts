/** Keys in an SSH agent, of OpenSSH or any other program that implements RFC 9987. */
export { provider, type SshAgentProviderOptions } from "./provider.js";
export { type SshAgentKey, SshAgentSigner, type SshAgentSignerOptions } from "./signer.js";
