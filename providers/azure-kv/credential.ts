/** The default credential, which is loaded and created once per process and cloud. */
import { missingPackage } from "../../src/keystore/import-optional.js";
import type { TokenCredential } from "./client.js";

/** Entra's hosts in the clouds that have their own, by the end of a vault's host name. */
const AUTHORITIES: Readonly<Record<string, string>> = {
  ".azure.cn": "https://login.chinacloudapi.cn",
  ".chinacloudapi.cn": "https://login.chinacloudapi.cn",
  ".usgovcloudapi.net": "https://login.microsoftonline.us",
};

const credentials = new Map<string, Promise<TokenCredential>>();

/**
 * Returns `DefaultAzureCredential`, for the cloud of the vault unless `AZURE_AUTHORITY_HOST` names another host.
 *
 * @throws {SignerError} With code `misconfigured` if `@azure/identity` isn't installed.
 */
export function defaultCredential(vaultUrl: string): Promise<TokenCredential> {
  const { hostname } = new URL(vaultUrl);
  const [, cloud = ""] = Object.entries(AUTHORITIES).find(([suffix]) => hostname.endsWith(suffix)) ?? [];
  const authorityHost = process.env.AZURE_AUTHORITY_HOST ?? cloud;
  const known = credentials.get(authorityHost);
  if (known) return known;
  const created = createCredential(authorityHost);
  credentials.set(authorityHost, created);
  created.catch(() => credentials.delete(authorityHost));
  return created;
}

async function createCredential(authorityHost: string): Promise<TokenCredential> {
  const { DefaultAzureCredential } = await importIdentity();
  return new DefaultAzureCredential(authorityHost === "" ? {} : { authorityHost });
}

async function importIdentity(): Promise<typeof import("@azure/identity")> {
  try {
    return await import("@azure/identity");
  } catch (cause) {
    throw missingPackage("@azure/identity", "The default credential of Azure Key Vault", cause);
  }
}
