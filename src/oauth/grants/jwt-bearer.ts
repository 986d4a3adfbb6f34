/** A signed assertion as a grant (RFC 7523 §2.1): given as it is, or signed here for each try. */
import { checkText } from "../assert.js";
import type { FormUse } from "../authorization-server.js";
import { type AssertionKey, signAssertion } from "../client-auth/client-assertion.js";
import { type GrantRequest, grantRequest, type TokenRequest } from "../token/token-request.js";

export interface JwtBearerRequest extends GrantRequest {
  /** A JWT by somebody else, or what to sign. */
  assertion: string | AssertionToSign;
}

export interface AssertionToSign extends AssertionKey {
  /** Whom the token is for. */
  subject: string;
  /** Who says so. Default: the client. */
  issuer?: string | undefined;
  /** Default: the server's issuer where that is known, else its token endpoint. */
  audience?: string | undefined;
  /** More claims. They can't replace the ones above. */
  claims?: Readonly<Record<string, unknown>> | undefined;
}

/** The form is finished for each try, with an assertion whose `jti` is fresh. */
export type FinishForm = (form: URLSearchParams, use: FormUse) => Promise<void>;

export function jwtBearer(request: JwtBearerRequest): { request: TokenRequest; finish?: FinishForm } {
  const { assertion, clientId } = request;
  const granted = (fields: { assertion?: string }) =>
    grantRequest("urn:ietf:params:oauth:grant-type:jwt-bearer", request, fields);
  if (typeof assertion !== "object") return { request: granted({ assertion: checkText("assertion", assertion) }) };
  const { subject, issuer = clientId, audience, claims } = assertion;
  const said = { ...claims, iss: issuer, sub: checkText("assertion.subject", subject) };
  const finish: FinishForm = async (form, { audience: aud, now, signal }) =>
    form.append("assertion", await signAssertion(assertion, { ...said, aud: audience ?? aud }, now, { signal }));
  return { request: granted({}), finish };
}
