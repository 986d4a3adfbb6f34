/** How often a device asks, and when it stops (RFC 8628 §3.5). Time is the test's own. */
import { DPoPProver, OAuthClient, type OAuthClientOptions, type OAuthError, type Signer, SignerError } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt } from "jose";
import { afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";

let prover: DPoPProver;
beforeAll(async () => {
  prover = await DPoPProver.generate();
});
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

const codes = {
  device_code: "s3cret-device",
  user_code: "ABCD-EFGH",
  verification_uri: "https://auth.example.com/device",
  verification_uri_complete: "https://auth.example.com/device?user_code=ABCD-EFGH",
  expires_in: 600,
};
type Reply = object | number | "silent" | "broken";
const pending = { error: "authorization_pending" };
const slowDown = { error: "slow_down" };
const token = { access_token: "opaque", token_type: "DPoP" };

/** A server that gives the codes, then one reply after another, the last one for ever. */
function serverWith(replies: Reply[], given: object = codes) {
  const polls: { at: number; form: URLSearchParams; jti: unknown }[] = [];
  const fetch: typeof globalThis.fetch = async (url, init) => {
    if (String(url).endsWith("/oauth/device")) return Response.json(given);
    const jti = decodeJwt(new Headers(init?.headers).get("dpop") ?? "").jti;
    polls.push({ at: performance.now() / 1000, form: new URLSearchParams(String(init?.body)), jti });
    const reply = replies[Math.min(polls.length, replies.length) - 1];
    if (reply === "silent") return new Promise<Response>(() => undefined);
    if (reply === "broken") throw new TypeError("fetch failed");
    if (typeof reply === "number") return new Response("", { status: reply });
    return Response.json(reply, { status: reply !== undefined && "error" in reply ? 400 : 200 });
  };
  return { fetch, polls };
}

async function start(replies: Reply[], given: object = codes, options: Partial<OAuthClientOptions> = {}) {
  const { fetch, polls } = serverWith(replies, given);
  const client = new OAuthClient({ baseUrl: "https://auth.example.com", fetch, ...options });
  const began = performance.now() / 1000;
  const device = await client.deviceAuthorization({ clientId: "my-agent", dpopProver: prover, scope: "read" });
  return { device, polls, waits: () => polls.map(({ at }, turn) => Math.round(at - (polls[turn - 1]?.at ?? began))) };
}

/** Lets time pass until it has ended, one way or the other. */
async function ended<T>(waiting: Promise<T>): Promise<T> {
  let over = false;
  const mark = () => {
    over = true;
  };
  waiting.then(mark, mark);
  while (!over) {
    await vi.advanceTimersByTimeAsync(500);
    await new Promise((resolve) => setImmediate(resolve)); // the key signs outside of the test's time
  }
  return waiting;
}
const refused = (asking: Promise<unknown>): Promise<OAuthError> =>
  asking.then(
    () => expect.unreachable(),
    (error) => error,
  );

it("shows the code and where to enter it", async () => {
  const { device } = await start([token]);
  expect({ ...device }).toMatchObject({
    userCode: codes.user_code,
    verificationUri: codes.verification_uri,
    verificationUriComplete: codes.verification_uri_complete,
    expiresIn: 600,
  });
});

it.each([{ user_code: "AB\u001b[2J" }, { verification_uri: "https://auth.example.com/\u001b]0;x\u0007" }])(
  "shows nothing that would move a terminal's cursor: %j",
  async (more) => {
    expect(await refused(start([token], { ...codes, ...more }))).toMatchObject({ code: "invalid-response" });
  },
);

it("asks every five seconds unless the server says otherwise, with a fresh proof and the code alone", async () => {
  const { device, polls, waits } = await start([pending, pending, token]);
  expect(await ended(device.token())).toMatchObject({ accessToken: "opaque" });
  expect(waits()).toEqual([5, 5, 5]);
  expect(Object.fromEntries(polls[0]?.form ?? [])).toEqual({
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    client_id: "my-agent",
    device_code: "s3cret-device",
  });
  expect(new Set(polls.map(({ jti }) => jti)).size).toBe(3);
});

it("asks as often as the server says, and five seconds more seldom for each slow_down", async () => {
  const { device, waits } = await start([pending, slowDown, pending, slowDown, token], { ...codes, interval: 2 });
  await ended(device.token());
  expect(waits()).toEqual([2, 2, 7, 7, 12]);
});

it("asks half as often each time that no answer comes, or a 5xx", async () => {
  const { device, waits } = await start(["broken", 503, pending, token]);
  await ended(device.token());
  expect(waits()).toEqual([5, 10, 20, 20]);
});

it.each([429, 500, 502, 503])("loses no code to a %d, however often it comes while the code lasts", async (status) => {
  const { device, waits } = await start([pending, status, status, pending, token]);
  expect(await ended(device.token())).toMatchObject({ accessToken: "opaque" });
  expect(waits()).toEqual([5, 5, 10, 20, 20]);

  const { device: late, polls } = await start([status], { ...codes, expires_in: 60 });
  expect(await refused(ended(late.token()))).toMatchObject({ code: "timeout", error: "expired_token" });
  expect(polls).toHaveLength(3); // after 5, 15 and 35 seconds
});

it.each([0, 0.05])("asks once a second at most, also where the server says %d", async (interval) => {
  const { device, waits } = await start([pending, pending, "broken", token], { ...codes, interval });
  await ended(device.token());
  expect(waits()).toEqual([1, 1, 1, 2]);
});

it("backs off from a key store that is away, and ends with one that refuses", async () => {
  const { fetch, polls } = serverWith([token]);
  const client = new OAuthClient({ baseUrl: "https://auth.example.com", fetch });
  const faults: ("unavailable" | "access-denied")[] = ["unavailable"];
  const dpopProver = await DPoPProver.create(signerWith(faults));
  const device = await client.deviceAuthorization({ clientId: "my-agent", dpopProver });
  expect(await ended(device.token())).toMatchObject({ accessToken: "opaque" });
  faults.push("access-denied");
  expect(await refused(ended(device.token()))).toMatchObject({ code: "access-denied" });
  expect(polls).toHaveLength(1);
});

it("backs off from a server that is silent", async () => {
  const { device, waits } = await start(["silent", token], codes, { timeout: 1_000 });
  await ended(device.token());
  expect(waits()).toEqual([5, 11]); // one second of silence
});

it.each([{ error: "access_denied" }, { error: "expired_token" }, { error: "invalid_grant" }])(
  "ends with %j",
  async (reply) => {
    const { device, polls } = await start([pending, reply]);
    expect(await refused(ended(device.token()))).toMatchObject({ code: "refused", ...reply });
    expect(polls).toHaveLength(2);
  },
);

it("ends when the code has expired, without asking again", async () => {
  const { device, polls } = await start([pending], { ...codes, expires_in: 12 });
  expect(await refused(ended(device.token()))).toMatchObject({ code: "timeout", error: "expired_token" });
  expect(polls).toHaveLength(2);
  expect(await refused(device.token())).toMatchObject({ error: "expired_token" });
  expect(polls).toHaveLength(2);
});

it("ends when the caller gives up, waiting or asking", async () => {
  const waiting = new AbortController();
  const { device, polls } = await start([pending, "silent"]);
  const token = device.token({ signal: waiting.signal });
  await vi.advanceTimersByTimeAsync(1_000);
  waiting.abort();
  expect(await refused(token)).toMatchObject({ code: "aborted" });
  expect(polls).toHaveLength(0);
  expect(await refused(device.token({ signal: waiting.signal }))).toMatchObject({ code: "aborted" });

  const asking = new AbortController();
  const second = device.token({ signal: asking.signal });
  second.catch(() => undefined);
  while (polls.length < 2) await ended(Promise.resolve());
  asking.abort();
  expect(await refused(second)).toMatchObject({ code: "aborted" });
});

it.each([
  { device_code: undefined },
  { user_code: 7 },
  { verification_uri: "javascript:alert(1)" },
  { expires_in: "soon" },
])("refuses codes with %j", async (wrong) => {
  expect(await refused(start([token], { ...codes, ...wrong }))).toMatchObject({ code: "invalid-response" });
});

it("is not hurried by an interval of for ever, nor by a code that never expires", async () => {
  const { device, polls } = await start([token], { ...codes, interval: 1e12, expires_in: 1e12 });
  expect(device.expiresIn).toBe(86_400);
  const stop = new AbortController();
  const waiting = device.token({ signal: stop.signal });
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(polls).toEqual([]);
  stop.abort();
  expect(await refused(waiting)).toMatchObject({ code: "aborted" });
});

/** A key that fails once for each fault. */
function signerWith(faults: ("unavailable" | "access-denied")[]): Signer {
  const signer = MemorySigner.generate();
  return {
    alg: signer.alg,
    publicJwk: () => signer.publicJwk(),
    sign: async (data) => {
      const fault = faults.shift();
      if (fault) throw new SignerError(fault, "the key store is away");
      return signer.sign(data);
    },
    describe: () => signer.describe(),
    close: () => signer.close(),
    [Symbol.asyncDispose]: () => signer.close(),
  };
}
