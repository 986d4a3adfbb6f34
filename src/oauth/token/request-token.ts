/** Sends a token request and validates its response: the token, its binding and its ID token. */
import { OAuthError } from "../../errors.js";
import { type TokenTrace, tokenChannel, traced } from "../../tracing.js";
import type { AuthorizationServer } from "../authorization-server.js";
import { correctedTime } from "../corrected-time.js";
import type { AppendAssertion } from "../grants/jwt-bearer.js";
import { assertProfiledToken } from "../profile.js";
import { type ExpectedIdToken, expectedIdToken } from "../server-jwt/expected-id-token.js";
import { verifyIdToken } from "../server-jwt/id-token.js";
import type { ServerJwts } from "../server-jwt/server-jwts.js";
import { expectedBinding } from "./binding.js";
import { type Token, withState } from "./token.js";
import { type AnyTokenRequest, assertTokenRequest, tokenForm } from "./token-request.js";
import { parseTokenResponse } from "./token-response.js";

/** What a grant adds to its token request. */
export interface GrantDetails {
  appendAssertion?: AppendAssertion | undefined;
  /** Default: what the grant and the scope imply. */
  idToken?: ExpectedIdToken | undefined;
}

/** Requests a token for a grant. */
export type GetToken = (request: AnyTokenRequest, details?: GrantDetails) => Promise<Token>;

interface TokenDetails extends GrantDetails {
  /** The client's option. */
  requireBinding: boolean;
}

/**
 * Requests a token within the time limit of one call.
 *
 * @throws {OAuthError} If the request fails, or anything in the response isn't valid.
 * @throws {SignerError} If a key can't sign.
 */
export async function getToken(
  server: AuthorizationServer,
  jwts: ServerJwts,
  request: AnyTokenRequest,
  details: TokenDetails,
): Promise<Token> {
  assertTokenRequest(request);
  assertProfiledToken(server.profile, request);
  server.assertUsable(request);
  const trace = () => tokenTrace(server, request);
  return traced(tokenChannel, trace, async (message) => {
    const onStatus = (statusCode: number) => Object.assign(message ?? {}, { statusCode });
    return server.withTimeLimit({ endpoint: "token", signal: request.signal }, (signal) =>
      requestToken(server, jwts, { ...request, signal }, { ...details, onStatus }),
    );
  });
}

async function requestToken(
  server: AuthorizationServer,
  jwts: ServerJwts,
  request: AnyTokenRequest,
  details: TokenDetails & { onStatus: (status: number) => void },
): Promise<Token> {
  const { requireBinding, appendAssertion, onStatus } = details;
  const { dpopProver: prover, signal } = request;
  const idToken = verifiable(details.idToken ?? expectedIdToken(request), jwts);
  // A code or refresh token can be used only once, so it isn't sent before an ID token could be verified.
  if (idToken?.required || idToken?.previous) await jwts.loadKeys("idToken");
  const response = await server.post({
    endpoint: "token",
    client: request,
    prover,
    form: async (clientFields, context) => {
      const form = tokenForm(request, clientFields);
      await appendAssertion?.(form, context);
      return form;
    },
    assertionErrors: appendAssertion && ["invalid_grant"], // RFC 7521 §4.1.1
    signal,
    onStatus,
  });
  const clock = server.clockOf({ prover });
  const binding = expectedBinding(request, { certificateThumbprint: server.certificateThumbprint, requireBinding });
  const token = parseTokenResponse(response, binding, clock.clockOffsetFor(response.url));
  const now = correctedTime(clock, response.url);
  return idToken ? withIdToken(token, jwts, request, { ...idToken, ...response, now }) : token;
}

/** Describes a token request for the tracing channel. */
function tokenTrace(
  { endpoints, certificateThumbprint }: AuthorizationServer,
  { grantType, clientId, dpopProver, binding }: AnyTokenRequest,
): TokenTrace {
  const x5t = binding === "certificate" ? certificateThumbprint : undefined;
  const { href: url } = endpoints.url("token");
  return { url, grantType, clientId, jkt: dpopProver?.jkt, uri: dpopProver?.signer.uri, ...(x5t && { x5t }) };
}

/** Without the server's keys, an ID token that isn't required is ignored. */
function verifiable(idToken: ExpectedIdToken | undefined, { canVerify }: ServerJwts): ExpectedIdToken | undefined {
  return idToken?.required || canVerify ? idToken : undefined;
}

/** Verifies the ID token of the response. */
async function withIdToken(
  token: Token,
  jwts: ServerJwts,
  { clientId }: AnyTokenRequest,
  idToken: ExpectedIdToken & { response: Response; now: number },
): Promise<Token> {
  const { raw, accessToken } = token;
  const context = { ...idToken, clientId, accessToken };
  try {
    return withState(token, { idTokenClaims: await verifyIdToken(jwts, raw.id_token, context) });
  } catch (error) {
    // The request may have used up the only refresh token, so the new one must not be lost for claims that aren't required.
    if (idToken.required || idToken.previous || !isUnreachable(error)) throw error;
    return token;
  }
}

/** Whether the server's keys couldn't be fetched, so that it isn't known whether the ID token is valid. */
function isUnreachable(error: unknown): boolean {
  return error instanceof OAuthError && ["unreachable", "timeout", "refused"].includes(error.code);
}
