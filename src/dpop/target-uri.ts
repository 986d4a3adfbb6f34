/** The URL that a proof is for, and its server. */
import { DPoPError } from "../errors.js";
import { encodeNotAllowed } from "./encode-url.js";

/** The URL of a proof, and the origin of its server. */
export interface Target {
  readonly target: string;
  readonly origin: string;
}

/**
 * Returns what a proof contains of a URL: all but its query and fragment (RFC 9449 §4.2), in the form that
 * RFC 3986 allows.
 *
 * @throws {DPoPError} With code `invalid-htu`.
 */
export function targetUri(htu: string | URL): Target {
  const { origin, pathname } = httpUrl(htu);
  return { target: origin + encodeNotAllowed(pathname), origin };
}

/**
 * Returns the origin of a server.
 *
 * @throws {DPoPError} With code `invalid-htu`.
 */
export function originOf(url: string | URL): string {
  return httpUrl(url).origin;
}

function httpUrl(htu: string | URL): URL {
  const url = htu instanceof URL ? htu : parseUrl(htu);
  if (url?.protocol !== "https:" && url?.protocol !== "http:")
    throw new DPoPError("invalid-htu", "htu must be the request's absolute http: or https: URL.");
  if (url.username || url.password)
    throw new DPoPError("invalid-htu", `htu must not contain a user name or password (host ${url.host}).`);
  return url;
}

function parseUrl(htu: string): URL | undefined {
  try {
    return new URL(htu);
  } catch {
    return undefined;
  }
}
