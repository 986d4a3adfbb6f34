/** URIs of keys: `signing-service://HOST[:PORT]/NAME?token-source=&tls=`. They never contain the token. */
import { isLoopback, readAttributes, type SecretReference, splitUri } from "hardproof/provider";

/** The scheme of the URIs. */
export const SCHEME = "signing-service";

/** A key of the service. */
export interface KeyLocation {
  /** Such as `https://signer.example`. */
  readonly origin: string;
  /** The name of the key, or an empty string for all keys of the service. */
  readonly name: string;
  /** Where the bearer token is. */
  readonly token: SecretReference;
}

/** @throws {SignerError} With code `misconfigured`. The message never contains a value, which may be a misplaced token. */
export function parseUri(uri: string): KeyLocation {
  const { path, query, fail } = splitUri(uri, SCHEME);
  const [, host = "", name = ""] = /^\/\/([\w.-]+(?::\d+)?)\/([\w-]*)$/.exec(path.text) ?? [];
  if (!URL.canParse(`https://${host}`)) throw fail(`The URI must have the form ${SCHEME}://HOST/NAME`);

  const attributes = readAttributes(query, "&", ["token-source", "tls"], fail);
  const tls = attributes.text("tls");
  if (tls !== undefined && tls !== "off") throw fail("tls must be `off`, or be omitted");
  // Every request contains the token, so a server on another machine needs TLS.
  if (tls === "off" && !isLoopback(new URL(`http://${host}`).hostname))
    throw fail("tls can be `off` only for a server on this machine");
  return {
    origin: `${tls === "off" ? "http" : "https"}://${host}`,
    name,
    token: attributes.secretSource("token-source") ?? { env: "SIGNING_SERVICE_TOKEN" },
  };
}
