/** Which challenges `proofFetch` answers itself, and which responses it returns to the library. */
import { DPoPProver } from "hardproof";
import { decodeProtectedHeader } from "jose";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { granted, refuse, stubProofClient, tokenRequest, withToken } from "../../servers/stub-proof-client.js";
import { challenge, errorOf, ok, respond } from "../../servers/stub-resource.js";
import { json, type Responder } from "../../servers/stub-server.js";

const stub = await stubProofClient();
const { server, url, inTurn, caller, assertingCaller, proofs, assertions, endpoints } = stub;
afterAll(() => stub.close());
beforeEach(async () => {
  stub.prover = await DPoPProver.generate();
});

const nonces = () => proofs().map(({ nonce }) => nonce);
const send = async (call: typeof fetch, role: "form" | "token") =>
  role === "form" ? call(endpoints.token, tokenRequest()) : call(url, withToken());

describe("nonces", () => {
  it.each<[string, Responder, "form" | "token"]>([
    ["400 of an authorization server", refuse("use_dpop_nonce", { "dpop-nonce": "n1" }), "form"],
    ["401 of an authorization server", refuse("use_dpop_nonce", { "dpop-nonce": "n1" }, 401), "form"],
    ["401 with a challenge, to a form", challenge("use_dpop_nonce", { "dpop-nonce": "n1" }), "form"],
    ["401 of a resource server", challenge("use_dpop_nonce", { "dpop-nonce": "n1" }), "token"],
  ])("answers a %s with a new proof, once, and caches the nonce", async (_, challenged, role) => {
    inTurn(challenged, ok);
    const call = caller();
    expect((await send(call, role)).status).toBe(200);
    expect((await send(call, role)).status).toBe(200);
    expect(nonces()).toEqual([undefined, "n1", "n1"]);
    expect(new Set(proofs().map(({ jti }) => jti)).size).toBe(3);
    expect(new Set(server.requests.map(({ body }) => body)).size).toBe(1);
  });

  it("returns the second challenge of a call, and its body can be read", async () => {
    server.respondWith((response, request, turn) =>
      refuse("use_dpop_nonce", { "dpop-nonce": `n${turn}` })(response, request, turn),
    );
    const response = await send(caller(), "form");
    expect([response.status, await response.json()]).toEqual([400, { error: "use_dpop_nonce" }]);
    expect(server.requests).toHaveLength(2);
  });

  it.each<[string, Responder, "form" | "token"]>([
    ["another error", refuse("invalid_grant", { "dpop-nonce": "n1" }), "form"],
    ["another status", refuse("use_dpop_nonce", { "dpop-nonce": "n1" }, 403), "form"],
    ["a challenge without a nonce", refuse("use_dpop_nonce"), "form"],
    ["JSON of another type", json(400, ["use_dpop_nonce"], { "dpop-nonce": "n1" }), "form"],
    ["text", respond(400, { "content-type": "text/plain", "dpop-nonce": "n1" }), "form"],
    ["malformed JSON", respond(400, { "content-type": "application/json", "dpop-nonce": "n1" }), "form"],
    ["a resource server's 403", refuse("use_dpop_nonce", { "dpop-nonce": "n1" }, 403), "token"],
    ["a resource server's other error", refuse("invalid_request", { "dpop-nonce": "n1" }), "token"],
  ])("returns %s as it is", async (_, responder, role) => {
    inTurn(responder);
    const response = await send(caller(), role);
    expect(await response.text()).not.toBe("");
    expect(server.requests).toHaveLength(1);
  });

  it("doesn't look for an error in a response of more than 64 KiB, which the library can still read", async () => {
    const body = { error: "use_dpop_nonce", padding: "x".repeat(100_000) };
    inTurn(json(400, body, { "dpop-nonce": "n1" }));
    expect(await (await send(caller(), "form")).json()).toEqual(body);
    expect(server.requests).toHaveLength(1);
  });

  it("returns a response whose body breaks off, and the library gets the error when it reads it", async () => {
    server.respondWith((response) => {
      response.writeHead(400, { "content-type": "application/json", "content-length": "100" });
      response.write('{"error":');
      setImmediate(() => response.destroy());
    });
    const response = await send(caller(), "form");
    expect(response.status).toBe(400);
    expect(await errorOf(response.text())).toBeInstanceOf(TypeError);
  });

  it("keeps the nonces of the two roles apart, even at one origin (RFC 9449 §9)", async () => {
    server.respondWith((response, request, turn) => {
      const role = request.path === "/token" ? "as" : "rs";
      respond(200, { "dpop-nonce": `${role}-${turn}` })(response, request, turn);
    });
    const call = caller();
    for (const role of ["form", "token", "form", "token"] as const) await send(call, role);
    expect(nonces()).toEqual([undefined, undefined, "as-1", "rs-2"]);
  });

  it("answers concurrent calls, each with unique proofs", async () => {
    server.respondWith((response, request, turn) => {
      const isCurrent = proofs()[turn - 1]?.nonce === "n1";
      (isCurrent ? ok : refuse("use_dpop_nonce", { "dpop-nonce": "n1" }))(response, request, turn);
    });
    const call = caller();
    const all = await Promise.all(Array.from({ length: 8 }, () => send(call, "form")));
    expect(all.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(new Set(proofs().map(({ jti }) => jti)).size).toBe(server.requests.length);
  });
});

describe("a form with an assertion of the library", () => {
  const signed = tokenRequest({ client_assertion: "ey.of.library" });

  it.each([
    ["URLSearchParams", signed],
    ["a Request", new Request(endpoints.token, signed)],
  ])("is sent once, and the next one has the nonce: %s", async (_, init) => {
    inTurn(refuse("use_dpop_nonce", { "dpop-nonce": "n1" }), granted);
    const call = caller();
    const response = await (init instanceof Request ? call(init) : call(endpoints.token, init));
    expect([response.status, await response.json()]).toEqual([400, { error: "use_dpop_nonce" }]);
    expect(server.requests).toHaveLength(1);
    expect((await call(endpoints.token, signed)).status).toBe(200);
    expect(nonces()).toEqual([undefined, "n1"]);
  });

  it("isn't sent again for the clock either, but the next proof has the corrected time", async () => {
    const date = new Date(Date.now() - 180_000).toUTCString();
    inTurn(refuse("invalid_dpop_proof", { date }), granted);
    const call = caller();
    expect((await call(endpoints.token, signed)).status).toBe(400);
    await call(endpoints.token, signed);
    expect(server.requests).toHaveLength(2);
    expect((proofs()[0]?.iat ?? 0) - (proofs()[1]?.iat ?? 0)).toBeGreaterThan(170);
  });

  it("isn't sent to the target of a redirect", async () => {
    inTurn(respond(307, { location: "/next" }));
    expect(await errorOf(caller()(endpoints.token, signed))).toMatchObject({ code: "redirect" });
    expect((await caller()(endpoints.token, { ...signed, redirect: "manual" })).status).toBe(307);
    expect(server.requests.map(({ path }) => path)).toEqual(["/token", "/token"]);
  });

  it("is assumed in a stream that is longer than maxBufferedBody", async () => {
    inTurn(refuse("use_dpop_nonce", { "dpop-nonce": "n1" }), granted);
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const body = new Blob(["a=".padEnd(3000, "b")]).stream();
    const call = caller({ maxBufferedBody: 1000 });
    expect((await call(endpoints.token, { method: "POST", headers, body, duplex: "half" })).status).toBe(400);
    expect(server.requests).toHaveLength(1);
  });
});

describe("the body of an error", () => {
  /** Responds with JSON that doesn't end, and resolves when the connection is closed. */
  const endless = (headers: Record<string, string> = {}) => {
    let resolve = () => {};
    const closed = new Promise<void>((settle) => {
      resolve = settle;
    });
    const responder: Responder = (response) => {
      response.writeHead(400, { "content-type": "application/json", ...headers }).on("close", () => resolve());
      const write = () => response.write("x".repeat(100_000));
      response.on("drain", write);
      write();
    };
    return { closed, responder };
  };

  it("isn't read to its end, and its connection is closed before the next attempt", async () => {
    const nonce = { "dpop-nonce": "n1", "www-authenticate": 'DPoP error="use_dpop_nonce"' };
    const { closed, responder } = endless(nonce);
    inTurn(responder, granted);
    expect((await send(caller(), "form")).status).toBe(200);
    await closed;
  });

  it("can be cancelled by the library, and read from its start", async () => {
    const { closed, responder } = endless();
    inTurn(responder);
    const { body } = await send(caller(), "form");
    const reader = body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).subarray(0, 3)).toEqual(Buffer.from("xxx"));
    await reader?.cancel();
    await closed;
  });
});

