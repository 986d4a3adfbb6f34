/** `proofSession`: the headers of requests for libraries without a `fetch`, and which responses are worth another attempt. */
import { hash } from "node:crypto";
import { inspect } from "node:util";
import fc from "fast-check";
import { DPoPProver, proofSession, type SessionResponse, Token, type TokenSource } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { describe, expect, it } from "vitest";
import { relevantHeaders } from "../../../src/resource/response-headers.js";
import { errorOf, TOKEN } from "../../servers/stub-resource.js";

const url = "https://api.example.com/resource";
const get = { method: "GET", url, token: TOKEN };
const challenge = (error: string, headers = {}): SessionResponse => ({
  status: 401,
  headers: { "www-authenticate": `DPoP error="${error}", algs="ES256"`, ...headers },
});
const nonceChallenge = (nonce: string) => challenge("use_dpop_nonce", { "dpop-nonce": nonce });

async function newSession(options = {}) {
  const prover = await DPoPProver.generate();
  const session = proofSession({ prover, ...options });
  return { prover, session };
}

describe("headers", () => {
  it("contain the token with the scheme DPoP, and a proof with its hash", async () => {
    const { session } = await newSession();
    const { dpop, authorization } = await session.request({ ...get, url: new URL(`${url}?a=1#b`) }).headers();
    expect(authorization).toBe(`DPoP ${TOKEN}`);
    expect(decodeJwt(dpop)).toMatchObject({ htm: "GET", htu: url, ath: hash("sha256", TOKEN, "base64url") });
  });

  it("contain only a proof without a token", async () => {
    const { session } = await newSession();
    const headers = await session.request({ method: "post", url }).headers();
    expect(Object.keys(headers)).toEqual(["dpop"]);
    expect(decodeJwt(headers.dpop)).toEqual({
      jti: expect.any(String),
      htm: "POST",
      htu: url,
      iat: expect.any(Number),
    });
  });

  it("have a new proof each time", async () => {
    const { session } = await newSession();
    const attempt = session.request(get);
    const all = await Promise.all([attempt.headers(), attempt.headers(), session.request(get).headers()]);
    expect(new Set(all.map(({ dpop }) => decodeJwt(dpop).jti)).size).toBe(3);
  });

  it("have the token that the source returns at that time, and fail if it is bound to a different key", async () => {
    const { session, prover } = await newSession();
    const tokens = [
      new Token({}, "first"),
      new Token({ cnf: { jkt: prover.jkt } }, "second"),
      new Token({ cnf: { jkt: "x" } }, "z"),
    ];
    const source: TokenSource = {
      token: async () => tokens.shift() ?? expect.unreachable(),
      renew: () => expect.unreachable(),
    };
    const attempt = session.request({ ...get, token: source });
    expect((await attempt.headers()).authorization).toBe("DPoP first");
    expect((await attempt.headers()).authorization).toBe("DPoP second");
    expect(await errorOf(attempt.headers())).toMatchObject({ code: "invalid-access-token" });
  });

  it("reject with the key's error, and with the one of an aborted signal", async () => {
    const signer = MemorySigner.generate();
    const prover = await DPoPProver.create(signer);
    const attempt = proofSession({ prover }).request(get);
    expect(await errorOf(attempt.headers({ signal: AbortSignal.abort() }))).toMatchObject({ code: "aborted" });
    await signer.close();
    expect(await errorOf(attempt.headers())).toMatchObject({ name: "SignerError" });
  });
});

describe("another attempt", () => {
  it("answers a nonce challenge once, and the nonce is in later proofs", async () => {
    const { session } = await newSession();
    const attempt = session.request(get);
    await attempt.headers();
    expect(await attempt.canRetry(nonceChallenge("n1"))).toBe(true);
    expect(decodeJwt((await attempt.headers()).dpop).nonce).toBe("n1");
    expect(await attempt.canRetry(nonceChallenge("n2"))).toBe(false);
    expect(decodeJwt((await session.request(get).headers()).dpop).nonce).toBe("n2");
  });

  it("caches the nonce of a response of any status, by origin and role", async () => {
    const { session } = await newSession();
    const other = { ...get, url: "https://other.example.com/resource" };
    for (const [request, nonce] of [
      [get, "rs"],
      [other, "other"],
      [{ method: "POST", url }, "as"],
    ] as const) {
      const attempt = session.request(request);
      await attempt.headers();
      expect(await attempt.canRetry({ status: 200, headers: { "dpop-nonce": nonce } })).toBe(false);
    }
    const nonceOf = async (request: Parameters<typeof session.request>[0]) =>
      decodeJwt((await session.request(request).headers()).dpop).nonce;
    expect([await nonceOf(get), await nonceOf(other), await nonceOf({ method: "POST", url })]).toEqual([
      "rs",
      "other",
      "as",
    ]);
  });

  it.each<[string, unknown, boolean]>([
    ["text", '{"error":"use_dpop_nonce"}', true],
    ["bytes", Buffer.from('{"error":"use_dpop_nonce"}'), true],
    ["an object", { error: "use_dpop_nonce" }, true],
    ["another error", { error: "invalid_grant" }, false],
    ["malformed text", '{"error":', false],
    ["nothing", undefined, false],
    ["null", null, false],
  ])("reads an authorization server's error from %s", async (_, body, expected) => {
    const { session } = await newSession();
    for (const status of [400, 401]) {
      const attempt = session.request({ method: "POST", url });
      await attempt.headers();
      expect(await attempt.canRetry({ status, headers: { "dpop-nonce": `n${status}` }, body })).toBe(expected);
    }
  });

  it("corrects the clock once, unless adjustClock is false", async () => {
    for (const adjustClock of [true, false]) {
      const { session, prover } = await newSession({ adjustClock });
      const attempt = session.request(get);
      await attempt.headers();
      const date = (seconds: number) => ({ date: new Date(Date.now() + seconds * 1000).toUTCString() });
      expect(await attempt.canRetry(challenge("invalid_dpop_proof", date(-180)))).toBe(adjustClock);
      expect(Math.round(prover.clockOffsetFor(url) / 60) + 0).toBe(adjustClock ? -3 : 0);
      await attempt.headers();
      expect(await attempt.canRetry(challenge("invalid_dpop_proof", date(180)))).toBe(false);
    }
  });

  it("has a token that the source renewed after a rejected one, once", async () => {
    const { session } = await newSession();
    let current = new Token({}, "first");
    const renewed: unknown[] = [];
    const source: TokenSource = {
      token: async () => current,
      renew: async (rejected) => {
        renewed.push(rejected);
        current = new Token({}, `second-${renewed.length}`);
        return current;
      },
    };
    const attempt = session.request({ ...get, token: source });
    await attempt.headers();
    expect(await attempt.canRetry(challenge("invalid_token"))).toBe(true);
    expect((await attempt.headers()).authorization).toBe("DPoP second-1");
    expect(await attempt.canRetry(challenge("invalid_token"))).toBe(false);
    expect(renewed).toEqual(["first"]);
    const fixed = session.request(get);
    await fixed.headers();
    expect(await fixed.canRetry(challenge("invalid_token"))).toBe(false);
  });

  it("says EdDSA to a server that lists only the older name, and rejects if the list lacks the key's algorithm", async () => {
    const rejection = { status: 401, headers: { "www-authenticate": 'DPoP error="invalid_dpop_proof", algs="EdDSA"' } };
    const session = proofSession({ prover: await DPoPProver.generate("Ed25519") });
    const attempt = session.request(get);
    await attempt.headers();
    expect(await attempt.canRetry(rejection)).toBe(true);
    expect(decodeProtectedHeader((await attempt.headers()).dpop).alg).toBe("EdDSA");
    const other = proofSession({ prover: await DPoPProver.generate("ES384") }).request(get);
    await other.headers();
    expect(await errorOf(other.canRetry(rejection))).toMatchObject({ code: "misconfigured" });
  });
});

