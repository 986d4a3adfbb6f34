/** The token of a session, and the requests about the token itself. */
import { withDeadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import { isJsonObject } from "../../src/jose/json-object.js";
import { toSignerError } from "./errors.js";
import { exchange, type VaultResponse, type VaultServer } from "./http.js";
import type { LeaseTerms } from "./lease.js";

/** Where a session gets its token, and what it does when the server rejects one. */
export interface Tokens {
  /**
   * Returns a token that should be valid.
   *
   * @throws {SignerError} If there isn't one, or the login failed.
   */
  current(signal: AbortSignal): Promise<string>;
  /** The server has accepted the token for a request. */
  accepted(token: string): void;
  /**
   * Returns another token, to repeat the request once.
   *
   * @param path - The path of the request that the server denied.
   * @returns `undefined` if another token wouldn't help.
   */
  replace(rejected: string, path: string, signal: AbortSignal): Promise<string | undefined>;
  /** The repeated request was denied as well, so a further token isn't requested because of this path. */
  denied(token: string, path: string): void;
  /** Why the server may deny a request, and what to do. */
  readonly problem: string;
  /** Stops renewals, and revokes a token that only this session has. */
  close(): Promise<void>;
}

/** A token, as the calls about itself need it. */
export interface TokenHolder {
  readonly server: VaultServer;
  readonly namespace: string | undefined;
}

/** Milliseconds. The calls about a token have no caller whose time limit they could have. */
const TIME_LIMIT = 10_000;
const REVOCATION_TIME_LIMIT = 2_000;

/** Reads when a token expires. The policy `default` allows it. */
export async function lookUp(holder: TokenHolder, token: string): Promise<LeaseTerms> {
  const { json } = await callSelf(holder, "lookup", token, TIME_LIMIT);
  const data = isJsonObject(json.data) ? json.data : {};
  return { seconds: Number(data.ttl) || 0, renewable: data.renewable === true };
}

/** Renews a token. The policy `default` allows it. */
export async function renew(holder: TokenHolder, token: string): Promise<LeaseTerms> {
  const { json } = await callSelf(holder, "renew", token, TIME_LIMIT);
  return termsOf(json);
}

/** Revokes a token, within a time limit. If the server doesn't respond, the token expires later. */
export async function revoke(holder: TokenHolder, token: string): Promise<void> {
  await callSelf(holder, "revoke", token, REVOCATION_TIME_LIMIT).catch(() => undefined);
}

/** Reads the terms in the `auth` of a response. */
export function termsOf({ auth }: VaultResponse["json"]): LeaseTerms {
  const { lease_duration, renewable } = isJsonObject(auth) ? auth : {};
  return { seconds: Number(lease_duration) || 0, renewable: renewable === true };
}

function callSelf(
  { server, namespace }: TokenHolder,
  operation: "lookup" | "renew" | "revoke",
  token: string,
  timeout: number,
): Promise<VaultResponse> {
  const path = `auth/token/${operation}-self`;
  const method = operation === "lookup" ? "GET" : "POST";
  const toError = () => new SignerError("timeout", `No response from ${path} within ${timeout} ms.`);
  return withDeadline({ timeout, toError }, async ({ signal }) => {
    const response = await exchange(server, { method, path, namespace, token }, signal);
    if (response.status >= 300) throw toSignerError(response, path);
    return response;
  });
}
