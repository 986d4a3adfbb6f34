/** Polling of the device flow (RFC 8628 §3.5), with fake time. */
import { createHash } from "node:crypto";
import { inspect } from "node:util";
import {
  type DeviceAuthorizationRequest,
  DPoPProver,
  OAuthClient,
  type OAuthClientOptions,
  type OAuthError,
  type Signer,
  SignerError,
} from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt } from "jose";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";

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

/** A server that returns the codes, then one reply for each poll, and repeats the last one. */
function serverWith(replies: Reply[], response: object = codes) {
  const requests: URLSearchParams[] = [];
  const polls: { at: number; form: URLSearchParams; jti: unknown }[] = [];
  const fetch: typeof globalThis.fetch = async (url, init) => {
    if (String(url).endsWith("/oauth/device")) {
      requests.push(new URLSearchParams(String(init?.body)));
      return Response.json(response);
    }
    const jti = decodeJwt(new Headers(init?.headers).get("dpop") ?? "").jti;
    polls.push({ at: performance.now() / 1000, form: new URLSearchParams(String(init?.body)), jti });
    const reply = replies[Math.min(polls.length, replies.length) - 1];
    if (reply === "silent") return new Promise<Response>(() => undefined);
    if (reply === "broken") throw new TypeError("fetch failed");
    if (typeof reply === "number") return new Response("", { status: reply });
    const status = reply !== undefined && "status" in reply ? Number(reply.status) : undefined;
    return Response.json(reply, { status: status ?? (reply !== undefined && "error" in reply ? 400 : 200) });
  };
  return { fetch, polls, requests };
}

async function start(
  replies: Reply[],
  response: object = codes,
  options: Partial<OAuthClientOptions> = {},
  more: Pick<DeviceAuthorizationRequest, "pkce" | "extra"> = {},
) {
  const { fetch, polls, requests } = serverWith(replies, response);
  const client = new OAuthClient({ baseUrl: "https://auth.example.com", fetch, ...options });
  const startedAt = performance.now() / 1000;
  const device = await client.deviceAuthorization({ clientId: "my-agent", dpopProver: prover, scope: "read", ...more });
  return {
    device,
    polls,
    requests,
    waits: () => polls.map(({ at }, turn) => Math.round(at - (polls[turn - 1]?.at ?? startedAt))),
  };
}

/** Advances the fake time until the promise settles. */
async function settled<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const onSettled = () => {
    isSettled = true;
  };
  promise.then(onSettled, onSettled);
  while (!isSettled) {
    await vi.advanceTimersByTimeAsync(500);
    await new Promise((resolve) => setImmediate(resolve)); // the key signs in real time
  }
  return promise;
}
const errorOf = (work: Promise<unknown>): Promise<OAuthError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

it("keeps polling if the server sends authorization_pending and slow_down with status 200", async () => {
  const withStatus200 = (error: string): Reply => ({ error, status: 200 });
  const { device, waits } = await start([withStatus200("authorization_pending"), withStatus200("slow_down"), token]);
  expect(await settled(device.token())).toMatchObject({ accessToken: "opaque" });
  expect(waits()).toEqual([5, 5, 10]);
});

it("returns the user code and the verification URLs", async () => {
  const { device } = await start([token]);
  expect({ ...device }).toMatchObject({
    userCode: codes.user_code,
    verificationUri: codes.verification_uri,
    verificationUriComplete: codes.verification_uri_complete,
    expiresIn: 600,
  });
});

it.each([{ user_code: "AB\u001b[2J" }, { verification_uri: "https://auth.example.com/\u001b]0;x\u0007" }])(
  "rejects control characters in the text to show: %j",
  async (more) => {
    expect(await errorOf(start([token], { ...codes, ...more }))).toMatchObject({ code: "invalid-response" });
  },
);

it("polls every five seconds by default, with a new proof and only the device code", async () => {
  const { device, polls, waits } = await start([pending, pending, token]);
  expect(await settled(device.token())).toMatchObject({ accessToken: "opaque" });
  expect(waits()).toEqual([5, 5, 5]);
  expect(Object.fromEntries(polls[0]?.form ?? [])).toEqual({
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    client_id: "my-agent",
    device_code: "s3cret-device",
  });
  expect(new Set(polls.map(({ jti }) => jti)).size).toBe(3);
});

