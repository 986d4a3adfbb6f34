/** Tracing of token requests: what is published, without any secret. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { DPoPProver, OAuthClient } from "hardproof";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

const SECRETS = /s3cret/;
const events = ["start", "asyncEnd", "error"] as const;
let server: StubServer;
let prover: DPoPProver;
let messages: [string, Record<string, unknown>][] = [];
const listeners = events.map(
  (event) =>
    [`tracing:hardproof.token:${event}`, (message: unknown) => messages.push([event, { ...Object(message) }])] as const,
);
beforeAll(async () => {
  [server, prover] = await Promise.all([stubServer(), DPoPProver.generate()]);
});
beforeEach(() => {
  messages = [];
  for (const [channel, listener] of listeners) subscribe(channel, listener);
});
afterEach(() => {
  for (const [channel, listener] of listeners) unsubscribe(channel, listener);
});
afterAll(() => server.close());

const refresh = () =>
  new OAuthClient({ baseUrl: server.origin }).refresh({
    clientId: "my-agent",
    clientSecret: "s3cret-of-client",
    dpopProver: prover,
    refreshToken: "s3cret-refresh",
  });
const request = () => ({
  url: `${server.origin}/oauth/token`,
  grantType: "refresh_token",
  clientId: "my-agent",
  jkt: prover.jkt,
  uri: "memory:",
});
const ended = (statusCode: number | undefined, outcome: string) => ({
  ...request(),
  ...(statusCode === undefined ? {} : { statusCode }),
  outcome,
  duration: expect.any(Number),
});

it("publishes one start and one end for a token request with a retry", async () => {
  const challenge = json(400, { error: "use_dpop_nonce" }, { "dpop-nonce": "n" });
  const token = json(200, { access_token: "s3cret-token", refresh_token: "s3cret-next" });
  server.respondWith((response, request, turn) => (turn === 1 ? challenge : token)(response, request, turn));
  await refresh();
  expect(messages).toEqual([
    ["start", request()],
    ["asyncEnd", ended(200, "ok")],
  ]);
  expect(JSON.stringify(messages)).not.toMatch(SECRETS);
});

it("publishes an error and an end with the status for an error response", async () => {
  server.respondWith((response, { body, headers }) => response.writeHead(401).end(body + headers.dpop));
  const error = await refresh().catch((reason) => reason);
  expect(messages.map(([event]) => event)).toEqual(["start", "error", "asyncEnd"]);
  expect(messages.at(-1)?.[1]).toEqual({ ...ended(401, "refused"), error });
  expect(JSON.stringify(messages)).not.toMatch(SECRETS);
});

it("publishes no status if there was no response", async () => {
  server.respondWith((response) => response.destroy());
  const error = await refresh().catch((reason) => reason);
  expect(messages.at(-1)?.[1]).toEqual({ ...ended(undefined, "unreachable"), error });
});

it("publishes the outcome binding for a token that is bound to a different key", async () => {
  server.respondWith(json(200, { access_token: "s3cret-token", cnf: { jkt: "another" } }));
  await refresh().catch(() => undefined);
  expect(messages.at(-1)?.[1]).toMatchObject({ statusCode: 200, outcome: "binding" });
  expect(JSON.stringify(messages)).not.toMatch(SECRETS);
});
