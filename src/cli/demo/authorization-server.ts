/** The demo's authorization server on loopback: one client, and tokens that are bound by DPoP (RFC 9449 §5 and §8). */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { text } from "node:stream/consumers";
import { type CryptoKey, generateKeyPair, SignJWT } from "jose";
import { type Answer, type DemoServer, startServer } from "./json-server.js";
import { ProofVerifier } from "./proof-verifier.js";

export interface DemoAuthorizationServer extends DemoServer {
  readonly clientId: string;
  readonly clientSecret: string;
  /** Verifies its tokens. */
  readonly publicKey: CryptoKey;
}

const LIFETIME = 60; // seconds

/** @param audience - whom its tokens are for */
export async function demoAuthorizationServer(audience: string): Promise<DemoAuthorizationServer> {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const clientId = "demo-agent";
  const clientSecret = randomBytes(24).toString("base64url");
  const proofs = new ProofVerifier();
  const server = await startServer(async (request, origin) => {
    const form = new URLSearchParams(await text(request));
    if (request.method !== "POST" || request.url !== "/oauth/token")
      return { status: 404, body: { error: "not_found" } };
    if (form.get("client_id") !== clientId || !same(form.get("client_secret") ?? "", clientSecret))
      return refusal("invalid_client", "The client is not known by this secret.");
    const { jkt, problem } = await proofs.verify(request, `${origin}/oauth/token`);
    if (problem !== undefined)
      return { ...refusal(problem.error, problem.says), headers: { "dpop-nonce": proofs.nonce } };
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

function refusal(error: string, error_description: string): Answer {
  return { status: error === "invalid_client" ? 401 : 400, body: { error, error_description } };
}

function same(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
