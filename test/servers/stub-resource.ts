/** A resource server that answers what it is told, a second one elsewhere, and calls of `dpopFetch` to them. */
import { type DPoPFetchOptions, DPoPProver, dpopFetch } from "hardproof";
import { decodeJwt, type JWTPayload } from "jose";
import { expect } from "vitest";
import { type Telling, type ToldServer, toldServer } from "./stub-server.js";

export const TOKEN = "a-very-secret-token";

export interface ToldResource {
  readonly server: ToldServer;
  readonly elsewhere: ToldServer;
  readonly url: string;
  prover: DPoPProver;
  caller(options?: Partial<DPoPFetchOptions>): typeof fetch;
  /** Each answer in its turn, the last one for ever. */
  inTurn(...tellings: Telling[]): void;
  /** The claims of the proofs that came to the server. */
  proofs(): JWTPayload[];
  close(): Promise<unknown>;
}

export async function toldResource(): Promise<ToldResource> {
  const [server, elsewhere] = await Promise.all([toldServer(), toldServer()]);
  const told: ToldResource = {
    server,
    elsewhere,
    url: `${server.origin}/resource`,
    prover: await DPoPProver.generate(),
    caller: (options = {}) => dpopFetch({ prover: told.prover, token: TOKEN, ...options }),
    inTurn: (...tellings) =>
      server.tell((response, heard, turn) => tellings[Math.min(turn, tellings.length) - 1]?.(response, heard, turn)),
    proofs: () => server.heard.map(({ headers }) => decodeJwt(String(headers.dpop))),
    close: () => Promise.all([server.close(), elsewhere.close()]),
  };
  return told;
}

export function answer(status: number, headers: Record<string, string | string[]> = {}): Telling {
  return (response) => response.writeHead(status, headers).end("said");
}

export const ok = answer(200);

export function challenge(error: string, headers: Record<string, string> = {}): Telling {
  return answer(401, { "www-authenticate": `DPoP error="${error}", algs="ES256"`, ...headers });
}

/** What the work fails with. */
export function caught(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => expect.unreachable(),
    (error) => error,
  );
}
