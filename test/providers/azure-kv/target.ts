/** The vault for the Key Vault tests: the emulator, or the one of the key that the environment names (docs/azure-kv.md). */
import { DefaultAzureCredential } from "@azure/identity";
import { KeyClient, type KeyClientOptions } from "@azure/keyvault-keys";
import type { AlgorithmName } from "hardproof";
import type { AzureKeyVaultSignerOptions } from "hardproof/azure-kv";
import { findAlgorithm } from "hardproof/provider";
import { azureKeyVaultEmulator } from "../../../testing/emulators/azure-kv.js";

/** A key in a vault, and how to reach it. */
export interface AzureKvTarget {
  /** `https://…/keys/NAME/VERSION` of a key whose current version is this one. */
  readonly keyId: string;
  readonly vaultUrl: string;
  /** Options for `AzureKeyVaultSigner`, with the JWS algorithm that an RSA key needs. */
  readonly options: AzureKeyVaultSignerOptions & { algorithm?: AlgorithmName };
  /** A client of the SDK, and its options, since a name under `localhost` isn't in DNS. */
  readonly client: KeyClient;
  readonly sdkOptions: KeyClientOptions;
  /** Whether tests may create and delete keys. */
  readonly canCreate: boolean;
  close(): Promise<void>;
}

/** Returns the key that HARDPROOF_TEST_AZURE_KEY names, or else starts the emulator with a key. */
export async function azureKvTarget(): Promise<AzureKvTarget> {
  const { HARDPROOF_TEST_AZURE_KEY: keyId } = process.env;
  return keyId ? fromEnvironment(keyId) : fromEmulator();
}

/** `@azure/identity` finds the credential. */
function fromEnvironment(keyId: string): AzureKvTarget {
  const [, vaultUrl] = /^(https:\/\/[^/]+)\/keys\/[\w-]+\/[0-9a-f]{32}$/.exec(keyId) ?? [];
  if (!vaultUrl) throw new Error(`HARDPROOF_TEST_AZURE_KEY must be https://…/keys/NAME/VERSION, but it is ${keyId}.`);
  const algorithm = findAlgorithm(process.env.HARDPROOF_TEST_AZURE_ALGORITHM)?.alg;
  const credential = new DefaultAzureCredential();
  return {
    keyId,
    vaultUrl,
    options: { credential, ...(algorithm && { algorithm }) },
    client: new KeyClient(vaultUrl, credential),
    sdkOptions: {},
    canCreate: process.env.HARDPROOF_TEST_AZURE_CREATE === "1",
    close: async () => undefined,
  };
}

async function fromEmulator(): Promise<AzureKvTarget> {
  const { vault, vaultUrl, credential, clientOptions, close } = await azureKeyVaultEmulator();
  const { kid } = vault.add({ name: "dpop" });
  const client = new KeyClient(vaultUrl, credential, { ...clientOptions });
  return { keyId: kid, vaultUrl, options: { credential }, client, sdkOptions: clientOptions, canCreate: true, close };
}
