/** The `htu` of a proof (RFC 9449 §4.2). */
import { DPoPError } from "../errors.js";
import { encodeNotAllowed } from "./encode-url.js";

/**
 * Returns the target URI of a request: its URL without query and fragment, in the form that RFC 3986 allows.
 *
 * @throws {DPoPError} With code `invalid-htu` if it isn't an absolute web URL, or has a user name or password.
 */
export function targetUri(htu: string | URL): string {
  const url = htu instanceof URL ? htu : parseUrl(htu);
  if (url?.protocol !== "https:" && url?.protocol !== "http:")
    throw new DPoPError("invalid-htu", "htu must be the request's absolute http: or https: URL.");
  if (url.username || url.password)
    throw new DPoPError("invalid-htu", `htu must not contain a user name or password (host ${url.host}).`);
  return url.origin + encodeNotAllowed(url.pathname);
}

function parseUrl(htu: string): URL | undefined {
  try {
    return new URL(htu);
  } catch {
    return undefined;
  }
}
