/** Responses that AWS KMS didn't send: of a proxy, a captive portal, a firewall or another server at the endpoint. */
import type { ErrorRow } from "../../src/keystore/error-table.js";

const NOT_KMS =
  "The response is not from AWS KMS. Check the endpoint, and whether a proxy or a login page intercepts it.";
const PROXY = "A proxy requires a login. Configure the proxy of this host, or clientConfig.requestHandler.";
const FIREWALL = `${NOT_KMS} A firewall or a proxy may have rejected the request.`;
const SERVER = "The SDK's retries are used up. Try again later.";

/** Returns the HTTP status of the response that an SDK error is about, if there was one. */
export function statusOf(error: Error): number | undefined {
  const status = memberOf(error, "$metadata", "httpStatusCode");
  return typeof status === "number" ? status : undefined;
}

/** Returns whether the response has an error code. Without one, the SDK calls the error `Unknown`. */
export function hasKmsErrorCode(error: Error): boolean {
  return "$fault" in error && error.name !== "Unknown";
}

/** Returns what a response without a known error code means, by its HTTP status. */
export function foreignResponseRow(error: Error, status: number): ErrorRow {
  if (status === 429) return ["throttled", SERVER];
  if (status >= 500) return ["unavailable", SERVER];
  if (status === 407) return ["misconfigured", PROXY];
  if (status === 401 || status === 403) return ["access-denied", FIREWALL];
  if (status >= 200 && status < 300 && isJson(error)) return ["integrity", "The response was discarded."];
  return ["misconfigured", NOT_KMS];
}

function isJson(error: Error): boolean {
  return /json/i.test(String(memberOf(error, "$response", "headers", "content-type")));
}

function memberOf(value: unknown, ...path: string[]): unknown {
  return path.reduce<unknown>(
    (member, name) => (typeof member === "object" && member !== null ? Reflect.get(member, name) : undefined),
    value,
  );
}
