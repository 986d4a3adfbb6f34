/** A resource server on loopback with two independent verifiers: oauth4webapi on one path, express-oauth2-jwt-bearer on the other. */
import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import express, { type RequestHandler } from "express";
import { auth } from "express-oauth2-jwt-bearer";
import { decodeJwt } from "jose";
import { AccessError, sendAccessError } from "./access-error.js";
import { byOauth4webapi, issuerMetadata } from "./by-oauth4webapi.js";
import { loopbackServer, type RecordedRequest } from "./loopback-server.js";

/** Options of {@link resourceServer}. */
export interface ResourceServerOptions {
  /** The issuer of a running authorization server, whose metadata and keys are fetched. */
  issuer: string;
  audience: string;
  /** Whether to reject proofs without this server's nonce. Default: true. */
  requireNonce?: boolean;
  /** For an issuer with a self-signed certificate. Only the first path uses it. Default: the global `fetch`. */
  fetch?: typeof fetch;
  /**
   * Publishes the metadata of both paths (RFC 9728), names it in challenges, and accepts tokens for their URLs as well.
   * Default: false.
   */
  publishMetadata?: boolean;
}

/** The response of both paths to a valid request of any method. An invalid one gets 401 and `{ error, error_description }`. */
interface Hello {
  hello: string;
  jkt: string;
  verifiedBy: "oauth4webapi" | "express-oauth2-jwt-bearer";
}

/** A running resource server. */
export interface ResourceServer extends AsyncDisposable {
  readonly origin: string;
  /** The path verified by oauth4webapi's `validateJwtAccessToken({ requireDPoP: true })`. */
  readonly url: string;
  /** The path verified by express-oauth2-jwt-bearer's `auth({ dpop: { enabled: true, required: true } })`. */
  readonly expressUrl: string;
  readonly requests: readonly RecordedRequest[];
  /** Makes all current nonces stale. */
  rotateNonce(): void;
  close(): Promise<void>;
}

/** Starts a resource server. */
export async function resourceServer(options: ResourceServerOptions): Promise<ResourceServer> {
  const { issuer, audience, requireNonce = true, publishMetadata = false, fetch } = options;
  const metadata = await issuerMetadata(issuer, fetch);
  const { origin, http, requests, close } = await loopbackServer();
  const nonce = { current: newNonce() };
  const rejectReplays = replayDetector();

  const app = express().disable("x-powered-by");
  app.use(readBody);
  if (publishMetadata) app.use(resourceMetadata(origin, issuer));
  if (requireNonce) app.use(challengeNonce(nonce));
  const audiences = (path: string) => (publishMetadata ? [audience, origin + path] : [audience]);
  const verify = byOauth4webapi({ metadata, audiences: audiences("/resource"), origin, fetch });
  app.all("/resource", verify, rejectReplays, hello("oauth4webapi"));
  const dpop = { enabled: true, required: true };
  const byExpress = auth({ issuerBaseURL: issuer, audience: audiences("/express"), dpop });
  app.all("/express", byExpress, rejectReplays, hello("express-oauth2-jwt-bearer"));
  app.use(sendAccessError);
  http.on("request", app);

  return {
    origin,
    url: `${origin}/resource`,
    expressUrl: `${origin}/express`,
    requests,
    rotateNonce() {
      nonce.current = newNonce();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Creates a nonce of the resource server. */
export const newNonce = () => `rs-${randomBytes(16).toString("base64url")}`;

/** Reads the body before the response is sent: Node discards an unread one, and it would be missing in `requests`. */
const readBody: RequestHandler = async (req, _res, next) => {
  await buffer(req);
  next();
};

const WELL_KNOWN = "/.well-known/oauth-protected-resource";

/** Responds with the metadata of any path (RFC 9728 §3), and remembers its URL for challenges (§5.1). */
function resourceMetadata(origin: string, issuer: string): RequestHandler {
  return (req, res, next) => {
    res.locals.resourceMetadata = origin + WELL_KNOWN + req.path;
    if (!req.path.startsWith(WELL_KNOWN)) return next();
    const metadata = { authorization_servers: [issuer], dpop_bound_access_tokens_required: true };
    res.json({ resource: origin + req.path.slice(WELL_KNOWN.length), ...metadata });
  };
}

/** RFC 9449 §9. Leaves a request without a readable proof to the verifier, whose error is more specific. */
export function challengeNonce(nonce: { readonly current: string }): RequestHandler {
  return (req, res, next) => {
    res.set("DPoP-Nonce", nonce.current);
    const proof = proofClaims(req.get("DPoP"));
    if (proof === undefined || proof.nonce === nonce.current) return next();
    throw new AccessError("use_dpop_nonce", "Resource server requires its current nonce in the DPoP proof");
  };
}

/** Neither verifier detects replays. Runs after them, so that a forged proof can't use up the `jti` of a valid one. */
export function replayDetector(): RequestHandler {
  const seen = new Set<string>();
  return (req, _res, next) => {
    const jti = proofClaims(req.get("DPoP"))?.jti ?? "";
    if (seen.has(jti)) throw new AccessError("invalid_dpop_proof", "DPoP proof replayed");
    seen.add(jti);
    next();
  };
}

function hello(verifiedBy: Hello["verifiedBy"]): RequestHandler {
  return (req, res) => {
    const { client_id, sub, cnf } = req.auth?.payload ?? {};
    res.json({ hello: client_id ?? sub, jkt: (cnf as { jkt?: string } | undefined)?.jkt, verifiedBy });
  };
}

function proofClaims(proof: string | undefined) {
  if (proof === undefined) return undefined;
  try {
    return decodeJwt<{ nonce?: unknown }>(proof);
  } catch {
    return undefined;
  }
}
