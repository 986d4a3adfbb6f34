/** How a client says who it is to the token endpoint (RFC 6749 §2.3.1). */
import { OAuthError } from "./errors.js";

export type ClientAuth = "client_secret_post" | "client_secret_basic" | "none";

export interface ClientCredentials {
  clientId: string;
  clientSecret?: string | null | undefined;
}

/** What the method puts into the request. */
export interface ClientAuthentication {
  fields: Record<string, string>;
  headers: Record<string, string>;
}

/**
 * @param method - by default `client_secret_post` where there is a secret, `none` where there isn't
 * @throws {OAuthError} code `misconfigured` if the method and the secret don't go together
 */
export function authenticate(method: ClientAuth | undefined, client: ClientCredentials): ClientAuthentication {
  const { clientId, clientSecret } = client;
  const chosen = method ?? (clientSecret == null ? "none" : "client_secret_post");
  if (chosen === "none") {
    if (clientSecret == null) return { fields: { client_id: clientId }, headers: {} };
    throw new OAuthError("misconfigured", "clientAuth is none, but there is a clientSecret. Leave one of them out.");
  }
  if (clientSecret == null) throw new OAuthError("misconfigured", `clientAuth ${chosen} needs a clientSecret.`);
  if (chosen === "client_secret_post")
    return { fields: { client_id: clientId, client_secret: clientSecret }, headers: {} };
  const pair = `${formEncode(clientId)}:${formEncode(clientSecret)}`;
  return { fields: {}, headers: { authorization: `Basic ${Buffer.from(pair).toString("base64")}` } };
}

/** `application/x-www-form-urlencoded`, as both halves of the pair are to be (RFC 6749 §2.3.1). */
function formEncode(value: string): string {
  return new URLSearchParams({ "": value }).toString().slice(1);
}
