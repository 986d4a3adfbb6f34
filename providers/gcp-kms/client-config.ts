/** The configuration of the SDK's client: where it connects to, and with which credentials. */
import type { GcpKmsClientConfig, GcpKmsClientOptions } from "./client.js";
import { type Endpoint, parseEndpoint } from "./endpoint.js";
import { loadGax } from "./gax.js";
import { checkUniverseOfCredentials } from "./universe.js";

/**
 * Returns the configuration of a new client. The SDK reads the universe domain of the environment only for the address,
 * so it is passed on like the option.
 *
 * @throws {SignerError} With code `misconfigured` if the endpoint isn't allowed. Any other error is the SDK's.
 */
export async function toClientConfig(options: GcpKmsClientOptions): Promise<GcpKmsClientConfig> {
  const { clientConfig = {}, universeDomain = process.env.GOOGLE_CLOUD_UNIVERSE_DOMAIN } = options;
  const address = addressOf(options);
  const config = { ...clientConfig, ...(address && configFor(address)) };
  if (!universeDomain || (options.universeDomain === undefined && hasUniverse(clientConfig))) return config;
  const { universe_domain: _, universeDomain: __, ...source } = config;
  if (!address?.plaintext) await checkUniverseOfCredentials(loadGax(), source, universeDomain);
  return { ...source, universeDomain };
}

/** Returns the host name that is configured, or `undefined` for the SDK's default. */
export function hostOf(options: Omit<GcpKmsClientOptions, "timeout">): string | undefined {
  const { servicePath, apiEndpoint } = options.clientConfig ?? {};
  return addressOf(options)?.servicePath ?? servicePath ?? apiEndpoint;
}

/** Returns whether the client sends an access token. An emulator without TLS gets none. */
export function sendsCredentials(options: GcpKmsClientOptions): boolean {
  return !addressOf(options)?.plaintext;
}

function addressOf({ endpoint, universeDomain }: Omit<GcpKmsClientOptions, "timeout">): Endpoint | undefined {
  return endpoint === undefined ? undefined : parseEndpoint(endpoint, universeDomain);
}

function hasUniverse({ universeDomain, universe_domain }: GcpKmsClientConfig): boolean {
  return Boolean(universeDomain ?? universe_domain);
}

function configFor({ servicePath, port, plaintext }: Endpoint): GcpKmsClientConfig {
  return { servicePath, port, ...(plaintext ? withoutTls() : {}) };
}

/** Doesn't search for credentials, and doesn't send any. */
function withoutTls(): GcpKmsClientConfig {
  const gax = loadGax();
  const authClient = new gax.googleAuthLibrary.PassThroughClient();
  return { sslCreds: gax.grpc.credentials.createInsecure(), authClient };
}
