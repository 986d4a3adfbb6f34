/** The universe domain of a sovereign cloud: the address of Cloud KMS, which gets the access token, is under it. */
import { misconfigured } from "../../src/keystore/signer-error.js";
import type { GcpKmsClientConfig } from "./client.js";
import type { Gax } from "./gax.js";

/** The universe domain of Google's public cloud. */
export const DEFAULT_UNIVERSE = "googleapis.com";

const DOMAIN = /^[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+$/;
const MAX_LENGTH = 253;

/**
 * Returns the universe domain of a sovereign cloud, such as `apis-tpczero.goog`.
 *
 * @throws {SignerError} With code `misconfigured` if it isn't a domain.
 */
export function checkUniverseDomain(domain: string): string {
  if (typeof domain === "string" && domain.length <= MAX_LENGTH && DOMAIN.test(domain)) return domain;
  throw misconfigured(
    "gcpkms: universeDomain (in a URI: universe-domain) must be a domain in lower case, such as apis-tpczero.goog.",
  );
}

/**
 * Compares a universe domain with that of the credentials. The SDK compares it only if it isn't set: it would send the
 * token of any credentials to a domain that the caller, or a URI, has set.
 *
 * @param clientConfig - Where the credentials come from, without a universe domain.
 * @throws The error of the SDK if they differ.
 */
export async function checkUniverseOfCredentials(
  { GoogleAuth, googleAuthLibrary }: Gax,
  clientConfig: GcpKmsClientConfig,
  domain: string,
): Promise<void> {
  const auth = clientConfig.auth ?? new GoogleAuth(clientConfig);
  const client = await auth.getClient();
  const isMachine = client instanceof googleAuthLibrary.Compute;
  const found = isMachine ? await auth.getUniverseDomainFromMetadataServer() : client.universeDomain;
  if (found === domain) return;
  throw new Error(
    `The configured universe domain (${domain}) does not match the universe domain found in the credentials (${found}).`,
  );
}
