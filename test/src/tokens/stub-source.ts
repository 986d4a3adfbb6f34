/** A token source whose authorization server answers what it is told, at a time that the test sets. */
import { setImmediate } from "node:timers/promises";
import { DPoPProver, OAuthClient, type TokenSource, type TokenSourceOptions, tokenSource } from "hardproof";
import { vi } from "vitest";
import { json, type Responder, type StubServer, stubServer } from "../../servers/stub-server.js";

export interface StubSource {
  readonly server: StubServer;
  readonly prover: DPoPProver;
  source(options?: Partial<TokenSourceOptions>): TokenSource;
  /** A fresh token for each request, named by its turn, with these fields. */
  grants(fields?: Record<string, unknown>): void;
  close(): Promise<void>;
}

export const EPOCH = Date.UTC(2026, 0, 1);

export async function stubSource(): Promise<StubSource> {
  const [server, prover] = await Promise.all([stubServer(), DPoPProver.generate()]);
  const client = new OAuthClient({ baseUrl: server.origin });
  const known = { clientId: "my-agent", clientSecret: "s3cr3t-of-the-agent" };
  return {
    server,
    prover,
    source: (options = {}) =>
      tokenSource({ client, prover, grantType: "client_credentials", ...known, jitter: 0, ...options }),
    grants: (fields = { expires_in: 600 }) =>
      server.respondWith((response, request, turn) => granted(`t${turn}`, fields)(response, request, turn)),
    close: server.close,
  };
}

export function granted(access_token: string, fields: Record<string, unknown> = { expires_in: 600 }): Responder {
  return json(200, { access_token, token_type: "DPoP", ...fields });
}

/**
 * The clocks alone: servers and sockets go on as they are. Forwards time passes; backwards somebody sets the wall clock,
 * and no time passes.
 */
export function setTime(seconds: number): void {
  if (!vi.isFakeTimers()) vi.useFakeTimers({ toFake: ["Date", "performance"], now: EPOCH });
  const time = EPOCH + seconds * 1000;
  if (time < Date.now()) vi.setSystemTime(time);
  else vi.advanceTimersByTime(time - Date.now());
}

export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await setImmediate();
}
