/** The server's keys: fetched once, shared, and fetched again after a rotation, but not for every unknown key. */
import { DPoPProver, OAuthClient, type OAuthError } from "hardproof";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { type ProviderKey, providerKey, type StubOpenId, stubOpenId } from "../../servers/stub-openid.js";
import { json } from "../../servers/stub-server.js";

const clientId = "my-agent";
const minute = 60_000;
let server: StubOpenId;
let prover: DPoPProver;
let keys: ProviderKey[];
beforeAll(async () => {
  [server, prover] = await Promise.all([stubOpenId(), DPoPProver.generate()]);
  keys = await Promise.all(["one", "two", "three"].map((kid) => providerKey("ES256", kid)));
});
let client: OAuthClient;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
  server.publish(...keys.slice(0, 1).map(({ jwk }) => jwk));
  server.requests.length = 0;
  client = clientOf();
});
afterEach(() => {
  vi.useRealTimers();
});
afterAll(() => server.close());

const clientOf = (options: object = {}) =>
  new OAuthClient({
    baseUrl: server.origin,
    metadata: server.metadata({ id_token_signing_alg_values_supported: ["ES256"] }),
    fetch: (url, init) => fetch(url, init),
    ...options,
  });
/** Completes a login whose ID token is signed by this key. */
async function login(key = keys[0], by = client) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: server.origin, aud: clientId, sub: "alice", exp: now + 300, iat: now };
  const id_token = await key?.sign(claims);
  server.respondToToken({ access_token: "opaque", id_token });
  return by.getTokenWithDPoP({ clientId, dpopProver: prover, grantType: "authorization_code", scope: "openid" });
}
const errorOf = (work: Promise<unknown>): Promise<OAuthError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const requests = () => server.paths().filter((path) => path === "/jwks").length;
const advance = (milliseconds: number) => vi.setSystemTime(Date.now() + milliseconds);

it("are fetched once for concurrent and later logins, and by clients with the same fetch", async () => {
  const shared: typeof fetch = (url, init) => fetch(url, init);
  const [one, two] = [clientOf({ fetch: shared }), clientOf({ fetch: shared })];
  await Promise.all([login(keys[0], one), login(keys[0], two)]);
  await login(keys[0], two);
  expect(requests()).toBe(1);
  await login(keys[0], clientOf());
  expect(requests()).toBe(2);
});

it("are fetched before the code is sent, which can be used only once", async () => {
  await login();
  expect(server.paths()).toEqual(["/jwks", "/token"]);
  server.requests.length = 0;
  server.respondToJwks(json(503, {}));
  expect(await errorOf(login(keys[0], clientOf()))).toMatchObject({ code: "refused", statusCode: 503 });
  expect(server.paths()).toEqual(["/jwks"]);
});

it("are fetched before a refresh token is sent, if there was an ID token before", async () => {
  server.respondToJwks(json(503, {}));
  const idTokenClaims = { iss: server.origin, aud: clientId, sub: "alice", exp: 1, iat: 1 };
  const request = { clientId, dpopProver: prover, refreshToken: "r", idTokenClaims };
  expect(await errorOf(client.refresh(request))).toMatchObject({ statusCode: 503 });
  expect(server.paths()).toEqual(["/jwks"]);
});

it("are fetched again for a key that isn't among the cached ones", async () => {
  await login();
  server.publish(...keys.slice(1).map(({ jwk }) => jwk));
  advance(minute);
  expect((await login(keys[1])).idTokenClaims).toMatchObject({ sub: "alice" });
  expect((await login(keys[2])).idTokenClaims).toMatchObject({ sub: "alice" });
  expect(requests()).toBe(2);
});

it("are fetched again if the server has replaced a key without a new kid", async () => {
  await login();
  const replaced = await providerKey("ES256", "one");
  server.publish(replaced.jwk);
  advance(minute);
  expect((await login(replaced)).idTokenClaims).toMatchObject({ sub: "alice" });
});

