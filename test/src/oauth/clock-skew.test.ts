/** A wrong system clock: proofs are corrected by the token endpoint's `Date`, once per call and within a limit. */
import { DPoPProver, dpopFetch, OAuthClient } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { authorizationServer } from "../../servers/authorization-server.js";
import { json, type RecordedRequest, type Responder, type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
beforeAll(async () => {
  server = await stubServer();
});
afterAll(() => server.close());

const dateIn = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString();
const iats = () => server.requests.map(({ headers }) => decodeJwt(String(headers.dpop)).iat ?? 0);
const requestToken = (dpopProver: DPoPProver) =>
  new OAuthClient({ baseUrl: server.origin }).clientCredentials({ clientId: "my-agent", dpopProver });

/** A server whose clock is ahead by these seconds, and that accepts proofs of the last minute. */
const serverAhead =
  (seconds: number, error = "invalid_dpop_proof", status = 400): Responder =>
  (response, request, turn) => {
    const iat = decodeJwt(String(request.headers.dpop)).iat ?? 0;
    const isRejected = Math.abs(iat - (Date.now() / 1000 + seconds)) > 60;
    const date = { date: dateIn(seconds) };
    (isRejected ? json(status, { error }, date) : json(200, { access_token: "opaque" }, date))(response, request, turn);
  };

it.each([500, -500])("corrects a clock that is wrong by %d seconds with oidc-provider", async (seconds) => {
  await using as = await authorizationServer({ offerNonces: false });
  const prover = await DPoPProver.generate();
  prover.adjustClock(dateIn(seconds));
  const client = await OAuthClient.discover(as.issuer);
  const token = await client.clientCredentials({ ...as.client, dpopProver: prover });
  expect(token.cnfJkt).toBe(prover.jkt);
  expect(as.requests.filter(({ url }) => url === "/oauth/token").map(({ status }) => status)).toEqual([400, 200]);
  await client.clientCredentials({ ...as.client, dpopProver: prover });
  expect(as.requests.filter(({ url }) => url === "/oauth/token")).toHaveLength(3);
});

it.each([400, 401])(
  "retries a proof that was rejected with %d because of its time, and corrects later proofs",
  async (status) => {
    const prover = await DPoPProver.generate();
    server.respondWith(serverAhead(400, "invalid_dpop_proof", status));
    await requestToken(prover);
    await requestToken(prover);
    const [first = 0, second = 0, third = 0] = iats();
    expect(second - first).toBeGreaterThan(390);
    expect(third - first).toBeGreaterThan(390);
    expect(server.requests).toHaveLength(3);
  },
);

it("retries for all concurrent callers, whichever of them corrected the clock", async () => {
  const prover = await DPoPProver.generate();
  server.respondWith(serverAhead(-400));
  await Promise.all([1, 2, 3, 4].map(() => requestToken(prover)));
  expect(server.requests).toHaveLength(8);
});

it.each(["invalid_grant", "invalid_client", "server_error"])(
  "doesn't correct the clock after the error %s",
  async (error) => {
    server.respondWith(serverAhead(400, error));
    await expect(requestToken(await DPoPProver.generate())).rejects.toMatchObject({ error });
    expect(server.requests).toHaveLength(1);
  },
);

it.each([
  ["retries a client assertion that was rejected because of its time, together with the proof", 400, 2],
  ["doesn't retry a client assertion if the server has the same time", 0, 1],
])("%s", async (_, seconds, requests) => {
  const signer = MemorySigner.generate();
  const client = new OAuthClient({ baseUrl: server.origin, clientAuth: { method: "private_key_jwt", signer } });
  server.respondWith(serverAhead(seconds, "invalid_client", 401));
  if (requests === 1) server.respondWith(json(401, { error: "invalid_client" }, { date: dateIn(0) }));
  const request = client.clientCredentials({ clientId: "my-agent", dpopProver: await DPoPProver.generate() });
  if (requests === 1) await expect(request).rejects.toMatchObject({ error: "invalid_client" });
  else await request;
  const assertions = server.requests.map(({ form }) => decodeJwt(form.get("client_assertion") ?? ""));
  expect(new Set(assertions.map(({ jti }) => jti)).size).toBe(requests);
  expect(assertions.map(({ iat }) => iat)).toEqual(iats());
});

it("doesn't retry a rejected proof if the server has the same time", async () => {
  server.respondWith(json(400, { error: "invalid_dpop_proof" }, { date: dateIn(1) }));
  await expect(requestToken(await DPoPProver.generate())).rejects.toMatchObject({ error: "invalid_dpop_proof" });
  expect(server.requests).toHaveLength(1);
});

it.each([610, 86_400, -610])("ignores a server's clock that differs by %d seconds", async (seconds) => {
  server.respondWith(serverAhead(seconds));
  const prover = await DPoPProver.generate();
  await expect(requestToken(prover)).rejects.toMatchObject({ error: "invalid_dpop_proof" });
  expect([server.requests.length, prover.clockOffsetFor(server.origin)]).toEqual([1, 0]);
});

it("corrects the clock only for the origin whose server rejected the proof, at all of its endpoints", async () => {
  await using other = { ...(await stubServer()), [Symbol.asyncDispose]: () => other.close() };
  other.respondWith(json(200, {}));
  const prover = await DPoPProver.generate();
  server.respondWith(serverAhead(400));
  await requestToken(prover);
  const call = dpopFetch({ prover, token: "opaque" });
  await call(`${server.origin}/resource`);
  await call(other.origin);
  const iat = ({ headers }: RecordedRequest) => (decodeJwt(String(headers.dpop)).iat ?? 0) - Date.now() / 1000;
  expect(server.requests.map(iat).at(-1)).toBeGreaterThan(390);
  expect(Math.abs(other.requests.map(iat)[0] ?? 400)).toBeLessThan(100);
});

it("signs an assertion with the clock of its own server", async () => {
  const signer = MemorySigner.generate();
  const dpopProver = await DPoPProver.create(signer);
  dpopProver.adjustClock(dateIn(300), "https://api.example.com/resource");
  dpopProver.adjustClock(dateIn(-300), server.origin);
  server.respondWith(json(200, { access_token: "opaque" }));
  const client = new OAuthClient({ baseUrl: server.origin, clientAuth: { method: "private_key_jwt", signer } });
  await client.clientCredentials({ clientId: "my-agent", dpopProver });
  const [assertion] = server.requests.map(({ form }) => decodeJwt(form.get("client_assertion") ?? ""));
  expect(assertion?.iat).toBe(iats()[0]);
  expect((assertion?.iat ?? 0) - Date.now() / 1000).toBeLessThan(-200);
});

it("doesn't correct the clock if maxClockSkew is 0", async () => {
  server.respondWith(serverAhead(400));
  const prover = await DPoPProver.create(MemorySigner.generate(), { maxClockSkew: 0 });
  await expect(requestToken(prover)).rejects.toMatchObject({ error: "invalid_dpop_proof" });
  expect(server.requests).toHaveLength(1);
});

it("stops after one retry if the server's clock changes with each response", async () => {
  server.respondWith((response, request, turn) =>
    json(400, { error: "invalid_dpop_proof" }, { date: dateIn(turn * 100) })(response, request, turn),
  );
  await expect(requestToken(await DPoPProver.generate())).rejects.toMatchObject({ error: "invalid_dpop_proof" });
  expect(server.requests).toHaveLength(2);
});