describe("PKCE (RFC 7636)", () => {
  const metadata = (methods?: string[]) => ({
    issuer: "https://auth.example.com",
    token_endpoint: "https://auth.example.com/oauth/token",
    device_authorization_endpoint: "https://auth.example.com/oauth/device",
    code_challenge_methods_supported: methods,
  });

  it.each([
    ["the metadata lists S256", { metadata: metadata(["plain", "S256"]) }, {}],
    ["the request demands it", {}, { pkce: true }],
  ])("binds the device code to the verifier of the polls if %s", async (_, options, request) => {
    const { device, requests, polls } = await start([pending, token], codes, options, request);
    await settled(device.token());
    const { code_challenge, code_challenge_method } = Object.fromEntries(requests[0] ?? []);
    expect(code_challenge_method).toBe("S256");
    const verifiers = polls.map(({ form }) => form.get("code_verifier") ?? "");
    expect(verifiers[0]).toHaveLength(43);
    expect(new Set(verifiers).size).toBe(1);
    expect(
      createHash("sha256")
        .update(verifiers[0] ?? "")
        .digest("base64url"),
    ).toBe(code_challenge);
    expect(inspect(device, { showHidden: true, depth: 5 })).not.toContain(verifiers[0]);
  });

  it.each([
    ["the metadata doesn't list S256", { metadata: metadata(["plain"]) }, {}],
    ["there is no metadata", {}, {}],
    ["the request refuses it", { metadata: metadata(["S256"]) }, { pkce: false }],
  ])("isn't used if %s", async (_, options, request) => {
    const { device, requests, polls } = await start([token], codes, options, request);
    await settled(device.token());
    expect(requests[0]?.has("code_challenge")).toBe(false);
    expect(polls[0]?.form.has("code_verifier")).toBe(false);
  });
});

it("sends extra with the polls too, but the scope only with the first request", async () => {
  const { device, requests, polls } = await start([token], codes, {}, { extra: { tenant: "t-1" } });
  await settled(device.token());
  expect([requests[0]?.get("tenant"), polls[0]?.form.get("tenant")]).toEqual(["t-1", "t-1"]);
  expect([requests[0]?.get("scope"), polls[0]?.form.get("scope")]).toEqual(["read", null]);
});

it.each([
  ["numbers as strings", { ...codes, expires_in: "1800", interval: "2" }, 1800, 2],
  [
    "the names of the drafts",
    { device_code: "d", user_code: "u", verification_url: "https://v.example.com", expires_in: 60.5 },
    60.5,
    5,
  ],
])("reads a response with %s", async (_, response, expiresIn, interval) => {
  const { device, waits } = await start([token], response);
  expect(device.expiresIn).toBe(expiresIn);
  expect(device.verificationUri).toMatch(/^https:/);
  await settled(device.token());
  expect(waits()).toEqual([interval]);
});

it("polls at the server's interval and adds five seconds after each slow_down", async () => {
  const { device, waits } = await start([pending, slowDown, pending, slowDown, token], { ...codes, interval: 2 });
  await settled(device.token());
  expect(waits()).toEqual([2, 2, 7, 7, 12]);
});

it("reads numbers that the server sends as strings, and the older name verification_url", async () => {
  const { verification_uri, ...others } = codes;
  const strings = { verification_url: verification_uri, expires_in: "1800", interval: "7" };
  const { device, waits } = await start([pending, token], { ...others, ...strings });
  expect(device).toMatchObject({ expiresIn: 1800, verificationUri: verification_uri });
  await settled(device.token());
  expect(waits()).toEqual([7, 7]);
});

it("doubles the interval after each network error or 5xx", async () => {
  const { device, waits } = await start(["broken", 503, pending, token]);
  await settled(device.token());
  expect(waits()).toEqual([5, 10, 20, 20]);
});

it.each([429, 500, 502, 503])(
  "keeps polling after any number of responses with status %d until the code expires",
  async (status) => {
    const { device, waits } = await start([pending, status, status, pending, token]);
    expect(await settled(device.token())).toMatchObject({ accessToken: "opaque" });
    expect(waits()).toEqual([5, 5, 10, 20, 20]);

    const { device: late, polls } = await start([status], { ...codes, expires_in: 60 });
    expect(await errorOf(settled(late.token()))).toMatchObject({ code: "timeout", error: "expired_token" });
    expect(polls).toHaveLength(3); // after 5, 15 and 35 seconds
  },
);

