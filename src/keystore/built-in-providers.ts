/** The built-in providers: scheme → loader. */
import type { Provider } from "./provider.js";

/** Doesn't refer to the types of a provider, so that the declarations of `hardproof` don't need the types of an SDK. */
type Load = () => Promise<{ provider: Provider }>;

/*
 * Each loader imports this package by its own name, so that importing `hardproof` loads neither a native addon nor an SDK.
 * Each is a separate constant, so that a bundler can drop those that an application doesn't use.
 */
export const awskms: Load = () => import("hardproof/aws-kms");
export const azurekms: Load = () => import("hardproof/azure-kv");
export const file: Load = () => import("hardproof/file");
export const gcpkms: Load = () => import("hardproof/gcp-kms");
export const memory = () => import("hardproof/memory");
export const openssl: Load = () => import("hardproof/openssl");
export const pkcs11: Load = () => import("hardproof/pkcs11");
export const sshAgent: Load = () => import("hardproof/ssh-agent");
export const tpm: Load = () => import("hardproof/tpm");
export const vault: Load = () => import("hardproof/vault");

/** Scheme → loader. */
export const builtInProviders = {
  awskms,
  azurekms,
  file,
  gcpkms,
  memory,
  openssl,
  pkcs11,
  "ssh-agent": sshAgent,
  tpm,
  vault,
};
