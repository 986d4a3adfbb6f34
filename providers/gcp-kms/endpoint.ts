/** Validates the endpoint of Cloud KMS. The access token is sent to it, so only Google's hosts are allowed. */

import { misconfigured } from "../../src/keystore/signer-error.js";
import { isLoopback } from "../../src/keystore/uri.js";
import { DEFAULT_UNIVERSE } from "./universe.js";

/** The address of Cloud KMS, in the terms of the SDK. */
export interface Endpoint {
  readonly servicePath: string;
  readonly port: number;
  /** Whether to connect without TLS and credentials, to an emulator on this machine. */
  readonly plaintext: boolean;
}

const HTTPS_PORT = 443;
const HTTP_PORT = 80;

/**
 * Parses an endpoint: `cloudkms.europe-west3.rep.googleapis.com`, optionally with `https://` and a port, or
 * `http://127.0.0.1:9090` for an emulator on this machine.
 *
 * @param universeDomain - The domain of a sovereign cloud, which is compared with that of the credentials before anything is sent
 *   to it. Default: `googleapis.com`.
 * @throws {SignerError} With code `misconfigured` if it is neither HTTPS under the universe domain nor HTTP on this
 *   machine.
 */
export function parseEndpoint(endpoint: string, universeDomain = DEFAULT_UNIVERSE): Endpoint {
  const text = endpoint.includes("://") ? endpoint : `https://${endpoint}`;
  // Errors contain only the host, since the URL could contain a password.
  if (!URL.canParse(text)) throw misconfigured("gcpkms: The endpoint must be a host with an optional port.");
  const { protocol, hostname, host, port, username, password, pathname, search, hash } = new URL(text);
  if (username || password || pathname !== "/" || search || hash)
    throw misconfigured(`gcpkms: The endpoint ${host} must not have credentials, a path, a query or a fragment.`);
  if (protocol === "http:" && isLoopback(hostname))
    return { servicePath: hostname, port: Number(port || HTTP_PORT), plaintext: true };
  if (protocol === "https:" && hostname.endsWith(`.${universeDomain}`))
    return { servicePath: hostname, port: Number(port || HTTPS_PORT), plaintext: false };
  throw misconfigured(
    `gcpkms: The endpoint ${host} is not allowed, since the access token would be sent to it. Use https:// under ` +
      `${universeDomain}, or http:// on this machine for an emulator. For any other host, set clientConfig or client.`,
  );
}
