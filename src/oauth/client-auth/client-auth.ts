/** How a client says who it is to an endpoint: RFC 6749 §2.3.1, RFC 7523 §2.2, RFC 8705 §2.1. */

import type { SignOptions } from "../../keystore/signer.js";
import { misconfigured } from "../assert.js";
import { type AssertionKey, signAssertion } from "./client-assertion.js";

export type ClientAuth = "client_secret_post" | "client_secret_basic" | "none" | "tls_client_auth" | PrivateKeyJwt;

/** A JWT in place of a secret, signed anew for each request (RFC 7523). */
export interface PrivateKeyJwt extends AssertionKey {
  method: "private_key_jwt";
  /** The `aud` that the server wants. Default: its issuer where that is known, else its token endpoint. */
  audience?: string | undefined;
}

export interface ClientCredentials {
  clientId: string;
  clientSecret?: string | null | undefined;
}

export type ClientFields = Readonly<Record<string, string | undefined>>;

/** What the method puts into the request. */
export interface ClientAuthentication {
  /** Every method names `client_id` and `client_secret`, if only to say that they are not sent. */
  fields: ClientFields;
  headers: Record<string, string>;
  /** What of it no error may show, as it was given: it may be in neither of them as it is. */
  secrets: readonly string[];
}

/** What the server's metadata says of client authentication (RFC 8414 §2). */
export interface SupportedAuth {
  token_endpoint_auth_methods_supported?: readonly string[] | undefined;
  token_endpoint_auth_signing_alg_values_supported?: readonly string[] | undefined;
}

interface AssertionTarget extends SignOptions {
  audience: string;
  /** Seconds since 1970. */
  now: number;
}

const BY_NAME = ["client_secret_post", "client_secret_basic", "none", "tls_client_auth"];
const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/**
 * Chooses what was not chosen: a secret goes by `client_secret_post`, unless the server's metadata leaves Basic alone
 * (which is also what no list means, RFC 8414 §2). Without a secret it is `none`, which gives nothing away.
 *
 * @param supported - the server's metadata, where it is known
 * @throws {OAuthError} code `misconfigured` if the method does not go with the secret, or not with the server
 */
export function chooseAuth(
  auth: ClientAuth | undefined,
  { clientSecret }: ClientCredentials,
  supported?: SupportedAuth,
): ClientAuth {
  const hasSecret = clientSecret != null;
  const chosen = auth ?? (hasSecret ? bySecret(supported) : "none");
  const method = methodOf(chosen);
  const isKnown = typeof chosen === "object" ? method === "private_key_jwt" : BY_NAME.includes(chosen);
  if (!isKnown) throw misconfigured(`clientAuth must be ${BY_NAME.join(", ")}, or an object for private_key_jwt.`);
  const wantsSecret = method === "client_secret_post" || method === "client_secret_basic";
  if (wantsSecret && !hasSecret) throw misconfigured(`clientAuth ${method} needs a clientSecret.`);
  if (!wantsSecret && hasSecret)
    throw misconfigured(`clientAuth is ${method}, but there is a clientSecret. Leave one of them out.`);
  checkSupported(method, supported);
  return chosen;
}

/** @throws {SignerError} code of why the key did not sign */
export async function authenticate(
  auth: ClientAuth,
  { clientId, clientSecret }: ClientCredentials,
  target: AssertionTarget,
): Promise<ClientAuthentication> {
  const none = { client_id: undefined, client_secret: undefined };
  if (typeof auth === "object") {
    const claims = { iss: clientId, sub: clientId, aud: auth.audience ?? target.audience };
    const client_assertion = await signAssertion(auth, claims, target.now, { signal: target.signal });
    const fields = { ...none, client_id: clientId, client_assertion_type: ASSERTION_TYPE, client_assertion };
    return { fields, headers: {}, secrets: [client_assertion] };
  }
  const secrets = clientSecret == null ? [] : [clientSecret];
  if (auth === "client_secret_basic")
    return { fields: none, headers: { authorization: basic(clientId, clientSecret) }, secrets };
  const client_secret = auth === "client_secret_post" ? (clientSecret ?? undefined) : undefined;
  return { fields: { client_id: clientId, client_secret }, headers: {}, secrets };
}

function methodOf(auth: ClientAuth): string {
  return typeof auth === "object" ? auth.method : auth;
}

function bySecret(supported: SupportedAuth | undefined): ClientAuth {
  if (supported === undefined) return "client_secret_post";
  const methods = supported.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
  return methods.includes("client_secret_post") ? "client_secret_post" : "client_secret_basic";
}

/** `none` is not checked: many servers don't list it, and nothing is given away by trying. */
function checkSupported(method: string, supported: SupportedAuth | undefined): void {
  const methods = supported?.token_endpoint_auth_methods_supported;
  if (method !== "none" && methods?.includes(method) === false)
    throw misconfigured(`The server does not take clientAuth ${method}, only ${methods.join(", ")}.`);
  const algorithms = supported?.token_endpoint_auth_signing_alg_values_supported;
  if (method === "private_key_jwt" && algorithms?.includes("ES256") === false)
    throw misconfigured(`The server does not take client assertions by ES256, only by ${algorithms.join(", ")}.`);
}

function basic(clientId: string, clientSecret: string | null | undefined): string {
  const pair = `${formEncode(clientId)}:${formEncode(clientSecret ?? "")}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}

/** `application/x-www-form-urlencoded`, as both halves of the pair are to be (RFC 6749 §2.3.1). */
function formEncode(value: string): string {
  return new URLSearchParams({ "": value }).toString().slice(1);
}
