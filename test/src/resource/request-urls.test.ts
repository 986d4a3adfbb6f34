/** URLs with characters that RFC 3986 doesn't allow: sent and signed in the same, percent-encoded form. */
import fc from "fast-check";
import { OAuthClient, proofFetch, proofSession, verifyProof } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, describe, expect, it } from "vitest";
import { encodeUrl } from "../../../src/dpop/encode-url.js";
import { granted } from "../../servers/stub-proof-client.js";
import { ok, respond, stubResource } from "../../servers/stub-resource.js";

const stub = await stubResource();
const { server, inTurn, caller, proofs } = stub;
afterAll(() => stub.close());

const RAW = "/a|b^c[1]/`{x}/100%/%zz?q=a|b^c{d}`\\[2]%";
const PATH = "/a%7Cb%5Ec[1]/%60%7Bx%7D/100%25/%25zz";
const SENT = `${PATH}?q=a%7Cb%5Ec%7Bd%7D%60%5C[2]%25`;

describe("a URL with | and ^, and a % without digits", () => {
  it.each([
    ["a string", (url: string) => url],
    ["a URL", (url: string) => new URL(url)],
    ["a Request", (url: string) => new Request(url, { headers: { "x-own": "1" } })],
  ])("is sent and signed with them percent-encoded: %s", async (_, input) => {
    inTurn(ok);
    expect((await caller()(input(server.origin + RAW))).status).toBe(200);
    expect(server.requests.map(({ path }) => path)).toEqual([SENT]);
    expect(proofs()).toMatchObject([{ htu: server.origin + PATH }]);
  });

  it("is sent and signed so after a redirect and by proofFetch", async () => {
    inTurn(respond(307, { location: RAW }), ok);
    await caller()(stub.url);
    await proofFetch({ prover: stub.prover })(server.origin + RAW, { headers: { authorization: "Bearer abc" } });
    expect(server.requests.map(({ path }) => path)).toEqual(["/resource", SENT, SENT]);
    expect(proofs().map(({ htu }) => htu)).toEqual([stub.url, server.origin + PATH, server.origin + PATH]);
  });

  it("is the token endpoint's", async () => {
    inTurn(granted);
    const client = new OAuthClient({ baseUrl: server.origin, endpoints: { token: "/t|1/token" } });
    await client.clientCredentials({ clientId: "my-agent", dpopProver: stub.prover });
    expect(server.requests.map(({ path }) => path)).toEqual(["/t%7C1/token"]);
    expect(proofs()).toMatchObject([{ htu: `${server.origin}/t%7C1/token` }]);
  });

  it("is returned by a session in the form in which it must be sent", async () => {
    const attempt = proofSession({ prover: stub.prover }).request({ method: "GET", url: server.origin + RAW });
    expect(attempt.url).toBe(server.origin + SENT);
    expect(decodeJwt((await attempt.headers()).dpop).htu).toBe(server.origin + PATH);
  });

  it("matches its proof in verifyProof, however it is spelt", async () => {
    const proof = await stub.prover.makeProof({ htm: "GET", htu: `https://a.example${RAW}` });
    for (const path of [RAW, SENT]) {
      const expected = { method: "GET", url: `https://a.example${path}` };
      const { findings } = await verifyProof(proof, { now: Date.now() / 1000, maxAge: 60, ...expected });
      expect(findings.find(({ check }) => check === "htu")).toMatchObject({ ok: true });
    }
  });
});

describe("encodeUrl", () => {
  const anyText = fc.string({ unit: "grapheme" });
  const anyUrl = fc
    .tuple(anyText, anyText, anyText)
    .map(([path, query, fragment]) => new URL(`https://a.example/${path}?${query}#${fragment}`));

  it("leaves only characters of RFC 3986 in path and query, changes nothing else, and is idempotent", () => {
    fc.assert(
      fc.property(anyUrl, (url) => {
        const encoded = encodeUrl(url);
        expect(encoded.pathname + encoded.search).toMatch(/^(?:[!#$&'()*+,\-./0-9:;=?@A-Z[\]_a-z~]|%[\dA-Fa-f]{2})*$/);
        expect(decodeBytes(encoded.pathname)).toBe(decodeBytes(url.pathname));
        expect([encoded.origin, encoded.hash]).toEqual([url.origin, url.hash]);
        expect(encodeUrl(encoded).href).toBe(encoded.href);
      }),
    );
  });
});

/** Decodes each byte, and leaves a % without two digits. */
function decodeBytes(text: string): string {
  return text.replace(/%([\dA-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}
