/** Client authentication: RFC 6749 §2.3.1, RFC 7523 §2.2, RFC 8705 §2, and by attested keys. */
import { assertString, misconfigured } from "../assert.js";
import { StatedElsewhere } from "../token/token-request.js";
import {
  type AttestationAuth,
  type AttestationDPoPAuth,
  type AttestationTarget,
  assertAttestationAuth,
  attestationHeaders,
  usesAttestation,
} from "./attestation-auth.js";
import { type AssertionKey, assertAssertionKey, signAssertion } from "./client-assertion.js";
import { type AssertionSource, type AssertionTarget, assertSource, externalAssertion } from "./external-assertion.js";

/** How a client authenticates: by a shared secret, by a certificate, by a key, by an attested key, or not at all. */
export type ClientAuth =
  | "client_secret_post"
  | "client_secret_basic"
  | "none"
  | CertificateAuth
  | PrivateKeyJwt
  | ExternalAssertion
  | AttestationAuth
  | AttestationDPoPAuth;

/**
 * Authentication by the certificate that `fetch` presents: one that a CA has issued (RFC 8705 §2.1), or a self-signed one
 * that is registered with the server (§2.2).
 */
export type CertificateAuth = "tls_client_auth" | "self_signed_tls_client_auth";

/** Authentication by a JWT that is signed for each request, instead of a secret (RFC 7523 §2.2). */
export interface PrivateKeyJwt extends AssertionKey {
  /** The name of the method (RFC 7523 §2.2, OpenID Connect Core §9). */
  method: "private_key_jwt";
  /** The assertion's `aud`. Default: the server's issuer if it is known, otherwise its token endpoint. */
  audience?: string | undefined;
}

/**
 * Authentication by a JWT that is made elsewhere, such as a JWT-SVID of SPIFFE or a service account token of Kubernetes.
 * A retry sends what the source returns then.
 */
export interface ExternalAssertion {
  /** The name of the method (RFC 7523 §2.2). */
  method: "private_key_jwt";
  /** Where the JWT comes from. */
  assertion: AssertionSource;
  /** The `client_assertion_type`. Default: that of a JWT (RFC 7523 §2.2). */
  assertionType?: string | undefined;
}

/** A client, as it is registered with the server. */
export interface ClientCredentials {
  /** The `client_id`. */
  clientId: string;
  /** The `client_secret`, if the client has one. */
  clientSecret?: string | null | undefined;
}

/** Form fields of the client's authentication. */
export type ClientFields = Readonly<Record<string, string | StatedElsewhere | undefined>>;

/** What authentication adds to a request. */
export interface ClientAuthentication {
  /** Always has `client_id` and `client_secret`, `undefined` or `StatedElsewhere` if they aren't sent, so that `extra` can't change them. */
  fields: ClientFields;
  headers: Readonly<Record<string, string>>;
  /** Secrets to redact, in plain form: the fields and headers may contain them encoded. */
  secrets: readonly string[];
}

/** What the server's metadata says about client authentication (RFC 8414 §2). */
export interface SupportedAuth {
  /** The methods, if the metadata has a list. */
  readonly methods: readonly string[] | undefined;
}

/** What a request's authentication is signed for. */
export interface AuthenticationTarget extends AssertionTarget, AttestationTarget {
  /** The algorithms that the server lists for client assertions, if it does. */
  algorithms: readonly string[] | undefined;
}

const CERTIFICATE_METHODS: readonly string[] = ["tls_client_auth", "self_signed_tls_client_auth"];
const NAMED_METHODS = ["client_secret_post", "client_secret_basic", "none", ...CERTIFICATE_METHODS];
const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/**
 * Chooses the authentication method and checks it. The default with a secret is `client_secret_basic` if the server's
 * metadata lists it or has no list (RFC 8414 §2), otherwise `client_secret_post`: also if the metadata isn't known. The
 * default without a secret is `none`.
 *
 * @param supported - The server's metadata, if it is known.
 * @throws {OAuthError} With code `misconfigured` if the method doesn't match the secret, or the server doesn't support
 *   it.
 */
export function chooseAuth(
  auth: ClientAuth | undefined,
  { clientSecret }: ClientCredentials,
  supported?: SupportedAuth,
): ClientAuth {
  const hasSecret = clientSecret != null;
  const chosen = auth ?? (hasSecret ? defaultWithSecret(supported) : "none");
  const method = assertClientAuth(chosen);
  const needsSecret = method === "client_secret_post" || method === "client_secret_basic";
  if (needsSecret && !hasSecret) throw misconfigured(`clientAuth ${method} needs a clientSecret.`);
  if (!needsSecret && hasSecret)
    throw misconfigured(`clientAuth ${method} doesn't use a secret, but clientSecret is set. Remove one of them.`);
  assertSupported(method, supported);
  return chosen;
}

/**
 * Checks the option `clientAuth`.
 *
 * @returns The name of the method.
 * @throws {OAuthError} With code `misconfigured` if there is no such method, or its key is missing.
 */
