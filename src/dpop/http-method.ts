/** HTTP methods, in the form in which `fetch` sends them (Fetch standard, "normalize a method"). */
import { DPoPError } from "../errors.js";

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/; // RFC 9110 §5.6.2
const NORMALIZED_METHODS = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]);

/**
 * Normalizes a request's method.
 *
 * @returns `DELETE`, `GET`, `HEAD`, `OPTIONS`, `POST` and `PUT` in upper case, any other method unchanged.
 * @throws {DPoPError} With code `invalid-htm` if `method` isn't an HTTP token.
 */
export function normalizeMethod(method: string): string {
  if (typeof method !== "string" || !TOKEN.test(method))
    throw new DPoPError("invalid-htm", "htm must be the request's HTTP method, such as GET.");
  const upper = method.toUpperCase();
  return NORMALIZED_METHODS.has(upper) ? upper : method;
}
