/** `proofFetch` calls to the stub servers: as a client of their token endpoint, and of their resource. */
import { type ClientAssertion, type ProofFetchOptions, proofFetch } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from "jose";
import { type StubResource, stubResource, TOKEN } from "./stub-resource.js";
import { json, type RecordedRequest, type Responder } from "./stub-server.js";

/** The client id of the calls. */
export const CLIENT = "my-agent";

/** The running servers, and the client that calls them. */
export interface StubProofClient extends Omit<StubResource, "caller"> {
  /** The endpoints at the server. */
  readonly endpoints: { token: string; par: string };
  readonly assertionSigner: MemorySigner;
  /** The server's metadata, with both endpoints. */
  metadata(more?: Record<string, unknown>): { issuer: string };
  caller(options?: Partial<ProofFetchOptions>): typeof fetch;
  /** A caller with client assertions for the server's metadata. */
  assertingCaller(assertion?: Partial<ClientAssertion>, options?: Partial<ProofFetchOptions>): typeof fetch;
  /** The claims of the client assertions that the server received. */
  assertions(): JWTPayload[];
}

/** Starts both servers. */
export async function stubProofClient(): Promise<StubProofClient> {
  const stub = await stubResource();
  const { origin } = stub.server;
  const endpoints = { token: `${origin}/token`, par: `${origin}/par` };
  const assertionSigner = MemorySigner.generate();
  const metadata = (more = {}) => ({
    issuer: origin,
    token_endpoint: endpoints.token,
    pushed_authorization_request_endpoint: endpoints.par,
    ...more,
  });
  const caller = (options: Partial<ProofFetchOptions> = {}) => proofFetch({ prover: stub.prover, ...options });
  return Object.assign(stub, {
    endpoints,
    assertionSigner,
    metadata,
    caller,
    assertingCaller: (assertion: Partial<ClientAssertion> = {}, options: Partial<ProofFetchOptions> = {}) =>
      caller({
        clientAssertion: { signer: assertionSigner, clientId: CLIENT, endpoints: metadata(), ...assertion },
        ...options,
      }),
    assertions: () => stub.server.requests.flatMap(assertionsOf),
  });
}

/** The arguments of a token request. */
export function tokenRequest(fields: Record<string, string> = {}): RequestInit {
  return { method: "POST", body: new URLSearchParams({ grant_type: "client_credentials", ...fields }) };
}

/** The arguments of a request with an access token. */
export function withToken(scheme = "Bearer", init: RequestInit = {}): RequestInit {
  return { ...init, headers: { authorization: `${scheme} ${TOKEN}` } };
}

/** Responds with an OAuth error as JSON. */
export function refuse(error: string, headers: Record<string, string> = {}, status = 400): Responder {
  return json(status, { error }, headers);
}

/** Responds with a token. */
export const granted: Responder = json(200, { access_token: TOKEN, token_type: "DPoP" });

/** Returns the claims of the assertion in a request, if there is one. */
export function assertionsOf({ form }: RecordedRequest): JWTPayload[] {
  return form.getAll("client_assertion").map((assertion) => decodeJwt(assertion));
}

/** Returns the header of the assertion in a request. */
export function assertionHeader({ form }: RecordedRequest) {
  return decodeProtectedHeader(form.get("client_assertion") ?? "");
}
