/** Express middleware that verifies access tokens and proofs with oauth4webapi, like `auth()` of express-oauth2-jwt-bearer. */
import type { RequestHandler } from "express";
import { decodeJwt } from "jose";
import * as oauth from "oauth4webapi";
import { AccessError } from "./access-error.js";

interface Expected {
  readonly metadata: oauth.AuthorizationServer;
  /** The audiences that a token may have. */
  readonly audiences: readonly string[];
  /** The resource server's origin. `htu` is compared with it, not with the `Host` header. */
  readonly origin: string;
  /** For an issuer with a self-signed certificate. Default: the global `fetch`. */
  readonly fetch?: typeof fetch | undefined;
}

const overLoopback = { [oauth.allowInsecureRequests]: true };

/** Fetches the metadata of an authorization server. */
export async function issuerMetadata(issuer: string, fetch?: typeof globalThis.fetch) {
  const url = new URL(issuer);
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { ...overLoopback, ...by(fetch) }));
}

function by(fetch: typeof globalThis.fetch | undefined) {
  return fetch && { [oauth.customFetch]: (url: string, init: object) => fetch(url, init) };
}

/** Returns the middleware. */
export function byOauth4webapi({ metadata, audiences, origin, fetch }: Expected): RequestHandler {
  const options = { ...overLoopback, ...by(fetch), requireDPoP: true };
  return async (req, _res, next) => {
    const request = new Request(origin + req.originalUrl, { method: req.method, headers: credentials(req.headers) });
    const audience = audiences.find((each) => each === audienceOf(request)) ?? audiences[0] ?? "";
    const payload = await oauth.validateJwtAccessToken(metadata, request, audience, options).catch(reject);
    req.auth = { payload, header: { alg: "ES256" }, token: "" };
    next();
  };
}

/** Reads the audience without verifying the token: oauth4webapi expects exactly one. */
function audienceOf({ headers }: Request): unknown {
  try {
    return decodeJwt(headers.get("authorization")?.split(" ")[1] ?? "").aud;
  } catch {
    return undefined;
  }
}

function credentials({ authorization, dpop }: Record<string, string | string[] | undefined>): Record<string, string> {
  return {
    ...(authorization !== undefined && { authorization: String(authorization) }),
    ...(dpop !== undefined && { dpop: String(dpop) }),
  };
}

/** oauth4webapi throws errors without a challenge. WebCrypto throws a DOMException for a malformed key or signature. */
function reject(reason: unknown): never {
  const expected = [oauth.OperationProcessingError, oauth.UnsupportedOperationError, DOMException];
  if (!expected.some((type) => reason instanceof type)) throw reason;
  const { message } = reason as Error;
  throw new AccessError(message.includes("DPoP") ? "invalid_dpop_proof" : "invalid_token", message);
}
