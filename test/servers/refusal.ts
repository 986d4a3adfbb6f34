/** How the resource server says no: always 401, the verifier's own challenge, and the reason in JSON. */
import type { ErrorRequestHandler } from "express";
import { UnauthorizedError } from "express-oauth2-jwt-bearer";

export class Refusal extends Error {
  readonly error: string;
  readonly challenge: string;

  constructor(error: string, description: string, challenge = dpopChallenge(error, description)) {
    super(description);
    this.error = error;
    this.challenge = challenge;
  }
}

export const answerRefusal: ErrorRequestHandler = (thrown: unknown, _req, res, _next) => {
  const refusal = thrown instanceof UnauthorizedError ? ofExpress(thrown) : thrown;
  if (!(refusal instanceof Refusal)) {
    res.status(500).json({ error: "server_error", error_description: String(thrown) });
    return;
  }
  res.set("WWW-Authenticate", refusal.challenge);
  res.status(401).json({ error: refusal.error, error_description: refusal.message });
};

/** express-oauth2-jwt-bearer would answer 400 to some of these, and gives neither code nor message where RFC 6750 §3.1 wants none. */
function ofExpress({ code, message, headers }: UnauthorizedError & { code?: string }): Refusal {
  return new Refusal(code || "unauthorized", message || "no usable credentials", headers["WWW-Authenticate"]);
}

function dpopChallenge(error: string, description: string): string {
  return `DPoP error="${error}", error_description="${description.replaceAll('"', "'")}", algs="ES256"`;
}
