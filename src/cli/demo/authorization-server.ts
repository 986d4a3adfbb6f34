/** The demo's authorization server on loopback: one client, and DPoP-bound tokens (RFC 9449 §5 and §8). */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { text } from "node:stream/consumers";
import { type CryptoKey, generateKeyPair, SignJWT } from "jose";
import { type DemoServer, type JsonResponse, startServer } from "./json-server.js";
import { ProofVerifier } from "./proof-verifier.js";

/** The running authorization server, and its only client. */
export interface DemoAuthorizationServer extends DemoServer {
  readonly clientId: string;
  readonly clientSecret: string;
  /** The key that verifies the server's tokens. */
  readonly publicKey: CryptoKey;
}

const LIFETIME = 60; // seconds

/**
 * Starts the authorization server.
 *
 * @param audience - The audience of the tokens.
 */
export async function demoAuthorizationServer(audience: string): Promise<DemoAuthorizationServer> {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const clientId = "demo-agent";
  const clientSecret = randomBytes(24).toString("base64url");
  const proofs = new ProofVerifier();
  const server = await startServer(async (request, origin) => {
    const form = new URLSearchParams(await text(request));
    if (request.method !== "POST" || request.url !== "/oauth/token")
      return { status: 404, body: { error: "not_found" } };
    if (form.get("client_id") !== clientId || !equal(form.get("client_secret") ?? "", clientSecret))
      return errorResponse("invalid_client", "The client ID or the client secret is wrong.");
    const { jkt, problem } = await proofs.verify(request, `${origin}/oauth/token`);
    if (problem !== undefined)
      return { ...errorResponse(problem.error, problem.description), headers: { "dpop-nonce": proofs.nonce } };
    const token = new SignJWT({ client_id: clientId, scope: form.get("scope") ?? "", cnf: { jkt } })
      .setProtectedHeader({ alg: "ES256", typ: "at+jwt" })
      .setIssuer(origin)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime(`${LIFETIME}s`);
    const body = { access_token: await token.sign(privateKey), token_type: "DPoP", expires_in: LIFETIME };
    return { status: 200, body };
  });
  return { ...server, clientId, clientSecret, publicKey };
}

function errorResponse(error: string, error_description: string): JsonResponse {
  return { status: error === "invalid_client" ? 401 : 400, body: { error, error_description } };
}

/** Compares in constant time. */
function equal(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
