/** The built-in key stores: scheme → loader. */
import type { Provider } from "./provider.js";

/** Names no provider's own types, so that importing `hardproof` needs no SDK's types. */
type Load = () => Promise<{ provider: Provider }>;

/*
 * Each loader imports this package by its own name, so that importing `hardproof` loads no native addon and no SDK. Each
 * is a constant of its own, so that a bundler drops those that an application doesn't use.
 */
export const awskms: Load = () => import("hardproof/aws-kms");
export const file: Load = () => import("hardproof/file");
export const gcpkms: Load = () => import("hardproof/gcp-kms");
export const memory = () => import("hardproof/memory");
export const pkcs11: Load = () => import("hardproof/pkcs11");
export const tpm: Load = () => import("hardproof/tpm");

/** Scheme → provider. */
export const builtInProviders = { awskms, file, gcpkms, memory, pkcs11, tpm };
