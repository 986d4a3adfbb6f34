/** The option `htu`: proofs for servers that see another URL than the client, such as one behind a proxy. */
import fc from "fast-check";
import { DPoPProver, dpopFetch, OAuthClient, type OAuthClientOptions, proofFetch, proofSession } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, describe, expect, it } from "vitest";
import { authorizationServer } from "../../servers/authorization-server.js";
import { resourceServer } from "../../servers/resource-server.js";
import { reverseProxy } from "../../servers/reverse-proxy.js";
import { granted, stubProofClient, tokenRequest } from "../../servers/stub-proof-client.js";
import { challenge, errorOf, ok, stubResource, TOKEN } from "../../servers/stub-resource.js";

const stub = await stubResource();
const forms = await stubProofClient();
const { server, url, inTurn, caller, proofs } = stub;
afterAll(() => Promise.all([stub.close(), forms.close()]));

const asHttps = (target: URL) => target.href.replace("http:", "https:");

describe("the option htu", () => {
  it("replaces the URL in the proof of each attempt, and not the one that is requested", async () => {
    inTurn(challenge("use_dpop_nonce", { "dpop-nonce": "n1" }), ok);
    expect((await caller({ htu: asHttps })(`${url}?q=1`)).status).toBe(200);
    expect(server.requests.map(({ path }) => path)).toEqual(["/resource?q=1", "/resource?q=1"]);
    const htu = url.replace("http:", "https:");
    expect(proofs()).toMatchObject([{ htu }, { htu, nonce: "n1" }]);
  });

  it("gets a copy of the URL without query and fragment, which it can change and return", async () => {
    inTurn(ok);
    const seen: string[] = [];
    const htu = (target: URL) => {
      seen.push(target.href);
      target.pathname = `/prefix${target.pathname}`;
      target.search = "?never=signed";
      return target;
    };
    await caller({ htu })(`${url}?q=1#f`);
    expect(seen).toEqual([url]);
    expect(proofs()).toMatchObject([{ htu: `${server.origin}/prefix/resource` }]);
    expect(server.requests[0]?.path).toBe("/resource?q=1");
  });

  it("may return what isn't a URL, such as ://host/path", async () => {
    inTurn(ok);
    await caller({ htu: ({ host, pathname }) => `://${host}${pathname}` })(url);
    expect(proofs()).toMatchObject([{ htu: url.replace("http:", ":") }]);
  });

  it("applies to tokens and forms of proofFetch, and to sessions", async () => {
    const signed = "https://auth.internal/token";
    forms.inTurn(granted);
    const call = forms.caller({ htu: () => signed });
    await call(forms.endpoints.token, tokenRequest());
    await call(forms.endpoints.token, { headers: { authorization: `Bearer ${TOKEN}` } });
    await forms.assertingCaller({}, { htu: () => signed })(forms.endpoints.token, tokenRequest());
    expect(forms.proofs().map(({ htu }) => htu)).toEqual([signed, signed, signed]);
    const session = proofSession({ prover: stub.prover, htu: () => signed });
    const { dpop } = await session.request({ method: "GET", url }).headers();
    expect(decodeJwt(dpop).htu).toBe(signed);
  });

  it.each([
    ["dpopFetch", (prover: DPoPProver, htu: never) => dpopFetch({ prover, token: TOKEN, htu })],
    ["proofFetch", (prover: DPoPProver, htu: never) => proofFetch({ prover, htu })],
    ["proofSession", (prover: DPoPProver, htu: never) => proofSession({ prover, htu })],
    ["OAuthClient", (_: DPoPProver, htu: never) => new OAuthClient({ baseUrl: server.origin, htu })],
  ])("must be a function: %s", async (_, create) => {
    const error = await errorOf((async () => create(stub.prover, "https://a.example" as never))());
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("htu must be a function") });
  });

  it.each([undefined, "", 5])("rejects the result %j before anything is sent", async (result) => {
    inTurn(ok);
    expect(await errorOf(caller({ htu: () => result as string })(url))).toMatchObject({ code: "invalid-htu" });
    expect(server.requests).toHaveLength(0);
  });
});

describe("makeProof with exactHtu", () => {
  it("signs any non-empty text unchanged", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1, unit: "grapheme" }), async (htu) => {
        expect(decodeJwt(await stub.prover.makeProof({ htm: "GET", htu, exactHtu: true })).htu).toBe(htu);
      }),
    );
  });

  it.each([new URL("https://a.example"), "", undefined])("rejects %j", async (htu) => {
    const proof = stub.prover.makeProof({ htm: "GET", htu: htu as string, exactHtu: true });
    expect(await errorOf(proof)).toMatchObject({ code: "invalid-htu" });
  });
});

it("reaches real servers through a proxy that changes their origin, with the option only", async () => {
  await using as = await authorizationServer();
  await using rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
  await using asProxy = await reverseProxy(as.issuer);
  await using rsProxy = await reverseProxy(rs.origin);
  const prover = await DPoPProver.generate();
  const htu = ({ origin, pathname }: URL) => (origin === asProxy.origin ? as.issuer : rs.origin) + pathname;
  const clientWith = (options: Partial<OAuthClientOptions>) => new OAuthClient({ baseUrl: asProxy.origin, ...options });
  const request = { ...as.client, dpopProver: prover, scope: "read" };
  expect(await errorOf(clientWith({}).clientCredentials(request))).toMatchObject({ error: "invalid_dpop_proof" });
  const token = await clientWith({ htu }).clientCredentials(request);
  const target = `${rsProxy.origin}/resource`;
  expect((await dpopFetch({ prover, token })(target)).status).toBe(401);
  expect((await dpopFetch({ prover, token, htu })(target)).status).toBe(200);
});
