/** Random lives of a token endpoint that refuses any replay: nonces change, requests fail, callers come at once. */

import fc from "fast-check";
import { DPoPProver, OAuthClient, OAuthError } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { EmbeddedJWK, type JWTPayload, jwtVerify } from "jose";
import { expect, it } from "vitest";

const baseUrl = "https://auth.example.com";
const signer = MemorySigner.generate();

/** What befalls the server as a request arrives, once there has been a first token. */
type Event = "nothing" | "rotate" | "fail" | "drop" | "drop after" | "clock";

/** RFC 9449 §4.3, §8 and §11.1, and RFC 7523 §3: whatever was signed is good once, with the last nonce, for a minute. */
function modelServer(events: readonly Event[]) {
  const requests: string[] = [];
  const befell: Event[] = [];
  const used = new Set<unknown>();
  const seen = { replays: 0, nonces: 0, clock: 0 };
  const accept = (claims: JWTPayload) => {
    if (used.has(claims.jti)) seen.replays++;
    used.add(claims.jti);
  };

  const fetch: typeof globalThis.fetch = async (url, init) => {
    const event = (requests.length >= 2 ? events[requests.length - 2] : undefined) ?? "nothing";
    befell.push(event);
    const form = new URLSearchParams(String(init?.body));
    requests.push(form.get("scope") ?? "");
    if (event === "drop") throw new TypeError("fetch failed");
    if (event === "rotate") seen.nonces++;
    if (event === "clock") seen.clock = seen.clock === 0 ? 300 : 0;

    const { payload } = await jwtVerify(new Headers(init?.headers).get("dpop") ?? "", EmbeddedJWK, { typ: "dpop+jwt" });
    accept(payload);
    accept((await jwtVerify(form.get("client_assertion") ?? "", EmbeddedKey, { clockTolerance: 3600 })).payload);
    expect(payload).toMatchObject({ htm: "POST", htu: String(url) });
    const headers = { "dpop-nonce": `nonce-${seen.nonces}`, date: new Date(now()).toUTCString() };
    if (event === "drop after") throw new TypeError("fetch failed");
    if (event === "fail") return Response.json({}, { status: 500, headers });
    const no = (error: string) => Response.json({ error }, { status: 400, headers });
    if (Math.abs((payload.iat ?? 0) - now() / 1000) > 60) return no("invalid_dpop_proof");
    if (payload.nonce !== headers["dpop-nonce"]) return no("use_dpop_nonce");
    return Response.json({ access_token: "opaque", token_type: "DPoP" }, { headers });
  };
  const now = () => Date.now() + seen.clock * 1000;
  return { fetch, requests, befell, seen };
}

const EmbeddedKey = async () => ({ ...(await signer.publicJwk()), alg: "ES256" });

const lives = fc.record({
  events: fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant("nothing" as const) },
      fc.constantFrom<Event>("rotate", "fail", "drop", "drop after", "clock"),
    ),
    { maxLength: 30 },
  ),
  crowds: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }),
});

it("shows no proof or assertion twice, asks three times at most, and loses no token to a nonce or a clock alone", async () => {
  await fc.assert(
    fc.asyncProperty(lives, async ({ events, crowds }) => {
      const server = modelServer(events);
      const client = new OAuthClient({
        baseUrl,
        fetch: server.fetch,
        clientAuth: { method: "private_key_jwt", signer },
      });
      const dpopProver = await DPoPProver.generate();
      let call = 0;
      const ask = async () => {
        const scope = `call-${++call}`;
        const began = server.requests.length;
        const outcome = await client
          .clientCredentials({ clientId: "my-agent", dpopProver, scope })
          .catch((error: unknown) => error);
        const own = server.requests.filter((one) => one === scope).length;
        return { outcome, own, befell: server.befell.slice(began) };
      };
      expect((await ask()).own).toBe(2); // the first nonce
      for (const crowd of crowds)
        for (const { outcome, own, befell } of await Promise.all(Array.from({ length: crowd }, ask))) {
          expect(own).toBeLessThanOrEqual(3);
          if (isCurable(befell)) expect(outcome).toHaveProperty("accessToken", "opaque");
          else if (outcome instanceof Error) expect(outcome).toBeInstanceOf(OAuthError);
        }
      expect(server.seen.replays).toBe(0);
    }),
    { numRuns: 40 },
  );
});

function isCurable(befell: readonly Event[]): boolean {
  const times = (event: Event) => befell.filter((one) => one === event).length;
  return befell.every((event) => /nothing|rotate|clock/.test(event)) && times("rotate") <= 1 && times("clock") <= 1;
}
