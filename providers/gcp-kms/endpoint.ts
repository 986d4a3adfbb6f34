/** Where Cloud KMS is, when it is not at its usual address: the host gets an access token, so not every host will do. */
import type { SignerError } from "../../src/errors.js";
import { isLoopback } from "../../src/keystore/loopback.js";
import { misconfigured } from "../../src/keystore/signer-error.js";

export interface Endpoint {
  readonly servicePath: string;
  readonly port: number;
  /** Without TLS and without credentials: an emulator on this machine. */
  readonly plaintext: boolean;
}

const HTTPS_PORT = 443;
const HTTP_PORT = 80;

/**
 * Reads an endpoint: `cloudkms.europe-west3.rep.googleapis.com`, with `https://` and a port or without, or
 * `http://127.0.0.1:9090` for an emulator on this machine.
 *
 * @throws {SignerError} code `misconfigured` for a host that is not Google's, or plain HTTP to another machine
 */
export function parseEndpoint(endpoint: string): Endpoint {
  const text = endpoint.includes("://") ? endpoint : `https://${endpoint}`;
  // The URL is not repeated: whoever puts a user and password into it must not find them in a log.
  if (!URL.canParse(text)) throw refused("", "it is no host with a port.");
  const { protocol, hostname, host, port, username, password, pathname, search, hash } = new URL(text);
  if (username || password || pathname !== "/" || search || hash)
    throw refused(host, "it is more than a host and port.");
  if (protocol === "http:" && isLoopback(hostname))
    return { servicePath: hostname, port: Number(port || HTTP_PORT), plaintext: true };
  if (protocol === "https:" && hostname.endsWith(".googleapis.com"))
    return { servicePath: hostname, port: Number(port || HTTPS_PORT), plaintext: false };
  throw refused(
    host,
    "an access token goes there, so it must be https:// under googleapis.com, or http:// on this machine for an " +
      "emulator. For any other, give clientConfig or a client.",
  );
}

function refused(host: string, why: string): SignerError {
  return misconfigured(`The endpoint ${host} is refused: ${why}`);
}
