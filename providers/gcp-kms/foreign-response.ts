/** Responses that Cloud KMS didn't send: of a proxy, a captive portal, a firewall or another server at the endpoint. */
import type { ErrorRow } from "../../src/keystore/error-table.js";

const NOT_KMS = "Check the endpoint, and whether a proxy or a login page intercepts the connection.";
const LATER = "The SDK's retries are used up. Try again later.";

/** A response without a gRPC status. */
export interface ForeignResponse {
  /** What it was, such as `HTTP 503`. */
  readonly what: string;
  /** The HTTP status, if it is known. */
  readonly http: number | undefined;
  readonly row: ErrorRow;
}

const HTTP_STATUS = /^Received HTTP status code (\d{3})|with status (\d{3}) could not be decoded/;
/** What gRPC reports about a server that speaks another protocol, and REST about a page. */
const OTHER_PROTOCOL =
  /Call ended without gRPC status|Last error: Protocol error|no application protocol|<html|<!doctype|is not valid JSON/i;
const UNTRUSTED = /(?:Last error|failed, reason): .*(?:certificate|Hostname\/IP)/;
const CA =
  "Check the endpoint. If a proxy inspects TLS, set GRPC_DEFAULT_SSL_ROOTS_FILE_PATH to a file with its certificate authority.";

/**
 * Returns what a response means that isn't one of Cloud KMS.
 *
 * @param words - The words of the SDK.
 * @returns `undefined` if the response has a gRPC status, or there was none.
 */
export function foreignResponse(words: string): ForeignResponse | undefined {
  const [, received, undecoded] = HTTP_STATUS.exec(words) ?? [];
  const http = received ?? undecoded;
  if (http !== undefined) return { what: `HTTP ${http}`, http: Number(http), row: rowOf(Number(http)) };
  if (UNTRUSTED.test(words)) return { what: "An untrusted certificate", http: undefined, row: ["misconfigured", CA] };
  if (!OTHER_PROTOCOL.test(words)) return undefined;
  return { what: "Another protocol", http: undefined, row: ["misconfigured", NOT_KMS] };
}

function rowOf(status: number): ErrorRow {
  if (status === 429) return ["throttled", LATER];
  if (status >= 500) return ["unavailable", LATER];
  if (status === 407) return ["misconfigured", "A proxy requires a login. Configure the proxy of this host."];
  if (status === 401 || status === 403)
    return ["access-denied", `${NOT_KMS} A firewall may have rejected the request.`];
  return ["misconfigured", NOT_KMS];
}
