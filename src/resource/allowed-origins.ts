/** Restricts where an access token is sent: `https:`, or `http:` on loopback, and optionally only to listed origins. */
import { DPoPError } from "../errors.js";
import { isLoopback } from "../keystore/uri.js";

/** Where an access token may be sent. */
export interface AllowedOrigins {
  /** The only origins that the token is sent to, such as `https://api.example.com`. Default: any. */
  allowedOrigins?: readonly (string | URL)[] | undefined;
  /** Accepts `http:` for any host. Anyone on the network can then read the token and change responses. */
  allowInsecure?: boolean | undefined;
}

/** Throws {@link DPoPError} with code `forbidden-origin` if the token must not be sent to the URL. */
export type AssertAllowedOrigin = (url: URL) => void;

/**
 * Creates the check for these options.
 *
 * @throws {DPoPError} With code `misconfigured` if an allowed origin isn't an origin.
 */
export function originCheck({ allowedOrigins, allowInsecure = false }: AllowedOrigins): AssertAllowedOrigin {
  const allowed = allowedOrigins === undefined ? undefined : parseOrigins(allowedOrigins);
  return ({ protocol, hostname, origin }) => {
    if (protocol !== "https:" && protocol !== "http:")
      throw new DPoPError("forbidden-origin", `The token must be sent over https:, not over ${protocol}`);
    if (protocol === "http:" && !allowInsecure && !isLoopback(hostname))
      throw new DPoPError(
        "forbidden-origin",
        `${origin} is not https: the token could be read in transit. See allowInsecure.`,
      );
    if (allowed && !allowed.has(origin))
      throw new DPoPError("forbidden-origin", `${origin} is not in allowedOrigins. Nothing was sent to it.`);
  };
}

/** Reads each value once: an object could become another origin when it is read again. */
function parseOrigins(values: readonly (string | URL)[]): Set<string> {
  if (!Array.isArray(values)) throw new DPoPError("misconfigured", "allowedOrigins must be an array of origins.");
  return new Set(Array.from(values, parseOrigin));
}

function parseOrigin(value: unknown): string {
  const text = typeof value === "string" || value instanceof URL ? String(value) : "";
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin = url?.href === `${url?.origin}/` && url.protocol.startsWith("http");
  if (!isOrigin)
    throw new DPoPError("misconfigured", "allowedOrigins must contain origins: scheme, host and port, without a path.");
  return url.origin;
}