it.each([0, 0.05])("polls once per second at most, even if the server's interval is %d", async (interval) => {
  const { device, waits } = await start([pending, pending, "broken", token], { ...codes, interval });
  await settled(device.token());
  expect(waits()).toEqual([1, 1, 1, 2]);
});

it("backs off while the key store is unavailable, and stops if it denies access", async () => {
  const { fetch, polls } = serverWith([token]);
  const client = new OAuthClient({ baseUrl: "https://auth.example.com", fetch });
  const faults: ("unavailable" | "access-denied")[] = ["unavailable"];
  const dpopProver = await DPoPProver.create(signerWith(faults));
  const device = await client.deviceAuthorization({ clientId: "my-agent", dpopProver });
  expect(await settled(device.token())).toMatchObject({ accessToken: "opaque" });
  faults.push("access-denied");
  expect(await errorOf(settled(device.token()))).toMatchObject({ code: "access-denied" });
  expect(polls).toHaveLength(1);
});

it("backs off from a server that doesn't respond", async () => {
  const { device, waits } = await start(["silent", token], codes, { timeout: 1_000 });
  await settled(device.token());
  expect(waits()).toEqual([5, 11]); // including one second until the timeout
});

it.each([{ error: "access_denied" }, { error: "expired_token" }, { error: "invalid_grant" }])(
  "stops polling after the response %j",
  async (reply) => {
    const { device, polls } = await start([pending, reply]);
    expect(await errorOf(settled(device.token()))).toMatchObject({ code: "refused", ...reply });
    expect(polls).toHaveLength(2);
  },
);

it("stops when the code has expired, without another poll", async () => {
  const { device, polls } = await start([pending], { ...codes, expires_in: 12 });
  expect(await errorOf(settled(device.token()))).toMatchObject({ code: "timeout", error: "expired_token" });
  expect(polls).toHaveLength(2);
  expect(await errorOf(device.token())).toMatchObject({ error: "expired_token" });
  expect(polls).toHaveLength(2);
});

it("stops when the caller aborts, between polls and during one", async () => {
  const betweenPolls = new AbortController();
  const { device, polls } = await start([pending, "silent"]);
  const token = device.token({ signal: betweenPolls.signal });
  await vi.advanceTimersByTimeAsync(1_000);
  betweenPolls.abort();
  expect(await errorOf(token)).toMatchObject({ code: "aborted" });
  expect(polls).toHaveLength(0);
  expect(await errorOf(device.token({ signal: betweenPolls.signal }))).toMatchObject({ code: "aborted" });

  const duringPoll = new AbortController();
  const second = device.token({ signal: duringPoll.signal });
  second.catch(() => undefined);
  while (polls.length < 2) await settled(Promise.resolve());
  duringPoll.abort();
  expect(await errorOf(second)).toMatchObject({ code: "aborted" });
});

it.each([
  { device_code: undefined },
  { user_code: 7 },
  { verification_uri: "javascript:alert(1)" },
  { expires_in: "soon" },
])("rejects a device authorization response with %j", async (fields) => {
  expect(await errorOf(start([token], { ...codes, ...fields }))).toMatchObject({ code: "invalid-response" });
});

it("limits a very long interval and lifetime instead of overflowing a timer", async () => {
  const { device, polls } = await start([token], { ...codes, interval: 1e12, expires_in: 1e12 });
  expect(device.expiresIn).toBe(86_400);
  const stop = new AbortController();
  const waiting = device.token({ signal: stop.signal });
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(polls).toEqual([]);
  stop.abort();
  expect(await errorOf(waiting)).toMatchObject({ code: "aborted" });
});

/** A signer that fails once with each fault. */
function signerWith(faults: ("unavailable" | "access-denied")[]): Signer {
  const signer = MemorySigner.generate();
  return {
    publicJwk: () => signer.publicJwk(),
    sign: async (data) => {
      const fault = faults.shift();
      if (fault) throw new SignerError(fault, "The key store failed.");
      return signer.sign(data);
    },
    describe: () => signer.describe(),
    close: () => signer.close(),
    [Symbol.asyncDispose]: () => signer.close(),
  };
}
