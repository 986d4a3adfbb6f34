/** The server's address. Every request carries a token, so plain HTTP is only for a server on this machine. */
import { misconfigured } from "../../src/keystore/signer-error.js";
import { isLoopback } from "../../src/keystore/uri.js";
import { fromEnvironment, variableOf } from "./environment.js";

/**
 * Returns the origin of the option, or else of `VAULT_ADDR` or `BAO_ADDR`.
 *
 * @throws {SignerError} With code `misconfigured` if there isn't an address, or a token must not be sent to it.
 */
export function addressOf(option: string | undefined): string {
  const address = option ?? fromEnvironment("ADDR");
  const source = option === undefined ? variableOf("ADDR") : "The address";
  if (address !== undefined) return parseAddress(address, source);
  throw misconfigured("vault: The server's address is missing. Set the option address, VAULT_ADDR or BAO_ADDR.");
}

/** Errors never contain the address, which may contain a password. */
function parseAddress(address: string, source: string): string {
  if (typeof address !== "string" || !URL.canParse(address))
    throw misconfigured(`vault: ${source} must be a URL such as https://vault.example.com:8200.`);
  const { protocol, hostname, origin, username, password, pathname, search, hash } = new URL(address);
  if (username || password || pathname !== "/" || search || hash)
    throw misconfigured(`vault: ${source} must not have credentials, a path, a query or a fragment.`);
  if (protocol === "https:" || (protocol === "http:" && isLoopback(hostname))) return origin;
  throw misconfigured(
    `vault: ${source} must start with https://, because every request carries a token. ` +
      "Only a server on this machine (127.0.0.1, localhost) can have http://.",
  );
}
