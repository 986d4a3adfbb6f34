/**
 * Security profiles: FAPI 2.0 Security Profile, and FAPI 2.0 Message Signing, which extends it. Sets what a profile implies,
 * and rejects options that it forbids before anything is sent.
 */
import type { DPoPProver } from "../dpop/prover.js";
import type { AlgorithmName } from "../jose/algorithms.js";
import type { Signer, SignOptions } from "../keystore/signer.js";
import { isLoopback } from "../keystore/uri.js";
import { misconfigured } from "./assert.js";
import type { ClientAuth, ClientCredentials } from "./client-auth/client-auth.js";
import { hasOpenId } from "./server-jwt/expected-id-token.js";
import { assertMetadata, type ServerMetadata } from "./server-metadata.js";
import type { WordList } from "./space-delimited.js";

/**
 * `fapi2` is the FAPI 2.0 Security Profile. `fapi2-message-signing` also signs authorization requests, and requires
 * signed authorization responses (FAPI 2.0 Message Signing).
 */
export type Profile = "fapi2" | "fapi2-message-signing";

/** The options of a client that a profile restricts. */
interface ProfiledClient {
  profile?: Profile | undefined;
  baseUrl: string | URL;
  metadata?: ServerMetadata | undefined;
  issuer?: string | undefined;
  endpoints?: object | undefined;
  allowInsecure?: boolean | undefined;
  clientAuth?: ClientAuth | undefined;
  requireBinding?: boolean | undefined;
  idTokenSignedResponseAlg?: AlgorithmName | undefined;
  authorizationSignedResponseAlg?: AlgorithmName | undefined;
}

/** The options of an authorization request that a profile restricts. */
interface ProfiledAuthorization extends SignOptions {
  redirectUri: string;
  scope?: WordList | null | undefined;
  pushed?: boolean | undefined;
  requestObject?: { signer: Signer } | undefined;
  responseMode?: string | undefined;
}

const PROFILES: readonly Profile[] = ["fapi2", "fapi2-message-signing"];
const AUTH_METHODS = ["private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"];
/** The JWS algorithms that both profiles allow a client (FAPI 2.0 Security Profile §5.4.1). */
export const ALGORITHMS: readonly string[] = ["PS256", "ES256", "Ed25519"];
/** With the older name of `Ed25519` (RFC 9864 §2.2), which a server may list. */
const SERVER_ALGORITHMS: readonly string[] = [...ALGORITHMS, "EdDSA"];
/** The lists that decide how the server may sign for the client. */
const SERVER_LISTS = ["id_token_signing_alg_values_supported", "authorization_signing_alg_values_supported"] as const;

/**
 * Applies the option `profile` to the options of a client.
 *
 * @returns The options, with bound tokens required, and with the metadata restricted to what the profile allows.
 * @throws {OAuthError} With code `misconfigured` if an option or the server's metadata isn't allowed.
 */
export function withProfile<T extends ProfiledClient>(options: T): T {
  const { profile, metadata } = options;
  if (profile === undefined) return options;
  if (!PROFILES.includes(profile)) throw misconfigured(`profile must be ${PROFILES.join(" or ")}.`);
  if (typeof metadata === "object" && metadata !== null) assertMetadata(metadata);
  const violation = clientViolation(options);
  if (violation !== undefined) throw forbidden(profile, violation);
  return { ...options, requireBinding: true, metadata: metadata && restrictedMetadata(metadata) };
}

/** Returns what the profile requires, as the end of a sentence, if the options differ from it. */
function clientViolation(options: ProfiledClient): string | undefined {
  const { metadata, clientAuth, allowInsecure, requireBinding, endpoints } = options;
  if (allowInsecure) return "requires https:. Remove the option allowInsecure";
  if (typeof metadata !== "object" || metadata === null)
    return "requires the server's metadata. Use discover() or the option metadata";
  if (Object.values(endpoints ?? {}).some((endpoint) => endpoint !== undefined))
    return "uses only the endpoints of the server's metadata. Remove the option endpoints";
  if (options.issuer !== undefined && options.issuer !== metadata.issuer)
    return `requires the issuer of the server's metadata, ${metadata.issuer}. Remove the option issuer`;
  if (requireBinding === false) return "requires bound tokens. Remove the option requireBinding";
  return authViolation(clientAuth, metadata.issuer) ?? algorithmViolation(options);
}

/** FAPI 2.0 Security Profile §5.3.3.1. */
function authViolation(auth: ClientAuth | undefined, issuer: string): string | undefined {
  const method = typeof auth === "object" ? auth?.method : auth;
  if (method === undefined || !AUTH_METHODS.includes(method))
    return `requires the option clientAuth to be ${AUTH_METHODS.join(", ")}`;
  const audience = typeof auth === "object" && "audience" in auth ? auth.audience : undefined;
  if (audience !== undefined && audience !== issuer)
    return `requires the issuer, ${issuer}, as the audience of client assertions. Remove the option clientAuth.audience`;
  return undefined;
}

function algorithmViolation(options: ProfiledClient): string | undefined {
  for (const option of ["idTokenSignedResponseAlg", "authorizationSignedResponseAlg"] as const) {
    const algorithm = options[option];
    if (algorithm !== undefined && !ALGORITHMS.includes(algorithm))
      return `allows only ${ALGORITHMS.join(", ")}. The option ${option} is another one`;
  }
  return undefined;
}

