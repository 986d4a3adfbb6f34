/** A resource server that answers what it is told, a second one elsewhere, and calls of `dpopFetch` to them. */
import { type DPoPFetchOptions, DPoPProver, dpopFetch } from "hardproof";
import { decodeJwt, type JWTPayload } from "jose";
import { expect } from "vitest";
import { type Responder, type StubServer, stubServer } from "./stub-server.js";

export const TOKEN = "a-very-secret-token";

export interface StubResource {
  readonly server: StubServer;
  readonly elsewhere: StubServer;
  readonly url: string;
  prover: DPoPProver;
  caller(options?: Partial<DPoPFetchOptions>): typeof fetch;
  /** Each answer in its turn, the last one for ever. */
  inTurn(...responders: Responder[]): void;
  /** The claims of the proofs that came to the server. */
  proofs(): JWTPayload[];
  close(): Promise<unknown>;
}

export async function stubResource(): Promise<StubResource> {
  const [server, elsewhere] = await Promise.all([stubServer(), stubServer()]);
  const told: StubResource = {
    server,
    elsewhere,
    url: `${server.origin}/resource`,
    prover: await DPoPProver.generate(),
    caller: (options = {}) => dpopFetch({ prover: told.prover, token: TOKEN, ...options }),
    inTurn: (...responders) =>
      server.respondWith((response, request, turn) =>
        responders[Math.min(turn, responders.length) - 1]?.(response, request, turn),
      ),
    proofs: () => server.requests.map(({ headers }) => decodeJwt(String(headers.dpop))),
    close: () => Promise.all([server.close(), elsewhere.close()]),
  };
  return told;
}

export function answer(status: number, headers: Record<string, string | string[]> = {}): Responder {
  return (response) => response.writeHead(status, headers).end("said");
}

export const ok = answer(200);

export function challenge(error: string, headers: Record<string, string> = {}): Responder {
  return answer(401, { "www-authenticate": `DPoP error="${error}", algs="ES256"`, ...headers });
}

/** What the work fails with. */
export function caught(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => expect.unreachable(),
    (error) => error,
  );
}
