/** A machine whose clock is wrong: the token endpoint's `Date` sets it right, once and within bounds. */
import { DPoPProver, OAuthClient } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { authorizationServer } from "../../servers/authorization-server.js";
import { json, type Responder, type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
beforeAll(async () => {
  server = await stubServer();
});
afterAll(() => server.close());

const dateIn = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString();
const iats = () => server.requests.map(({ headers }) => decodeJwt(String(headers.dpop)).iat ?? 0);
const ask = (dpopProver: DPoPProver) =>
  new OAuthClient({ baseUrl: server.origin }).clientCredentials({ clientId: "my-agent", dpopProver });

/** A token for proofs of the last minute, by a clock that is ahead by so many seconds. */
const ahead =
  (seconds: number, error = "invalid_dpop_proof", status = 400): Responder =>
  (response, request, turn) => {
    const iat = decodeJwt(String(request.headers.dpop)).iat ?? 0;
    const late = Math.abs(iat - (Date.now() / 1000 + seconds)) > 60;
    const date = { date: dateIn(seconds) };
    (late ? json(status, { error }, date) : json(200, { access_token: "opaque" }, date))(response, request, turn);
  };

it.each([500, -500])("a clock that is wrong by %d seconds is set right by oidc-provider", async (seconds) => {
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
  "a proof that is refused with %d for its time gets one more, and later ones are right",
  async (status) => {
    const prover = await DPoPProver.generate();
    server.respondWith(ahead(400, "invalid_dpop_proof", status));
    await ask(prover);
    await ask(prover);
    const [first = 0, second = 0, third = 0] = iats();
    expect(second - first).toBeGreaterThan(390);
    expect(third - first).toBeGreaterThan(390);
    expect(server.requests).toHaveLength(3);
  },
);

it("callers at the same time all get their second try, whichever of them set the clock", async () => {
  const prover = await DPoPProver.generate();
  server.respondWith(ahead(-400));
  await Promise.all([1, 2, 3, 4].map(() => ask(prover)));
  expect(server.requests).toHaveLength(8);
});

it.each(["invalid_grant", "invalid_client", "invalid_request", "server_error"])(
  "%s is no word on the proof's time",
  async (error) => {
    server.respondWith(ahead(400, error));
    await expect(ask(await DPoPProver.generate())).rejects.toMatchObject({ error });
    expect(server.requests).toHaveLength(1);
  },
);

it.each([
  ["gets one more, as does its proof, both at the right time", 400, 2],
  ["that is refused at the same time of day gets no other", 0, 1],
])("a client assertion %s", async (_, seconds, requests) => {
  const signer = MemorySigner.generate();
  const client = new OAuthClient({ baseUrl: server.origin, clientAuth: { method: "private_key_jwt", signer } });
  server.respondWith(ahead(seconds, "invalid_client", 401));
  if (requests === 1) server.respondWith(json(401, { error: "invalid_client" }, { date: dateIn(0) }));
  const asking = client.clientCredentials({ clientId: "my-agent", dpopProver: await DPoPProver.generate() });
  if (requests === 1) await expect(asking).rejects.toMatchObject({ error: "invalid_client" });
  else await asking;
  const assertions = server.requests.map(({ form }) => decodeJwt(form.get("client_assertion") ?? ""));
  expect(new Set(assertions.map(({ jti }) => jti)).size).toBe(requests);
  expect(assertions.map(({ iat }) => iat)).toEqual(iats());
});

it("a proof that is refused at the same time of day is refused for something else", async () => {
  server.respondWith(json(400, { error: "invalid_dpop_proof" }, { date: dateIn(1) }));
  await expect(ask(await DPoPProver.generate())).rejects.toMatchObject({ error: "invalid_dpop_proof" });
  expect(server.requests).toHaveLength(1);
});

it.each([610, 86_400, -610])("a server's clock that is off by %d seconds is not believed", async (seconds) => {
  server.respondWith(ahead(seconds));
  const prover = await DPoPProver.generate();
  await expect(ask(prover)).rejects.toMatchObject({ error: "invalid_dpop_proof" });
  expect([server.requests.length, prover.clockOffset]).toEqual([1, 0]);
});

it("can be turned off", async () => {
  server.respondWith(ahead(400));
  const prover = await DPoPProver.create(MemorySigner.generate(), { maxClockSkew: 0 });
  await expect(ask(prover)).rejects.toMatchObject({ error: "invalid_dpop_proof" });
  expect(server.requests).toHaveLength(1);
});

it("a clock that jumps with each answer ends after the second try", async () => {
  server.respondWith((response, request, turn) =>
    json(400, { error: "invalid_dpop_proof" }, { date: dateIn(turn * 100) })(response, request, turn),
  );
  await expect(ask(await DPoPProver.generate())).rejects.toMatchObject({ error: "invalid_dpop_proof" });
  expect(server.requests).toHaveLength(2);
});
