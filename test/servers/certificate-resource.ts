/**
 * A resource server on loopback that accepts a token only from the client with its certificate (RFC 8705 §3). Verifies the
 * token with jose, since oauth4webapi rejects this confirmation method.
 */
import express, { type RequestHandler } from "express";
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from "jose";
import { AccessError, sendAccessError } from "./access-error.js";
import { loopbackServer, type RecordedRequest } from "./loopback-server.js";
import { type Certificate, fetchWith, peerCertificate, thumbprintOf } from "./mutual-tls.js";

/** Options of {@link certificateResource}. */
export interface CertificateResourceOptions {
  /** The issuer of a running authorization server, which has the same certificate. */
  issuer: string;
  audience: string;
  /** The server's certificate. */
  own: Certificate;
}

/** A running resource server. */
export interface CertificateResource extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly RecordedRequest[];
  /** Rejects the next valid token once, as if it had been revoked. */
  rejectNext(): void;
  close(): Promise<void>;
}

/** Starts a resource server. It accepts any certificate, as §3 allows, since only the token's thumbprint counts. */
export async function certificateResource(options: CertificateResourceOptions): Promise<CertificateResource> {
  const { issuer, audience, own } = options;
  const keys = createLocalJWKSet(await issuerKeys(issuer, fetchWith(undefined, own)));
  const tls = { ...own, requestCert: true, rejectUnauthorized: false };
  const { origin, http, requests, close } = await loopbackServer(tls);
  const verify = (token: string) => jwtVerify(token, keys, { issuer, audience, typ: "at+jwt" });
  const state = { rejectsNext: false };
  const app = express().disable("x-powered-by");
  app.get("/resource", ownCertificate(verify, state));
  app.use(sendAccessError);
  http.on("request", app);
  const rejectNext = () => {
    state.rejectsNext = true;
  };
  return { url: `${origin}/resource`, requests, rejectNext, close, [Symbol.asyncDispose]: close };
}

async function issuerKeys(issuer: string, fetch: typeof globalThis.fetch): Promise<JSONWebKeySet> {
  const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  return (await fetch((metadata as { jwks_uri: string }).jwks_uri)).json() as Promise<JSONWebKeySet>;
}

function ownCertificate(
  verify: (token: string) => Promise<{ payload: JWTPayload }>,
  state: { rejectsNext: boolean },
): RequestHandler {
  return async (req, res) => {
    const [, token = ""] = /^Bearer (.+)$/i.exec(req.get("authorization") ?? "") ?? [];
    const { payload } = await verify(token).catch(reject);
    const bound = (payload.cnf as { "x5t#S256"?: string } | undefined)?.["x5t#S256"];
    const peer = peerCertificate(req.socket);
    if (bound === undefined || !peer || bound !== thumbprintOf(peer.certificate))
      throw new AccessError("invalid_token", "the token isn't bound to this client's certificate", CHALLENGE);
    const isRejected = state.rejectsNext;
    state.rejectsNext = false;
    if (isRejected) throw new AccessError("invalid_token", "the token was revoked", CHALLENGE);
    res.json({ hello: payload.client_id });
  };
}

const CHALLENGE = 'Bearer error="invalid_token"';

function reject(reason: unknown): never {
  if (!(reason instanceof errors.JOSEError)) throw reason;
  throw new AccessError("invalid_token", reason.message, CHALLENGE);
}