/** Without a list, the server may sign by any algorithm that the profile allows, instead of the default RS256. */
function restrictedMetadata(metadata: ServerMetadata): ServerMetadata {
  const lists = SERVER_LISTS.map((name) => {
    const listed = metadata[name] ?? SERVER_ALGORITHMS;
    return [name, listed.filter((algorithm) => SERVER_ALGORITHMS.includes(algorithm))];
  });
  return Object.freeze({
    ...metadata,
    ...Object.fromEntries(lists),
    require_pushed_authorization_requests: true,
    authorization_response_iss_parameter_supported: true,
  });
}

/**
 * Checks a token request.
 *
 * @throws {OAuthError} With code `misconfigured` if the profile forbids it.
 */
export function assertProfiledToken(
  profile: Profile | undefined,
  { grantType, requireBinding }: { grantType: string; requireBinding?: boolean | undefined },
): void {
  if (profile === undefined) return;
  if (requireBinding === false) throw forbidden(profile, "requires bound tokens. Remove the option requireBinding");
  if (grantType === "password") throw forbidden(profile, "doesn't allow the grantType password");
}

/**
 * Checks the algorithm of DPoP proofs.
 *
 * @throws {OAuthError} With code `misconfigured` if the profile doesn't allow it.
 */
export function assertProfiledProver(profile: Profile | undefined, { alg }: DPoPProver): void {
  if (profile !== undefined) assertAlgorithm(profile, alg, "DPoP proofs (dpopProver)");
}

/**
 * Checks that a request is authenticated without a secret.
 *
 * @throws {OAuthError} With code `misconfigured` if it has one.
 */
export function assertProfiledClient(profile: Profile | undefined, { clientSecret }: ClientCredentials): void {
  if (profile !== undefined && clientSecret != null)
    throw forbidden(profile, "doesn't allow a client secret. Remove clientSecret");
}

/**
 * Checks the algorithm of a key.
 *
 * @param what - What the key signs, for the error.
 * @throws {OAuthError} With code `misconfigured` if the profile doesn't allow the algorithm.
 * @throws {SignerError} If the key can't be opened.
 */
export async function assertProfiledSigner(
  profile: Profile | undefined,
  signer: Signer | undefined,
  what: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (profile !== undefined && signer !== undefined)
    assertAlgorithm(profile, (await signer.publicJwk({ signal })).alg, what);
}

function assertAlgorithm(profile: Profile, algorithm: AlgorithmName, what: string): void {
  if (!ALGORITHMS.includes(algorithm))
    throw forbidden(profile, `allows only ${ALGORITHMS.join(", ")}. The key for ${what} is for ${algorithm}`);
}

/**
 * Applies a profile to an authorization request.
 *
 * @returns The request, with the response mode of the profile.
 * @throws {OAuthError} With code `misconfigured` if the profile forbids an option.
 * @throws {SignerError} If the key of the request object can't be opened.
 */
export async function profiledAuthorization<T extends ProfiledAuthorization>(
  profile: Profile | undefined,
  request: T,
  metadata: ServerMetadata | undefined,
): Promise<T> {
  if (profile === undefined) return request;
  const { requestObject, signal } = request;
  const responseMode = profiledResponseMode(profile, request.responseMode);
  const violation =
    pushViolation(request) ??
    signingViolation(profile, request) ??
    serverViolation({ ...request, responseMode }, metadata);
  if (violation !== undefined) throw forbidden(profile, violation);
  await assertProfiledSigner(profile, requestObject?.signer, "request objects (requestObject)", signal);
  return { ...request, responseMode };
}

/** FAPI 2.0 Security Profile §5.3.3.2, and §5.3.2.2 about redirect URIs. */
function pushViolation({ pushed, redirectUri }: ProfiledAuthorization): string | undefined {
  if (pushed === false) return "requires pushed authorization requests. Remove the option pushed";
  const url = URL.canParse(redirectUri) ? new URL(redirectUri) : undefined;
  if (url?.protocol === "http:" && !isLoopback(url.hostname))
    return "requires https: for the option redirectUri, or http: on loopback";
  return undefined;
}

function signingViolation(profile: Profile, { requestObject }: ProfiledAuthorization): string | undefined {
  if (profile !== "fapi2-message-signing" || requestObject !== undefined) return undefined;
  return "requires signed authorization requests. Set the option requestObject";
}

/** A list that is empty now contained only algorithms that the profile forbids. */
function serverViolation(
  { scope, responseMode }: ProfiledAuthorization,
  metadata: ServerMetadata | undefined,
): string | undefined {
  const [idTokens, responses] = SERVER_LISTS;
  const used = [hasOpenId(scope) && idTokens, responseMode?.endsWith("jwt") && responses];
  const name = used.find((list) => typeof list === "string" && metadata?.[list]?.length === 0);
  return name ? `allows only ${ALGORITHMS.join(", ")}, and the server's ${name} lists none of them` : undefined;
}

/**
 * Returns the response mode of an authorization request: with message signing, always `jwt`.
 *
 * @throws {OAuthError} With code `misconfigured` if it is a different one.
 */
export function profiledResponseMode<T extends string>(profile: Profile | undefined, mode: T | undefined) {
  if (profile !== "fapi2-message-signing") return mode;
  if (mode === undefined || mode === "jwt") return "jwt";
  throw forbidden(profile, `requires the option responseMode to be jwt, not ${mode}`);
}

/** Creates the error for what a profile forbids. */
export function forbidden(profile: Profile, violation: string): Error {
  return misconfigured(`The profile ${profile} ${violation}.`);
}