describe("clock skew", () => {
  const at = (seconds: number) => ({ date: new Date(Date.now() + seconds * 1000).toUTCString() });
  const minutesAhead = (claims: { iat?: number | undefined }[]) =>
    claims.map(({ iat = 0 }) => Math.round((iat - Date.now() / 1000) / 60) + 0);

  it.each<[string, (headers: Record<string, string>) => Responder, "form" | "token"]>([
    ["an authorization server", (headers) => refuse("invalid_dpop_proof", headers), "form"],
    ["a resource server", (headers) => challenge("invalid_dpop_proof", headers), "token"],
  ])("is corrected once by the Date of %s that rejected a proof", async (_, rejected, role) => {
    inTurn(rejected(at(-180)), ok);
    expect((await send(caller(), role)).status).toBe(200);
    expect(minutesAhead(proofs())).toEqual([0, -3]);
    inTurn(rejected(at(60)), rejected(at(200)), ok);
    expect((await send(caller(), role)).status).not.toBe(200);
    expect(server.requests).toHaveLength(2);
  });

  it("is corrected in the assertion, too, after either of them was rejected", async () => {
    for (const error of ["invalid_client", "invalid_dpop_proof"]) {
      stub.prover = await DPoPProver.generate();
      inTurn(refuse(error, at(-180), 401), granted);
      expect((await send(assertingCaller(), "form")).status).toBe(200);
      expect(minutesAhead(assertions())).toEqual([0, -3]);
      expect(minutesAhead(proofs())).toEqual([0, -3]);
    }
  });

  it("isn't corrected after invalid_client without an assertion of its own, or with adjustClock: false", async () => {
    inTurn(refuse("invalid_client", at(-180), 401));
    await send(caller(), "form");
    await send(assertingCaller({}, { adjustClock: false }), "form");
    inTurn(refuse("invalid_dpop_proof", at(-180)));
    await send(caller({ adjustClock: false }), "form");
    expect(server.requests).toHaveLength(1);
    expect(stub.prover.clockOffsetFor(server.origin)).toBe(0);
  });

  it("allows one retry for each reason in one call", async () => {
    const nonce = (value: string) => refuse("use_dpop_nonce", { "dpop-nonce": value });
    inTurn(nonce("n1"), refuse("invalid_client", at(100), 401), nonce("n2"), granted);
    expect((await send(assertingCaller(), "form")).status).toBe(400);
    expect(server.requests).toHaveLength(3);
    expect(new Set([...proofs(), ...assertions()].map(({ jti }) => jti)).size).toBe(6);
  });
});

