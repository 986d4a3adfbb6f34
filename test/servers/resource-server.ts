/** A resource server on loopback whose tokens and proofs are verified by others: oauth4webapi on one path, express-oauth2-jwt-bearer on the other. */
import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import express, { type RequestHandler } from "express";
import { auth } from "express-oauth2-jwt-bearer";
import { decodeJwt } from "jose";
import { byOauth4webapi, issuerMetadata } from "./by-oauth4webapi.js";
import { loopbackServer, type RecordedRequest } from "./loopback-server.js";
import { answerRefusal, Refusal } from "./refusal.js";

export interface ResourceServerOptions {
  /** The authorization server, already up: its metadata and keys are fetched over HTTP. */
  issuer: string;
  audience: string;
  /** Refuse proofs without one of this server's own nonces (default true). */
  requireNonce?: boolean;
}

/** What both paths answer to an accepted request of any method; a refused one gets 401 and `{ error, error_description }`. */
interface Hello {
  hello: string;
  jkt: string;
  verifiedBy: "oauth4webapi" | "express-oauth2-jwt-bearer";
}

export interface ResourceServer extends AsyncDisposable {
  readonly origin: string;
  /** Verified by oauth4webapi's `validateJwtAccessToken({ requireDPoP: true })`. */
  readonly url: string;
  /** Verified by express-oauth2-jwt-bearer's `auth({ dpop: { enabled: true, required: true } })`. */
  readonly expressUrl: string;
  readonly requests: readonly RecordedRequest[];
  /** Makes every nonce given out so far stale. */
  rotateNonce(): void;
  close(): Promise<void>;
}

export async function resourceServer(options: ResourceServerOptions): Promise<ResourceServer> {
  const { issuer, audience, requireNonce = true } = options;
  const metadata = await issuerMetadata(issuer);
  const { origin, http, requests, close } = await loopbackServer();
  const nonce = { current: newNonce() };
  const once = refuseReplay();

  const app = express().disable("x-powered-by");
  app.use(readBody);
  if (requireNonce) app.use(challengeNonce(nonce));
  app.all("/resource", byOauth4webapi({ metadata, audience, origin }), once, hello("oauth4webapi"));
  const byExpress = auth({ issuerBaseURL: issuer, audience, dpop: { enabled: true, required: true } });
  app.all("/express", byExpress, once, hello("express-oauth2-jwt-bearer"));
  app.use(answerRefusal);
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

const newNonce = () => `rs-${randomBytes(16).toString("base64url")}`;

/** Node drops what nobody read once the answer is sent, and the record would lack it. */
const readBody: RequestHandler = async (req, _res, next) => {
  await buffer(req);
  next();
};

/** RFC 9449 §9. A request without a readable proof is left to the verifier, which says better what is wrong with it. */
function challengeNonce(nonce: { readonly current: string }): RequestHandler {
  return (req, res, next) => {
    res.set("DPoP-Nonce", nonce.current);
    const proof = proofClaims(req.get("DPoP"));
    if (proof === undefined || proof.nonce === nonce.current) return next();
    throw new Refusal("use_dpop_nonce", "Resource server requires its current nonce in the DPoP proof");
  };
}

/** Neither verifier remembers proofs. Asked after them, so that a forged proof can't use up the real one's `jti`. */
function refuseReplay(): RequestHandler {
  const seen = new Set<string>();
  return (req, _res, next) => {
    const jti = proofClaims(req.get("DPoP"))?.jti ?? "";
    if (seen.has(jti)) throw new Refusal("invalid_dpop_proof", "DPoP proof replayed");
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
