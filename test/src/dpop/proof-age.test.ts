/** The age of a JWT: its times are those of the signature, and one that came back too late is signed once more. */
import { generateKeyPairSync } from "node:crypto";
import { DPoPProver, dpopFetch, KeySigner, OAuthClient, privateKeyJwt, type Signer, signJwt } from "hardproof";
import { createCsr, selfSignedCertificate } from "hardproof/x509";
import { decodeJwt } from "jose";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { signDigest } from "../../../testing/emulators/ecdsa-digest.js";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

const GET = { htm: "GET", htu: "https://api.example.com/resource" };
const NOW = 1_700_000_000;
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

let server: StubServer;
beforeAll(async () => {
  server = await stubServer();
});
afterAll(() => server.close());
beforeEach(() => {
  server.respondWith(json(200, { access_token: "opaque" }));
  vi.useFakeTimers({ now: NOW * 1000, toFake: ["Date", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const decoded = async (jwt: Promise<string>) => decodeJwt(await jwt);
const assertionOf = async (signer: Signer) => {
  const form = new URLSearchParams();
  await privateKeyJwt({ signer })({ issuer: server.origin }, { client_id: "my-agent" }, form, new Headers());
  return form.get("client_assertion") ?? "";
};
const requestObjectOf = async (signer: Signer) => {
  const client = new OAuthClient({ baseUrl: server.origin, issuer: server.origin });
  const request = { clientId: "my-agent", redirectUri: "https://a.example", dpopProver: await DPoPProver.generate() };
  const { url } = await client.authorizationUrl({ ...request, requestObject: { signer } });
  return new URL(url).searchParams.get("request") ?? "";
};

describe("the times of a JWT", () => {
  it("are those at which the store is ready to sign", async () => {
    const { signer, queue } = queuedSigner();
    const prover = await DPoPProver.create(signer);
    const signing = [
      prover.makeProof(GET),
      assertionOf(signer),
      requestObjectOf(signer),
      signJwt(signer, () => ({ iat: Date.now() / 1000 })),
    ];
    await vi.waitFor(() => expect(queue).toHaveLength(signing.length));
    vi.setSystemTime((NOW + 20) * 1000);
    for (const release of queue) release();
    const [proof, assertion, requestObject, other] = await Promise.all(signing.map(decoded));
    const iat = NOW + 20;
    expect(proof).toMatchObject({ iat });
    expect(assertion).toMatchObject({ iat, exp: iat + 60 });
    expect(requestObject).toMatchObject({ iat, nbf: iat, exp: iat + 300 });
    expect(other).toEqual({ iat });
  });

  it("include the nonce and the clock that the server has by then", async () => {
    const { signer, queue } = queuedSigner();
    const prover = await DPoPProver.create(signer);
    let nonce = "first";
    const proof = prover.makeProof({ ...GET, nonce: () => nonce });
    await vi.waitFor(() => expect(queue).toHaveLength(1));
    nonce = "second";
    prover.adjustClock(new Date((NOW + 90) * 1000).toUTCString(), GET.htu);
    queue[0]?.();
    expect(await decoded(proof)).toMatchObject({ nonce: "second", iat: NOW + 90 });
    const invalid = prover.makeProof({ ...GET, nonce: () => "not a nonce" });
    await vi.waitFor(() => expect(queue).toHaveLength(2));
    queue[1]?.();
    await expect(invalid).rejects.toMatchObject({ name: "DPoPError", code: "invalid-nonce" });
  });

  it("let requests that wait for the key use the nonce of the first response", async () => {
    const { signer, queue } = queuedSigner();
    server.respondWith((response, request, turn) => {
      const { nonce } = decodeJwt(String(request.headers.dpop));
      json(nonce === "n" ? 200 : 401, {}, { "dpop-nonce": "n", "www-authenticate": 'DPoP error="use_dpop_nonce"' })(
        response,
        request,
        turn,
      );
    });
    const call = dpopFetch({ prover: await DPoPProver.create(signer), token: "token" });
    const calls = [1, 2, 3].map(() => call(server.origin));
    await vi.waitFor(() => expect(queue).toHaveLength(3));
    queue.shift()?.();
    await vi.waitFor(() => expect(queue).toHaveLength(3)); // the retry of the first
    for (const release of queue) release();
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(server.requests).toHaveLength(4);
  });
});

describe("a signature that came back too late", () => {
  it("is replaced by a second one, with a new time and the same jti", async () => {
    const { signer, signed } = slowSigner(12);
    const prover = await DPoPProver.create(signer);
    expect(await decoded(prover.makeProof(GET))).toMatchObject({ ...GET, iat: NOW + 12 });
    expect(signed()).toBe(2);
  });

  it("isn't sent: after the second one, the call fails, and the error says how old both were", async () => {
    const { signer, signed } = slowSigner(12, 7, 12, 7);
    const prover = await DPoPProver.create(signer);
    const message = "slow:key: The JWT was 12.0 s old, and then 7.0 s old when the store returned its signature.";
    const error = { name: "SignerError", code: "timeout", retryable: true, uri: "slow:key" };
    const failing = dpopFetch({ prover, token: "token" })(server.origin);
    await expect(failing).rejects.toMatchObject({ ...error, message: expect.stringContaining(message) });
    const client = new OAuthClient({ baseUrl: server.origin });
    const request = client.clientCredentials({ clientId: "my-agent", dpopProver: prover });
    await expect(request).rejects.toMatchObject(error);
    expect(server.requests).toHaveLength(0);
    expect(signed()).toBe(4);
  });

  it("is sent if it isn't older than maxProofAge", async () => {
    for (const [maxProofAge, signatures] of [
      [undefined, 1],
      [5, 1],
      [4, 2],
      [Number.POSITIVE_INFINITY, 1],
    ]) {
      const { signer, signed } = slowSigner(5);
      const prover = await DPoPProver.create(signer, { maxProofAge });
      await prover.makeProof(GET);
      expect(signed()).toBe(signatures);
    }
  });

  it.each([0, -1, Number.NaN, "5"])("rejects the maxProofAge %j", async (maxProofAge) => {
    const created = DPoPProver.create(slowSigner().signer, { maxProofAge: maxProofAge as number });
    await expect(created).rejects.toMatchObject({ name: "DPoPError", code: "misconfigured" });
  });

  it("is replaced in an assertion and a request object only when half of their lifetime has passed", async () => {
    for (const [sign, halfLife] of [
      [assertionOf, 30],
      [requestObjectOf, 150],
    ] as const) {
      const late = slowSigner(halfLife + 1);
      expect(await decoded(sign(late.signer))).toMatchObject({ iat: Math.floor(Date.now() / 1000) });
      expect(late.signed()).toBe(2);
      const inTime = slowSigner(halfLife);
      await sign(inTime.signer);
      expect(inTime.signed()).toBe(1);
      await expect(sign(slowSigner(halfLife + 1, halfLife + 1).signer)).rejects.toMatchObject({ code: "timeout" });
    }
  });

  it("isn't replaced in a certificate request or a certificate, whose validity is days", async () => {
    for (const sign of [
      (signer: Signer) => createCsr(signer, { subject: { CN: "agent-7" } }),
      (signer: Signer) => selfSignedCertificate(signer, { subject: { CN: "agent-7" } }),
    ]) {
      const { signer, signed } = slowSigner(12, 12);
      expect((await sign(signer)).pem).toContain("-----BEGIN CERTIFICATE");
      expect(signed()).toBe(1);
    }
  });

  it("is replaced in any JWT by the option maxAge", async () => {
    const { signer, signed } = slowSigner(3, 0, 3);
    expect(await decoded(signJwt(signer, () => ({ iat: Date.now() / 1000 }), { maxAge: 2 }))).toEqual({ iat: NOW + 3 });
    await signJwt(signer, () => ({}));
    expect(signed()).toBe(3);
  });
});

/** A store that signs only what has been released from its queue. */
function queuedSigner(): { signer: Signer; queue: (() => void)[] } {
  const queue: (() => void)[] = [];
  const signer = signerBy(async (digest) => {
    await new Promise<void>((resolve) => queue.push(resolve));
    return digest();
  });
  return { signer, queue };
}

/** A store whose signatures take these numbers of seconds, and further ones none. */
function slowSigner(...seconds: number[]): { signer: Signer; signed(): number } {
  let count = 0;
  const signer = signerBy(async (digest) => {
    const message = digest();
    vi.advanceTimersByTime((seconds[count++] ?? 0) * 1000);
    return message;
  });
  return { signer, signed: () => count };
}

function signerBy(takeTurn: (digest: () => Uint8Array) => Promise<Uint8Array>): Signer {
  return new KeySigner({
    provider: "slow",
    uri: "slow:key",
    open: () => ({
      publicKey: publicKey.export({ type: "spki", format: "der" }),
      signQueued: async (digest) => ({ signature: signDigest(privateKey, await takeTurn(digest)), form: "der" }),
      describe: () => ({ protection: "unknown", exportable: "unknown", evidence: {} }),
      close: () => undefined,
    }),
  });
}
