/** A signed assertion as a grant (RFC 7523 §2.1): from the caller, or signed for each request. */
import { assertObject, assertString } from "../assert.js";
import type { AuthorizationServer, FormContext } from "../authorization-server.js";
import { type AssertionKey, assertSigner, signAssertion } from "../client-auth/client-assertion.js";
import { assertProfiledSigner } from "../profile.js";
import type { GetToken } from "../token/request-token.js";
import type { Token } from "../token/token.js";
import { type GrantRequest, grantRequest } from "../token/token-request.js";

/** Options of {@link OAuthClient.jwtBearer}. */
export type JwtBearerRequest = GrantRequest & {
  /** A signed JWT, or the claims and key of an assertion to sign. */
  assertion: string | AssertionToSign;
};

/** An assertion that is signed for each request. */
export interface AssertionToSign extends AssertionKey {
  /** The `sub` claim: the user or client that the token is for. */
  subject: string;
  /** The `iss` claim. Default: the client's id. */
  issuer?: string | undefined;
  /** The `aud` claim. Default: the server's issuer if it is known, otherwise its token endpoint. */
  audience?: string | undefined;
  /** Additional claims. They can't override the claims above. */
  claims?: Readonly<Record<string, unknown>> | undefined;
}

/** Signs an assertion and appends it to the form. Called for each attempt, since every request needs a new `jti`. */
export type AppendAssertion = (form: URLSearchParams, context: FormContext) => Promise<void>;

/** Requests the token. */
export async function jwtBearer(
  { profile }: AuthorizationServer,
  request: JwtBearerRequest,
  getToken: GetToken,
): Promise<Token> {
  const { assertion, clientId } = assertObject(request, "The request");
  const withFields = (fields: { assertion: string | undefined }) =>
    grantRequest("urn:ietf:params:oauth:grant-type:jwt-bearer", request, fields);
  if (typeof assertion !== "object" || assertion === null)
    return getToken(withFields({ assertion: assertString(assertion, "assertion") }));
  const { signer, subject, issuer = clientId, audience } = assertion;
  assertSigner(signer, "assertion.signer");
  const claims = { ...assertion.claims, iss: issuer, sub: assertString(subject, "assertion.subject") };
  const tokenRequest = withFields({ assertion: undefined }); // so that `extra` can't have a second one
  const appendAssertion: AppendAssertion = async (form, { audience: server, now, signal }) => {
    await assertProfiledSigner(profile, signer, "assertions (assertion)", signal);
    form.append("assertion", await signAssertion(assertion, { ...claims, aud: audience ?? server }, now, { signal }));
  };
  return getToken(tokenRequest, { appendAssertion });
}