export function assertClientAuth(auth: ClientAuth): string {
  if (typeof auth === "string" && NAMED_METHODS.includes(auth)) return auth;
  if (usesAttestation(auth)) assertAttestationAuth(auth);
  else if (typeof auth !== "object" || auth?.method !== "private_key_jwt")
    throw misconfigured(
      `clientAuth must be ${NAMED_METHODS.join(", ")}, or an object for private_key_jwt, attest_jwt_client_auth or ` +
        "attest_jwt_client_auth_dpop.",
    );
  else if ("assertion" in auth) assertExternal(auth);
  else assertAssertionKey(auth, "clientAuth.");
  return auth.method;
}

/**
 * Returns what to do if the server doesn't accept the default method, as the end of an error's message. `undefined` if
 * the caller has chosen the method.
 */
export function defaultAuthRemedy(option: ClientAuth | undefined, used: ClientAuth): string | undefined {
  if (option !== undefined || typeof used === "object") return undefined;
  if (used === "none") return "The client did not authenticate: there was no clientSecret and no option clientAuth.";
  const other = used === "client_secret_basic" ? "client_secret_post" : "client_secret_basic";
  const remedy = `If the client is registered for ${other}, set the option clientAuth (--client-auth) to "${other}".`;
  return `The secret was sent only by ${used}, since no method was chosen. ${remedy}`;
}

/**
 * Authenticates one request.
 *
 * @throws {SignerError} If a key can't sign.
 * @throws {OAuthError} With code `misconfigured` if the server doesn't list the key's algorithm.
 */
export async function authenticate(
  auth: ClientAuth,
  { clientId, clientSecret }: ClientCredentials,
  target: AuthenticationTarget,
): Promise<ClientAuthentication> {
  const none = { client_id: undefined, client_secret: undefined };
  if (usesAttestation(auth)) {
    const headers = await attestationHeaders(auth, clientId, target);
    return { fields: { ...none, client_id: clientId }, headers, secrets: [] };
  }
  if (typeof auth === "object") {
    const client_assertion_type = ("assertion" in auth ? auth.assertionType : undefined) ?? ASSERTION_TYPE;
    const client_assertion = await assertionFor(auth, clientId, target);
    const fields = { ...none, client_id: clientId, client_assertion_type, client_assertion };
    return { fields, headers: {}, secrets: [client_assertion] };
  }
  const secrets = clientSecret == null ? [] : [clientSecret];
  if (auth === "client_secret_basic")
    return {
      fields: { ...none, client_id: new StatedElsewhere(clientId) },
      headers: { authorization: basicCredentials(clientId, clientSecret) },
      secrets,
    };
  const client_secret = auth === "client_secret_post" ? (clientSecret ?? undefined) : undefined;
  return { fields: { client_id: clientId, client_secret }, headers: {}, secrets };
}

function assertionFor(
  auth: PrivateKeyJwt | ExternalAssertion,
  clientId: string,
  target: AuthenticationTarget,
): Promise<string> {
  if ("assertion" in auth) return externalAssertion(auth.assertion, target);
  const claims = { iss: clientId, sub: clientId, aud: auth.audience ?? target.audience };
  return signAssertion(auth, claims, target.now, target);
}

function assertExternal(auth: ExternalAssertion): void {
  assertSource(auth.assertion, "clientAuth.assertion");
  if (auth.assertionType !== undefined) assertString(auth.assertionType, "clientAuth.assertionType");
  if ("signer" in auth) throw misconfigured("clientAuth has both an assertion and a signer. Remove one of them.");
}

/** Whether the client authenticates by the certificate of its TLS connection. */
export function usesCertificate(auth: ClientAuth | undefined): auth is CertificateAuth {
  return typeof auth === "string" && CERTIFICATE_METHODS.includes(auth);
}

function defaultWithSecret(supported: SupportedAuth | undefined): ClientAuth {
  if (supported === undefined) return "client_secret_post";
  const { methods = ["client_secret_basic"] } = supported;
  const lacksBasic = methods.includes("client_secret_post") && !methods.includes("client_secret_basic");
  return lacksBasic ? "client_secret_post" : "client_secret_basic";
}

/** Doesn't check `none`: many servers accept it without listing it, and the attempt reveals no secret. */
function assertSupported(method: string, supported: SupportedAuth | undefined): void {
  const methods = supported?.methods;
  if (method !== "none" && methods?.includes(method) === false)
    throw misconfigured(
      `The server doesn't support clientAuth ${method}. It supports: ${methods.join(", ") || "(empty list)"}.`,
    );
}

function basicCredentials(clientId: string, clientSecret: string | null | undefined): string {
  const pair = `${formEncode(clientId)}:${formEncode(clientSecret ?? "")}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}

/** Encodes as `application/x-www-form-urlencoded`, as the id and the secret must be (RFC 6749 §2.3.1). */
function formEncode(value: string): string {
  return new URLSearchParams({ "": value }).toString().slice(1);
}
