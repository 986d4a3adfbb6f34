/** The demo's resource server on loopback: one resource, for a token together with its key alone (RFC 9449 §7.1 and §9). */
import { type CryptoKey, type JWTPayload, jwtVerify } from "jose";
import { type Answer, type DemoServer, startServer } from "./json-server.js";
import { ProofVerifier } from "./proof-verifier.js";

export interface DemoResourceServer extends DemoServer {
  readonly url: string;
}

/** Whose tokens it takes. */
export interface Trust {
  readonly issuer: string;
  readonly audience: string;
  readonly publicKey: CryptoKey;
}

export async function demoResourceServer(trust: Trust): Promise<DemoResourceServer> {
  const proofs = new ProofVerifier();
  const server = await startServer(async (request, origin) => {
    const [, accessToken = ""] = /^DPoP (\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
    const claims = await claimsOf(accessToken, trust);
    const jkt = boundKey(claims);
    if (jkt === undefined) return refusal("invalid_token", "There is no valid token that is bound to a key.");
    const { problem } = await proofs.verify(request, origin + request.url, { accessToken, jkt });
    if (problem !== undefined) return refusal(problem.error, problem.says, proofs.nonce);
    return { status: 200, body: { hello: claims?.client_id, jkt } };
  });
  return { ...server, url: `${server.origin}/resource` };
}

async function claimsOf(accessToken: string, { publicKey, issuer, audience }: Trust): Promise<JWTPayload | undefined> {
  const verified = jwtVerify(accessToken, publicKey, { issuer, audience, typ: "at+jwt", algorithms: ["ES256"] });
  return verified.then(({ payload }) => payload).catch(() => undefined);
}

function boundKey(claims: JWTPayload | undefined): string | undefined {
  const cnf = claims?.cnf;
  const jkt = typeof cnf === "object" && cnf !== null && "jkt" in cnf ? cnf.jkt : undefined;
  return typeof jkt === "string" ? jkt : undefined;
}

function refusal(error: string, error_description: string, nonce?: string): Answer {
  const challenge = `DPoP error="${error}", error_description="${error_description.replace(/["\\]/g, "")}", algs="ES256"`;
  const offered = nonce === undefined ? undefined : { "dpop-nonce": nonce };
  return { status: 401, body: { error, error_description }, headers: { "www-authenticate": challenge, ...offered } };
}