describe("requests and options that are rejected", () => {
  it.each([
    ["http://api.example.com", "forbidden-origin"],
    ["https://api.example.com.evil.com", "forbidden-origin"],
    ["/relative", "invalid-htu"],
  ])("rejects the URL %s", async (url, code) => {
    const { session } = await newSession({ allowedOrigins: ["https://api.example.com"] });
    expect(() => session.request({ ...get, url })).toThrow(expect.objectContaining({ code }));
    expect(() => session.request({ method: "POST", url })).toThrow(expect.objectContaining({ code }));
  });

  it("ignores a response without headers", async () => {
    const { session } = await newSession();
    for (const headers of [undefined, null] as never[])
      expect(await session.request(get).canRetry({ status: 401, headers })).toBe(false);
  });

  it("rejects an invalid method, token or option, without showing the token", async () => {
    const { session, prover } = await newSession();
    expect(() => session.request({ ...get, method: "G T" })).toThrow(expect.objectContaining({ code: "invalid-htm" }));
    for (const token of ["", {} as Token])
      expect(() => session.request({ ...get, token })).toThrow(expect.objectContaining({ code: "misconfigured" }));
    for (const options of [{ prover: {} as never }, { prover, allowedOrigins: ["*"] }])
      expect(() => proofSession(options)).toThrow(expect.objectContaining({ code: "misconfigured" }));
    expect(inspect(session.request(get), { depth: 10, showHidden: true })).not.toContain(TOKEN);
  });
});

describe("the headers of a response", () => {
  const line = fc.oneof(
    fc.constantFrom("n1", 'DPoP error="use_dpop_nonce"', 'DPoP algs="ES256, x"'),
    fc
      .string({ unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)) })
      .map((text) => `<${text}>`),
  );
  const names = fc.subarray(["dpop-nonce", "date", "www-authenticate", "x-other", "set-cookie"]);
  const lists = names.chain((chosen) =>
    fc.record(Object.fromEntries(chosen.map((name) => [name, fc.array(line, { minLength: 1, maxLength: 3 })]))),
  );

  it("are the same in all shapes that libraries have", () => {
    fc.assert(
      fc.property(lists, fc.boolean(), (lists: Record<string, string[]>, upper) => {
        const entries = Object.entries(lists).map(
          ([name, lines]) => [upper ? name.toUpperCase() : name, lines] as const,
        );
        const pairs = entries.flatMap(([name, lines]) => lines.map((line) => [name, line] as [string, string]));
        const headers = new Headers(pairs);
        const joined = Object.fromEntries([...headers]);
        const expected = ["dpop-nonce", "date", "www-authenticate"].map((name) => headers.get(name));
        for (const shape of [headers, pairs, Object.fromEntries(entries), joined, new Map(Object.entries(joined))])
          expect(["dpop-nonce", "date", "www-authenticate"].map((name) => relevantHeaders(shape).get(name))).toEqual(
            expected,
          );
      }),
    );
  });

  it("never throw, whatever the library returns", () => {
    const anyValue = fc.oneof(fc.anything(), fc.string({ unit: "binary" }), fc.array(fc.string({ unit: "binary" })));
    const name = fc.oneof(fc.constantFrom("dpop-nonce", "DPoP-Nonce", "date"), fc.string({ unit: "binary" }));
    fc.assert(
      fc.property(fc.dictionary(name, anyValue), fc.array(fc.tuple(name, anyValue)), (record, pairs) => {
        for (const shape of [record, pairs]) expect(relevantHeaders(shape)).toBeInstanceOf(Headers);
      }),
    );
  });
});
