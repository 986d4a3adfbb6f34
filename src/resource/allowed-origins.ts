/** Where an access token may be sent: `https:`, or `http:` on loopback, and there only to the origins that were named. */
import { DPoPError } from "../errors.js";
import { isLoopback } from "../keystore/loopback.js";

export interface TokenReach {
  /** The only origins that get the token, such as `https://api.example.com`. Default: any. */
  allowedOrigins?: readonly (string | URL)[] | undefined;
  /** Takes `http:` for any host. The token can then be read on the way, and answers changed. */
  allowInsecure?: boolean | undefined;
}

/**
 * @returns a check that throws {@link DPoPError} `forbidden-origin` for a URL that must not get the token
 * @throws {DPoPError} code `misconfigured` for an allowed origin that is none
 */
export function tokenReach({ allowedOrigins, allowInsecure = false }: TokenReach): (url: URL) => void {
  const allowed = allowedOrigins && new Set(allowedOrigins.map(originOf));
  return ({ protocol, hostname, origin }) => {
    if (protocol !== "https:" && protocol !== "http:")
      throw new DPoPError("forbidden-origin", `A token goes over https: only, not over ${protocol}`);
    if (protocol === "http:" && !allowInsecure && !isLoopback(hostname))
      throw new DPoPError("forbidden-origin", `${origin} is not https: the token could be read. See allowInsecure.`);
    if (allowed && !allowed.has(origin))
      throw new DPoPError("forbidden-origin", `${origin} is not among allowedOrigins: nothing was sent to it.`);
  };
}

function originOf(value: string | URL): string {
  const url = URL.canParse(String(value)) ? new URL(value) : undefined;
  const isOrigin = url?.href === `${url?.origin}/` && url.protocol.startsWith("http");
  if (!isOrigin) throw new DPoPError("misconfigured", "allowedOrigins are origins: scheme, host and port, no path.");
  return url.origin;
}
