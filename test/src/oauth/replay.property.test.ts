/** Random sequences of nonce changes, failures and concurrent callers, with a token endpoint that detects every replay. */

import fc from "fast-check";
import { DPoPProver, OAuthClient, OAuthError } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { EmbeddedJWK, type JWTPayload, jwtVerify } from "jose";
import { expect, it } from "vitest";

const baseUrl = "https://auth.example.com";
const signer = MemorySigner.generate();

/** What happens when a request arrives, after the first token. */
type Event = "nothing" | "rotate" | "fail" | "drop" | "drop after" | "clock";

/** Accepts each proof and assertion once, with the latest nonce, for a minute (RFC 9449 §4.3, §8, §11.1, RFC 7523 §3). */
function modelServer(events: readonly Event[]) {
  const requests: string[] = [];
  const happened: Event[] = [];
  const used = new Set<unknown>();
  const state = { replays: 0, nonces: 0, clock: 0 };
  const accept = (claims: JWTPayload) => {
    if (used.has(claims.jti)) state.replays++;
    used.add(claims.jti);
  };

  const fetch: typeof globalThis.fetch = async (url, init) => {
    const event = (requests.length >= 2 ? events[requests.length - 2] : undefined) ?? "nothing";
    happened.push(event);
    const form = new URLSearchParams(String(init?.body));
    requests.push(form.get("scope") ?? "");
    if (event === "drop") throw new TypeError("fetch failed");
    if (event === "rotate") state.nonces++;
    if (event === "clock") state.clock = state.clock === 0 ? 300 : 0;

    const { payload } = await jwtVerify(new Headers(init?.headers).get("dpop") ?? "", EmbeddedJWK, { typ: "dpop+jwt" });
    accept(payload);
    accept((await jwtVerify(form.get("client_assertion") ?? "", EmbeddedKey, { clockTolerance: 3600 })).payload);
    expect(payload).toMatchObject({ htm: "POST", htu: String(url) });
    const headers = { "dpop-nonce": `nonce-${state.nonces}`, date: new Date(now()).toUTCString() };
    if (event === "drop after") throw new TypeError("fetch failed");
    if (event === "fail") return Response.json({}, { status: 500, headers });
    const reject = (error: string) => Response.json({ error }, { status: 400, headers });
    if (Math.abs((payload.iat ?? 0) - now() / 1000) > 60) return reject("invalid_dpop_proof");
    if (payload.nonce !== headers["dpop-nonce"]) return reject("use_dpop_nonce");
    return Response.json({ access_token: "opaque", token_type: "DPoP" }, { headers });
  };
  const now = () => Date.now() + state.clock * 1000;
  return { fetch, requests, happened, state };
}

const EmbeddedKey = async () => ({ ...(await signer.publicJwk()), alg: "ES256" });

const scenarios = fc.record({
  events: fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant("nothing" as const) },
      fc.constantFrom<Event>("rotate", "fail", "drop", "drop after", "clock"),
    ),
    { maxLength: 30 },
  ),
  groups: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }),
});

it("never reuses a proof or assertion, sends three requests at most, and recovers from one nonce and one clock change", async () => {
  await fc.assert(
    fc.asyncProperty(scenarios, async ({ events, groups }) => {
      const server = modelServer(events);
      const client = new OAuthClient({
        baseUrl,
        fetch: server.fetch,
        clientAuth: { method: "private_key_jwt", signer },
      });
      const dpopProver = await DPoPProver.generate();
      let call = 0;
      const requestToken = async () => {
        const scope = `call-${++call}`;
        const start = server.requests.length;
        const outcome = await client
          .clientCredentials({ clientId: "my-agent", dpopProver, scope })
          .catch((error: unknown) => error);
        const own = server.requests.filter((request) => request === scope).length;
        return { outcome, own, happened: server.happened.slice(start) };
      };
      expect((await requestToken()).own).toBe(2); // the first nonce
      for (const size of groups)
        for (const { outcome, own, happened } of await Promise.all(Array.from({ length: size }, requestToken))) {
          expect(own).toBeLessThanOrEqual(3);
          if (canSucceed(happened)) expect(outcome).toHaveProperty("accessToken", "opaque");
          else if (outcome instanceof Error) expect(outcome).toBeInstanceOf(OAuthError);
        }
      expect(server.state.replays).toBe(0);
    }),
    { numRuns: 40 },
  );
});

function canSucceed(happened: readonly Event[]): boolean {
  const times = (event: Event) => happened.filter((other) => other === event).length;
  return happened.every((event) => /nothing|rotate|clock/.test(event)) && times("rotate") <= 1 && times("clock") <= 1;
}
