/** Error responses of the resource server: always 401, with the verifier's challenge and the reason as JSON. */
import type { ErrorRequestHandler } from "express";
import { UnauthorizedError } from "express-oauth2-jwt-bearer";

/** The reason why the resource server rejects a request, and the challenge for the response. */
export class AccessError extends Error {
  readonly error: string;
  readonly challenge: string;

  constructor(error: string, description: string, challenge = dpopChallenge(error, description)) {
    super(description);
    this.error = error;
    this.challenge = challenge;
  }
}

/** Express middleware that sends an error response. */
export const sendAccessError: ErrorRequestHandler = (thrown: unknown, _req, res, _next) => {
  const error = thrown instanceof UnauthorizedError ? fromExpress(thrown) : thrown;
  if (!(error instanceof AccessError)) {
    res.status(500).json({ error: "server_error", error_description: String(thrown) });
    return;
  }
  const { resourceMetadata } = res.locals;
  const parameter = resourceMetadata === undefined ? "" : `, resource_metadata="${resourceMetadata}"`;
  res.set("WWW-Authenticate", error.challenge + parameter);
  res.status(401).json({ error: error.error, error_description: error.message });
};

/** express-oauth2-jwt-bearer sets status 400 for some errors, and omits code and message as RFC 6750 §3.1 requires. */
function fromExpress({ code, message, headers }: UnauthorizedError & { code?: string }): AccessError {
  return new AccessError(code || "unauthorized", message || "no usable credentials", headers["WWW-Authenticate"]);
}

function dpopChallenge(error: string, description: string): string {
  return `DPoP error="${error}", error_description="${description.replaceAll('"', "'")}", algs="ES256"`;
}