it("are fetched again at once for a key that the server made after they were fetched, as Keycloak does", async () => {
  server.publish();
  const publish = () => server.publish(...keys.slice(0, 1).map(({ jwk }) => jwk));
  const publishing = clientOf({
    fetch: (url: string, init: RequestInit) => {
      if (url.endsWith("/token")) publish();
      return fetch(url, init);
    },
  });
  expect((await login(keys[0], publishing)).idTokenClaims).toMatchObject({ sub: "alice" });
  expect(server.paths()).toEqual(["/jwks", "/token", "/jwks"]);
});

it("are fetched again at most once in five seconds, whatever the keys of ID tokens are", async () => {
  await login();
  for (let attempt = 0; attempt < 3; attempt++)
    expect((await errorOf(login(keys[1]))).message).toContain("doesn't contain");
  expect(requests()).toBe(2);
  advance(5001);
  await Promise.all([1, 2, 3].map(() => errorOf(login(keys[1]))));
  expect(requests()).toBe(3);
});

it("aren't fetched again for a wrong claim or algorithm", async () => {
  await login();
  advance(minute);
  const rsa = await providerKey("RS256", "rsa");
  await errorOf(login(rsa));
  await errorOf(login({ ...rsa, sign: (claims) => (keys[0] ?? rsa).sign({ ...claims, iss: "x" }) }));
  expect(requests()).toBe(1);
});

it("are fetched again after ten minutes, so that a withdrawn key isn't accepted for longer", async () => {
  await login();
  server.publish(...keys.slice(1).map(({ jwk }) => jwk));
  advance(10 * minute + 1);
  expect((await errorOf(login(keys[0]))).message).toContain("doesn't contain");
  expect(requests()).toBe(3); // the third one because of the unknown key
});

it("stay cached if they can't be fetched again because of an unknown key", async () => {
  await login();
  advance(minute);
  server.respondToJwks(json(503, {}));
  expect(await errorOf(login(keys[1]))).toMatchObject({ statusCode: 503 });
  expect((await login(keys[0])).idTokenClaims).toMatchObject({ sub: "alice" });
});

it("are fetched again after a failed request", async () => {
  server.respondToJwks(json(503, {}));
  await errorOf(login());
  server.publish(...keys.map(({ jwk }) => jwk));
  expect((await login()).idTokenClaims).toMatchObject({ sub: "alice" });
});

it.each([
  ["a page", (response: { end: (body: string) => void }) => response.end("<html>"), "isn't a JSON Web Key Set"],
  ["no keys", json(200, {}), "isn't a JSON Web Key Set"],
  ["keys that aren't objects", json(200, { keys: ["s"] }), "isn't a JSON Web Key Set"],
  ["1 MiB and a byte", json(200, { keys: [], x: "x".repeat(1 << 20) }), "larger than 1 MiB"],
  ["a redirect", json(302, {}, { location: "/elsewhere" }), "responded with a redirect"],
  ["an error", json(404, {}), "responded with status 404"],
])("aren't accepted from a server that responds with %s", async (_, responder, problem) => {
  server.respondToJwks(responder);
  const error = await errorOf(login());
  expect(error.name).toBe("OAuthError");
  expect(error.message).toContain(problem);
  expect(error.message).toContain("/jwks");
});

it("have half the time of the call, and the error names their URL", async () => {
  server.respondToJwks(() => undefined);
  const error = await errorOf(login(keys[0], clientOf({ timeout: 200 })));
  expect(error).toMatchObject({
    code: "timeout",
    message: expect.stringMatching(/jwks did not respond within 100 ms/),
  });
});

it("aren't waited for by a caller that has aborted, while another caller gets them", async () => {
  let respond: () => void = () => expect.unreachable();
  const requested = new Promise<void>((resolve) => {
    server.respondToJwks((response, request, turn) => {
      respond = () => json(200, { keys: [keys[0]?.jwk] })(response, request, turn);
      resolve();
    });
  });
  const controller = new AbortController();
  const request = { clientId, dpopProver: prover, grantType: "authorization_code", scope: "openid" };
  const aborted = errorOf(client.getTokenWithDPoP({ ...request, signal: controller.signal }));
  const other = login();
  await requested;
  controller.abort();
  expect(await aborted).toMatchObject({ code: "aborted" });
  respond();
  expect((await other).idTokenClaims).toMatchObject({ sub: "alice" });
  expect(requests()).toBe(1);
});
