/** A small authorization server on loopback: one client, and DPoP-bound tokens (RFC 9449 §5, §8). */
import { text } from "node:stream/consumers";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { ALGORITHM_NAMES } from "../../src/index.js";
import { ProofRejection } from "./check-proof.js";
import type { ClientAuthentication } from "./client-authentication.js";
import { type JsonDocument, type JsonServer, startServer } from "./json-server.js";
import type { ProofGuard } from "./proof-guard.js";
import type { Recorder } from "./recorder.js";

/** A running authorization server. */
export interface AuthorizationServer extends JsonServer {
  /** The keys that verify its tokens. */
  readonly keys: readonly JWK[];
}

/** What the server needs. */
export interface AuthorizationServerOptions {
  readonly clientId: string;
  readonly authentication: ClientAuthentication;
  readonly proofs: ProofGuard;
  readonly recorder: Recorder;
  /** Returns the `aud` of the tokens. */
  readonly audience: () => string;
  /** Seconds that a token is valid. */
  readonly tokenLifetime: number;
}

/** Starts the authorization server. */
export async function startAuthorizationServer(options: AuthorizationServerOptions): Promise<AuthorizationServer> {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const keys = [{ ...(await exportJWK(publicKey)), alg: "ES256", use: "sig" }];
  const { recorder, proofs } = options;
  const server = await startServer(async (request, issuer) => {
    const url = request.url?.split("?")[0] ?? "";
    const { method } = request;
    if (method === "GET" && METADATA.includes(url))
      return recorder.respond("metadata", request, async () => ok(metadata(issuer, options.authentication)));
    if (method === "GET" && url === "/jwks") return ok({ keys });
    if (method !== "POST" || url !== "/oauth/token") return { status: 404, body: { error: "not_found" } };
    const form = new URLSearchParams(await text(request));
    return recorder.respond("token", request, async () => {
      const endpoint = `${issuer}/oauth/token`;
      const { authorization } = request.headers;
      const problem = await options.authentication.problem(form, authorization, [issuer, endpoint]);
      if (problem !== undefined) return refusal("invalid_client", problem);
      if (form.get("grant_type") !== "client_credentials")
        return refusal("unsupported_grant_type", "The server has only the grant client_credentials.");
      const jkt = await proofs.check(request, endpoint).catch(toRefusal);
      if (typeof jkt !== "string") return { ...jkt, headers: proofs.headers };
      return { ...ok(await tokenResponse(form, jkt)), headers: proofs.headers };
    });

    async function tokenResponse(form: URLSearchParams, jkt: string) {
      const { clientId, audience, tokenLifetime } = options;
      const scope = form.get("scope") ?? "";
      const token = new SignJWT({ client_id: clientId, scope, cnf: { jkt }, jti: crypto.randomUUID() })
        .setProtectedHeader({ alg: "ES256", typ: "at+jwt" })
        .setIssuer(issuer)
        .setSubject(clientId)
        .setAudience(audience())
        .setIssuedAt()
        .setExpirationTime(`${tokenLifetime}s`);
      const access_token = await token.sign(privateKey);
      return { access_token, token_type: "DPoP", expires_in: tokenLifetime, ...(scope && { scope }) };
    }
  });
  return { ...server, keys };
}

const METADATA = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

/** RFC 8414 §2. */
function metadata(issuer: string, { methods }: ClientAuthentication) {
  return {
    issuer,
    token_endpoint: `${issuer}/oauth/token`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: [],
    grant_types_supported: ["client_credentials"],
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: ALGORITHM_NAMES,
    dpop_signing_alg_values_supported: ALGORITHM_NAMES,
  };
}

const ok = (body: object) => ({ status: 200, body });

function refusal(error: string, error_description: string): JsonDocument {
  return { status: error === "invalid_client" ? 401 : 400, body: { error, error_description } };
}

function toRefusal(problem: unknown): JsonDocument {
  if (problem instanceof ProofRejection) return refusal(problem.error, problem.message);
  throw problem;
}
