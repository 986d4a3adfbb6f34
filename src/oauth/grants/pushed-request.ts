/** Pushes an authorization request to the server (RFC 9126), as parameters or as a signed request object. */
import { OAuthError } from "../../errors.js";
import { misconfigured } from "../assert.js";
import type { AuthorizationServer } from "../authorization-server.js";
import type { ClientFields } from "../client-auth/client-auth.js";
import { displayUrl } from "../http.js";
import { createForm, type ExtraFields } from "../token/token-request.js";
import type { AuthorizationUrlRequest } from "./authorization-request.js";

/** Signs the request object. Each attempt needs a new one, since a server may accept its `jti` only once. */
export type SignObject = (signal: AbortSignal | undefined) => Promise<string>;

/**
 * Pushes the request.
 *
 * @param signObject - If the request is signed.
 * @returns The `request_uri` (RFC 9126 §2.2).
 */
export async function pushRequest(
  server: AuthorizationServer,
  request: AuthorizationUrlRequest,
  parameters: ExtraFields,
  signObject: SignObject | undefined,
): Promise<string> {
  const { dpopProver: prover, extra, signal } = request;
  const ownObject = signObject ? undefined : ownRequestObject(extra);
  const { url, body, response } = await server.post({
    endpoint: "pushedAuthorizationRequest",
    client: request,
    prover,
    assertionErrors: signObject && ["invalid_request_object"], // RFC 9101 §6
    form: async (clientFields, context) => {
      const object = signObject ? await signObject(context.signal) : ownObject;
      if (object !== undefined) return requestObjectForm(clientFields, object);
      return createForm({ ...clientFields, ...parameters }, extra); // always with `client_id` (§2.1)
    },
    signal,
  });
  if (typeof body?.request_uri === "string" && body.request_uri !== "") return body.request_uri;
  throw new OAuthError("invalid-response", `The response of ${displayUrl(url)} lacks request_uri.`, { response });
}

/**
 * Creates the form for a request object: the object and the client's authentication, nothing else (RFC 9126 §3). An
 * assertion also identifies the client.
 */
function requestObjectForm(clientFields: ClientFields, request: string): URLSearchParams {
  const { client_id, ...authentication } = clientFields;
  const hasAssertion = authentication.client_assertion !== undefined;
  return createForm({ ...authentication, client_id: hasAssertion ? undefined : client_id, request });
}

/**
 * Returns the caller's own request object, if `extra` has one.
 *
 * @throws {OAuthError} With code `misconfigured` if `extra` has other parameters: they would be lost.
 */
function ownRequestObject({ request, ...others }: ExtraFields = {}): string | undefined {
  if (request == null) return undefined;
  const lost = Object.keys(others).find((name) => others[name] != null);
  if (lost !== undefined)
    throw misconfigured(`extra.${lost} can't be sent beside extra.request. Make it a claim of the request object.`);
  if (typeof request === "string") return request;
  throw misconfigured("extra.request must be a string.");
}
