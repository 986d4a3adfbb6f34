/** Express middleware that has oauth4webapi verify the access token and its proof, as express-oauth2-jwt-bearer's `auth()` does. */
import type { RequestHandler } from "express";
import * as oauth from "oauth4webapi";
import { Refusal } from "./refusal.js";

interface Expected {
  readonly metadata: oauth.AuthorizationServer;
  readonly audience: string;
  /** Of this resource server: `htu` is compared with the URL that was really called, whatever `Host` says. */
  readonly origin: string;
}

const overLoopback = { [oauth.allowInsecureRequests]: true };

export async function issuerMetadata(issuer: string): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer);
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, overLoopback));
}

export function byOauth4webapi({ metadata, audience, origin }: Expected): RequestHandler {
  const options = { ...overLoopback, requireDPoP: true };
  return async (req, _res, next) => {
    const request = new Request(origin + req.originalUrl, { method: req.method, headers: credentials(req.headers) });
    const payload = await oauth.validateJwtAccessToken(metadata, request, audience, options).catch(refuse);
    req.auth = { payload, header: { alg: "ES256" }, token: "" };
    next();
  };
}

function credentials({ authorization, dpop }: Record<string, string | string[] | undefined>): Record<string, string> {
  return {
    ...(authorization !== undefined && { authorization: String(authorization) }),
    ...(dpop !== undefined && { dpop: String(dpop) }),
  };
}

/** oauth4webapi gives reasons, no challenge. A DOMException is WebCrypto's: a key or signature that can't even be read. */
function refuse(reason: unknown): never {
  const expected = [oauth.OperationProcessingError, oauth.UnsupportedOperationError, DOMException];
  if (!expected.some((type) => reason instanceof type)) throw reason;
  const { message } = reason as Error;
  throw new Refusal(message.includes("DPoP") ? "invalid_dpop_proof" : "invalid_token", message);
}
