/** A stub resource server, a second one at another origin, and `dpopFetch` calls to them. */
import { type DPoPFetchOptions, DPoPProver, dpopFetch } from "hardproof";
import { decodeJwt, type JWTPayload } from "jose";
import { expect } from "vitest";
import { type Responder, type StubServer, stubServer } from "./stub-server.js";

/** The access token of the calls. */
export const TOKEN = "a-very-secret-token";

/** The running servers, and the client that calls them. */
export interface StubResource {
  readonly server: StubServer;
  readonly elsewhere: StubServer;
  readonly url: string;
  prover: DPoPProver;
  caller(options?: Partial<DPoPFetchOptions>): typeof fetch;
  /** Responds with each responder in turn, and repeats the last one. */
  inTurn(...responders: Responder[]): void;
  /** The claims of the proofs that the server received. */
  proofs(): JWTPayload[];
  close(): Promise<unknown>;
}

/** Starts both servers. */
export async function stubResource(): Promise<StubResource> {
  const [server, elsewhere] = await Promise.all([stubServer(), stubServer()]);
  const stub: StubResource = {
    server,
    elsewhere,
    url: `${server.origin}/resource`,
    prover: await DPoPProver.generate(),
    caller: (options = {}) => dpopFetch({ prover: stub.prover, token: TOKEN, ...options }),
    inTurn: (...responders) =>
      server.respondWith((response, request, turn) =>
        responders[Math.min(turn, responders.length) - 1]?.(response, request, turn),
      ),
    proofs: () => server.requests.map(({ headers }) => decodeJwt(String(headers.dpop))),
    close: () => Promise.all([server.close(), elsewhere.close()]),
  };
  return stub;
}

/** Responds with a status and headers. */
export function respond(status: number, headers: Record<string, string | string[]> = {}): Responder {
  return (response) => response.writeHead(status, headers).end("body");
}

/** Responds with status 200. */
export const ok = respond(200);

/** Responds with status 401 and a DPoP challenge. */
export function challenge(error: string, headers: Record<string, string> = {}): Responder {
  return respond(401, { "www-authenticate": `DPoP error="${error}", algs="ES256"`, ...headers });
}

/** Returns the error that the promise rejects with. */
export function errorOf(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => expect.unreachable(),
    (error) => error,
  );
}
