/**
 * A stub that behaves as SharkAuth does (github.com/shark-auth/shark, internal/oauth and internal/api/vault_handlers.go):
 * what it checks, in which order, and the forms of its responses. Unlike the original, it knows one agent, and its vault
 * doesn't require a token of a user.
 */
import express, { type Request, type RequestHandler } from "express";
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from "jose";
import { type LoopbackServer, loopbackServer } from "./loopback-server.js";
import { newCertificate } from "./mutual-tls.js";
import { reverseProxy } from "./reverse-proxy.js";
import { proofVerifier, type VerifyProof } from "./shark-proofs.js";

/** Options of {@link sharkAuth}. */
export interface SharkAuthOptions {
  /** The agent's only `token_endpoint_auth_method`. Default: the one that SharkAuth registers agents for. */
  authMethod?: AuthMethod;
  /** The id and secret of the agent. Default: those of the Python SDK's example. */
  agent?: Agent;
  /** Whether a proxy ends TLS. SharkAuth doesn't read `X-Forwarded-Proto`, so it sees `http:`. Default: true. */
  behindTls?: boolean;
}

interface Agent {
  readonly clientId: string;
  readonly clientSecret: string;
}

type AuthMethod = "client_secret_basic" | "client_secret_post";

/** A running stub. */
export interface SharkAuth extends AsyncDisposable {
  /** The issuer and base URL: the proxy's origin if there is one. */
  readonly origin: string;
  /** The requests that reached the server. */
  readonly requests: LoopbackServer["requests"];
  /** Trusts the proxy's certificate. */
  readonly fetch: typeof fetch;
  close(): Promise<void>;
}

interface TokenClaims {
  scope?: string;
  cnf?: { jkt?: string };
}

interface TokenService {
  readonly jwks: object;
  issue(scope: string, jkt: string | undefined): Promise<string>;
  verify(token: string): Promise<TokenClaims>;
}

/** The agent of the Python SDK's example. */
const AGENT: Agent = { clientId: "my-agent", clientSecret: "s3cr3t" };

/** Starts the stub, and the proxy in front of it. */
export async function sharkAuth(options: SharkAuthOptions = {}): Promise<SharkAuth> {
  const { authMethod = "client_secret_basic", agent = AGENT, behindTls = true } = options;
  const server = await loopbackServer();
  const proxy = behindTls
    ? await reverseProxy(server.origin, { certificate: newCertificate("proxy"), keepsHost: true })
    : undefined;
  const { origin } = proxy ?? server;
  const [tokens, verifyProof] = [await tokenService(origin, agent), proofVerifier()];
  const app = express().disable("x-powered-by");
  app.get("/.well-known/oauth-authorization-server", (_req, res) => void res.json(metadataOf(origin)));
  app.get("/.well-known/jwks.json", (_req, res) => void res.json(tokens.jwks));
  const problemOf = (req: Request) => clientProblem(req, agent, authMethod);
  app.post("/oauth/token", express.urlencoded({ extended: false }), tokenEndpoint(problemOf, tokens, verifyProof));
  app.get("/api/v1/vault/:provider/token", vault(tokens, verifyProof));
  server.http.on("request", app);
  const close = async () => {
    await proxy?.close();
    await server.close();
  };
  return { origin, requests: server.requests, fetch: proxy?.fetch ?? fetch, close, [Symbol.asyncDispose]: close };
}

/** The members that matter to a client, in SharkAuth's order. */
function metadataOf(issuer: string) {
  return {
    issuer,
    authorization_endpoint: `${issuer}/oauth/authorize`,
    token_endpoint: `${issuer}/oauth/token`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    registration_endpoint: `${issuer}/oauth/register`,
    code_challenge_methods_supported: ["S256"],
    token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
    scopes_supported: ["openid", "profile", "email"],
    dpop_signing_alg_values_supported: ["ES256", "RS256"],
  };
}

