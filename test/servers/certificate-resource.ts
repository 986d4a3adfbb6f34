/** A resource server on loopback that accepts a token only from the client with its certificate (RFC 8705 §3). */
import express, { type RequestHandler } from "express";
import { AccessError, sendAccessError } from "./access-error.js";
import { byOauth4webapi, issuerMetadata } from "./by-oauth4webapi.js";
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
  close(): Promise<void>;
}

/** Starts a resource server. It accepts any certificate, as §3 allows, since only the token's thumbprint counts. */
export async function certificateResource(options: CertificateResourceOptions): Promise<CertificateResource> {
  const { issuer, audience, own } = options;
  const fetch = fetchWith(undefined, own);
  const metadata = await issuerMetadata(issuer, fetch);
  const { origin, http, requests, close } = await loopbackServer({
    ...own,
    requestCert: true,
    rejectUnauthorized: false,
  });
  const app = express().disable("x-powered-by");
  app.get(
    "/resource",
    byOauth4webapi({ metadata, audience, origin, requireDPoP: false, fetch }),
    ownCertificate,
    hello,
  );
  app.use(sendAccessError);
  http.on("request", app);
  return { url: `${origin}/resource`, requests, close, [Symbol.asyncDispose]: close };
}

const ownCertificate: RequestHandler = (req, _res, next) => {
  const bound = (req.auth?.payload.cnf as { "x5t#S256"?: string } | undefined)?.["x5t#S256"];
  const peer = peerCertificate(req.socket);
  if (bound !== undefined && peer && bound === thumbprintOf(peer.certificate)) return next();
  throw new AccessError("invalid_token", "the token isn't bound to this client's certificate", "Bearer");
};

const hello: RequestHandler = (req, res) => {
  res.json({ hello: req.auth?.payload.client_id });
};
