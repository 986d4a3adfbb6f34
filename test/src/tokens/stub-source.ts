/** Token sources with a stub authorization server and fake time. */
import { setImmediate } from "node:timers/promises";
import { DPoPProver, OAuthClient, type RotatableTokenSource, type TokenSourceOptions, tokenSource } from "hardproof";
import { vi } from "vitest";
import { json, type Responder, type StubServer, stubServer } from "../../servers/stub-server.js";

/** Options of a source whose tokens are bound to a key. */
export type SourceOptions = Partial<Omit<TokenSourceOptions, "prover" | "binding">> & { prover?: DPoPProver };

/** A stub authorization server, and token sources that use it. */
export interface StubSource {
  readonly server: StubServer;
  readonly prover: DPoPProver;
  source(options?: SourceOptions): RotatableTokenSource;
  /** Responds to each request with a new token `t1`, `t2`, … and these fields. */
  issueTokens(fields?: Record<string, unknown>): void;
  close(): Promise<void>;
}

/** The start of the fake time, in milliseconds. */
export const EPOCH = Date.UTC(2026, 0, 1);

/** Starts the server. */
export async function stubSource(): Promise<StubSource> {
  const [server, prover] = await Promise.all([stubServer(), DPoPProver.generate()]);
  const client = new OAuthClient({ baseUrl: server.origin });
  const agent = { clientId: "my-agent", clientSecret: "s3cr3t-of-the-agent" };
  return {
    server,
    prover,
    source: (options = {}) =>
      tokenSource({ client, prover, grantType: "client_credentials", ...agent, jitter: 0, ...options }),
    issueTokens: (fields = { expires_in: 600 }) =>
      server.respondWith((response, request, turn) => tokenResponse(`t${turn}`, fields)(response, request, turn)),
    close: server.close,
  };
}

/** Responds with a token and these fields. */
export function tokenResponse(access_token: string, fields: Record<string, unknown> = { expires_in: 600 }): Responder {
  return json(200, { access_token, token_type: "DPoP", ...fields });
}

/**
 * Sets fake time, in seconds after `EPOCH`, without affecting sockets. Advances the wall clock and the monotonic clock. A
 * time in the past sets back only the wall clock, as an administrator could.
 */
export function setTime(seconds: number): void {
  if (!vi.isFakeTimers()) vi.useFakeTimers({ toFake: ["Date", "performance"], now: EPOCH });
  const time = EPOCH + seconds * 1000;
  if (time < Date.now()) vi.setSystemTime(time);
  else vi.advanceTimersByTime(time - Date.now());
}

/** Waits in turns of the event loop until the condition is true. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await setImmediate();
}