async function tokenService(iss: string, { clientId }: Agent): Promise<TokenService> {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const [alg, kid] = ["ES256", "shark-1"];
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid, alg }] };
  const keys = createLocalJWKSet(jwks);
  return {
    jwks,
    issue: (scope, jkt) =>
      new SignJWT({ scope, client_id: clientId, cnf: jkt && { jkt } })
        .setProtectedHeader({ alg, kid })
        .setIssuer(iss)
        .setSubject(clientId)
        .setAudience(clientId)
        .setIssuedAt()
        .setExpirationTime("15m")
        .sign(privateKey),
    verify: async (token) => (await jwtVerify<TokenClaims>(token, keys, { issuer: iss })).payload,
  };
}

/** The proof is verified before the client. The response doesn't contain `cnf`, which is only in the access token. */
function tokenEndpoint(
  problemOf: (req: Request) => string | undefined,
  { issue }: TokenService,
  verifyProof: VerifyProof,
): RequestHandler {
  return async (req, res) => {
    res.set("cache-control", "no-store");
    const proof = req.get("dpop");
    const htu = `http://${req.get("host")}${pathOf(req)}`;
    const verified = proof === undefined ? {} : await outcomeOf(verifyProof(proof, { method: req.method, htu }));
    if (verified.error !== undefined)
      return void res.status(400).json({ error: "invalid_dpop_proof", error_description: verified.error });
    const problem = problemOf(req);
    if (problem !== undefined)
      return void res.status(401).json({ error: "invalid_client", error_description: problem });
    const { scope } = req.body;
    const access_token = await issue(scope, verified.result);
    res.json({ access_token, token_type: "bearer", expires_in: 899, scope });
  };
}

function clientProblem({ headers, body }: Request, agent: Agent, authMethod: AuthMethod): string | undefined {
  const basic = /^Basic (.+)$/.exec(headers.authorization ?? "")?.[1];
  const used = basic === undefined ? "client_secret_post" : "client_secret_basic";
  if (used !== authMethod)
    return `The OAuth 2.0 Client supports client authentication method '${authMethod}', but method '${used}' was requested.`;
  const expected = `${agent.clientId}:${agent.clientSecret}`;
  const credentials =
    basic === undefined ? `${body.client_id}:${body.client_secret}` : Buffer.from(basic, "base64").toString();
  return credentials === expected ? undefined : "bad secret";
}

/** The token is sent as Bearer, beside the proof. Go's `r.URL.Scheme` is empty in a server, so `htu` isn't a URL. */
function vault({ verify }: TokenService, verifyProof: VerifyProof): RequestHandler {
  return async (req, res) => {
    const refuse = (status: number, code: string, message: string, challenge = `Bearer error="${code}"`) =>
      void res.set("www-authenticate", challenge).status(status).json({ error: { code, message } });
    const [, accessToken] = /^Bearer (.+)$/.exec(req.get("authorization") ?? "") ?? [];
    if (accessToken === undefined) return refuse(401, "invalid_token", "Missing Bearer token", 'Bearer realm="vault"');
    const { result: token } = await outcomeOf(verify(accessToken));
    if (token === undefined) return refuse(401, "invalid_token", "Bearer token not recognised");
    if (token.scope?.split(" ").includes("vault:read") !== true)
      return refuse(403, "insufficient_scope", "Token lacks vault:read scope");
    const expected = { method: req.method, htu: `://${req.get("host")}${pathOf(req)}`, accessToken };
    const proof = await outcomeOf(verifyProof(req.get("dpop"), expected));
    if (proof.error !== undefined) return refuse(401, "invalid_dpop_proof", proof.error);
    if (proof.result !== token.cnf?.jkt) return refuse(401, "invalid_token", "Token is bound to another key");
    res.json({ access_token: "the user's token", token_type: "Bearer" });
  };
}

/** Go's `r.URL.Path` is decoded. */
function pathOf({ path }: Request): string {
  return decodeURIComponent(path);
}

async function outcomeOf<T>(work: Promise<T>): Promise<{ result?: T; error?: string }> {
  try {
    return { result: await work };
  } catch (error) {
    return { error: (error as Error).message };
  }
}
