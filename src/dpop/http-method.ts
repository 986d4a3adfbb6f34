/** A request's method as `fetch` sends it (Fetch standard, "normalize a method"). */
import { DPoPError } from "../errors.js";

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/; // RFC 9110 §5.6.2
const NORMALIZED_METHODS = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]);

/**
 * @returns six methods in upper case, any other as it is given
 * @throws {DPoPError} code `invalid-htm`
 */
export function sentMethod(method: string): string {
  if (typeof method !== "string" || !TOKEN.test(method))
    throw new DPoPError("invalid-htm", "htm must be the method of the request, such as GET.");
  const upper = method.toUpperCase();
  return NORMALIZED_METHODS.has(upper) ? upper : method;
}
