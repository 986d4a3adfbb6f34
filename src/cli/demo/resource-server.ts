/** The demo's resource server on loopback: one resource that accepts only DPoP-bound tokens (RFC 9449 §7.1 and §9). */
import { type CryptoKey, type JWTPayload, jwtVerify } from "jose";
import { ALGORITHM_NAMES } from "../../index.js";
import { type DemoServer, type JsonResponse, startServer } from "./json-server.js";
import { ProofVerifier } from "./proof-verifier.js";

/** The running resource server. `url` is its only resource. */
export interface DemoResourceServer extends DemoServer {
  readonly url: string;
}

/** The tokens that the server accepts. */
export interface TrustedTokens {
  readonly issuer: string;
  readonly audience: string;
  readonly publicKey: CryptoKey;
}

/** Starts the resource server. */
export async function demoResourceServer(trusted: TrustedTokens): Promise<DemoResourceServer> {
  const proofs = new ProofVerifier();
  const server = await startServer(async (request, origin) => {
    const [, accessToken = ""] = /^DPoP (\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
    const claims = await verifyToken(accessToken, trusted);
    const jkt = boundKey(claims);
    if (jkt === undefined) return challenge("invalid_token", "The request needs a valid token that is bound to a key.");
    const { problem } = await proofs.verify(request, origin + request.url, { accessToken, jkt });
    if (problem !== undefined) return challenge(problem.error, problem.description, proofs.nonce);
    return { status: 200, body: { hello: claims?.client_id, jkt } };
  });
  return { ...server, url: `${server.origin}/resource` };
}

/** @returns The claims, or `undefined` if the token isn't valid. */
async function verifyToken(
  accessToken: string,
  { publicKey, issuer, audience }: TrustedTokens,
): Promise<JWTPayload | undefined> {
  const verified = jwtVerify(accessToken, publicKey, { issuer, audience, typ: "at+jwt", algorithms: ["ES256"] });
  return verified.then(({ payload }) => payload).catch(() => undefined);
}

function boundKey(claims: JWTPayload | undefined): string | undefined {
  const cnf = claims?.cnf;
  const jkt = typeof cnf === "object" && cnf !== null && "jkt" in cnf ? cnf.jkt : undefined;
  return typeof jkt === "string" ? jkt : undefined;
}

function challenge(error: string, error_description: string, nonce?: string): JsonResponse {
  const description = error_description.replace(/["\\]/g, "");
  const wwwAuthenticate = `DPoP error="${error}", error_description="${description}", algs="${ALGORITHM_NAMES.join(" ")}"`;
  const nonceHeader = nonce === undefined ? undefined : { "dpop-nonce": nonce };
  const headers = { "www-authenticate": wwwAuthenticate, ...nonceHeader };
  return { status: 401, body: { error, error_description }, headers };
}
