/**
 * A `fetch` for other people's OAuth clients that adds the DPoP proofs (RFC 9449 §5, §7), and client assertions
 * (RFC 7523 §2.2).
 */
import { untilAborted } from "../deadline.js";
import { DPoPError } from "../errors.js";
import { AssertionClient, type ClientAssertion } from "./assertion-client.js";
import { type CallOptions, callContext } from "./call-options.js";
import { serverCache } from "./credentials.js";
import { FormCredentials } from "./form-credentials.js";
import { isRequest, type OutgoingRequest, outgoingRequest } from "./outgoing-request.js";
import { passOn } from "./pass-on.js";
import { ProtectedRequest } from "./protected-request.js";
import { type FormRequest, isForm, readForm } from "./request-form.js";
import { sourceOf, TokenCredentials } from "./token-credentials.js";

/** Options of {@link proofFetch}. */
export interface ProofFetchOptions extends CallOptions {
  /** Signs a client assertion for each form to the server's endpoints. Configure the library without authentication. */
  clientAssertion?: ClientAssertion | undefined;
  /**
   * Accepts metadata that names endpoints closer to this machine than the issuer, such as `localhost` for a public server.
   * They get client assertions. Default: false for discovered metadata, true for `clientAssertion.endpoints`.
   */
  allowPrivateEndpoints?: boolean | undefined;
}

/**
 * A `fetch`. Its type also allows what the types of OAuth libraries pass: options that are `undefined`, under TypeScript's
 * `exactOptionalPropertyTypes`, and any `Uint8Array` as the body, which TypeScript's types of the DOM don't.
 */
export type ProofFetch = (
  input: string | URL | Request,
  init?: {
    [Option in keyof RequestInit]: RequestInit[Option] | (Option extends "body" ? Uint8Array : never) | undefined;
  },
) => Promise<Response>;

const TOKEN = /^(?:Bearer|DPoP)[ \t]+(.+)$/i;

/**
 * Creates a `fetch` to pass to an OAuth library, such as openid-client. It adds a proof to each request with an access
 * token, which it sends with the scheme `DPoP` by default, and to each POSTed form without one. Any other request is passed on
 * unchanged.
 *
 * Answers the challenges of both kinds of server: a call is sent again with a new proof, and a new client assertion,
 * once for each of the reasons that {@link dpopFetch} lists. A form with an assertion that the library signed is never
 * sent again, because a server rejects its `jti` as a replay; the response is returned to the library, whose next
 * request has the nonce. A form with an assertion follows no redirect; all other requests follow redirects only within
 * the same origin.
 *
 * The function throws what `fetch` throws, including the signal's reason for an aborted call. It also throws
 * {@link DPoPError} for a call that isn't allowed, {@link SignerError} if a key can't sign, and {@link OAuthError} if
 * the endpoints can't be discovered, or if the form already authenticates the client.
 *
 * @example
 * ```ts
 * const clientAssertion = { signer, clientId: "my-agent", audience: "https://auth.example.com" };
 * config[client.customFetch] = proofFetch({ prover, clientAssertion });
 * ```
 * @throws {DPoPError} With code `misconfigured` if an option is invalid.
 * @throws {OAuthError} With code `misconfigured` if an option of `clientAssertion` is invalid.
 */
export function proofFetch(options: ProofFetchOptions): ProofFetch {
  const context = callContext(options);
  const { prover, maxBufferedBody } = context;
  const { clientAssertion } = options;
  const client = clientAssertion === undefined ? undefined : new AssertionClient(clientAssertion, options);
  const resources = serverCache("resource-server", options);
  const authorizationServers = serverCache("authorization-server", options);

  const newCall = async (request: OutgoingRequest, accessToken: string | undefined) => {
    context.assertAllowedOrigin(request.url);
    rejectProof(request.headers);
    if (accessToken !== undefined) {
      const credentials = new TokenCredentials(prover, sourceOf(accessToken), { scheme: options.scheme });
      return new ProtectedRequest(context, resources, credentials, request);
    }
    const form = await readForm(request, maxBufferedBody);
    const own = { request: form.request, credentials: new FormCredentials(mayHaveAssertion(form)) };
    const call = (await client?.authenticate(form, prover)) ?? own;
    return new ProtectedRequest(context, authorizationServers, call.credentials, call.request);
  };

  const send: typeof fetch = async (...args) => {
    const request = outgoingRequest(args[0], args[1] ?? {});
    const accessToken = tokenOf(request.headers);
    if (accessToken === undefined && !isForm(request)) {
      if (options.fetch && isRequest(args[0])) return passOn(options.fetch, request, maxBufferedBody);
      return (options.fetch ?? fetch)(...args);
    }
    return untilAborted(request.signal, async () => (await newCall(request, accessToken)).send());
  };
  return send as ProofFetch; // fetch treats undefined as a missing option
}

function tokenOf(headers: Headers): string | undefined {
  return TOKEN.exec(headers.get("authorization") ?? "")?.[1];
}

function rejectProof(headers: Headers): void {
  if (!headers.has("dpop")) return;
  const remedy = "Configure the library without DPoP: proofFetch adds the proof, and two would be one too many.";
  throw new DPoPError("forbidden-header", `The request already has a dpop header. ${remedy}`);
}

/** A form that is too long to be read may contain anything. */
function mayHaveAssertion({ text }: FormRequest): boolean {
  return text === undefined || new URLSearchParams(text).has("client_assertion");
}