describe("the algorithms that a server lists", () => {
  const names = () => server.requests.map(({ headers }) => decodeProtectedHeader(String(headers.dpop)).alg);

  it("says EdDSA to a server that lists only the older name, in a challenge or in its metadata", async () => {
    stub.prover = await DPoPProver.generate("Ed25519");
    inTurn(respond(401, { "www-authenticate": 'DPoP error="invalid_dpop_proof", algs="EdDSA"' }), ok);
    expect((await send(caller(), "token")).status).toBe(200);
    expect(names()).toEqual(["Ed25519", "EdDSA"]);
    inTurn(granted);
    const endpointsOf = stub.metadata({ dpop_signing_alg_values_supported: ["EdDSA"] });
    await send(assertingCaller({ endpoints: endpointsOf }), "form");
    expect(names()).toEqual(["EdDSA"]);
  });

  it("rejects with an error that names both if the lists lack the key's algorithm", async () => {
    stub.prover = await DPoPProver.generate("ES384");
    inTurn(respond(401, { "www-authenticate": 'DPoP algs="ES256"' }));
    expect(await errorOf(send(caller(), "token"))).toMatchObject({
      code: "misconfigured",
      message: expect.stringMatching(/ES384.*ES256/),
    });
    const endpointsOf = stub.metadata({ dpop_signing_alg_values_supported: ["PS256"] });
    expect(await errorOf(send(assertingCaller({ endpoints: endpointsOf }), "form"))).toMatchObject({
      code: "misconfigured",
      message: expect.stringMatching(/ES384.*PS256/),
    });
    expect(server.requests).toHaveLength(1);
  });
});
