/** Proofs, read by jose: what stands in them, and what no proof is made of. */
import { createHash, generateKeyPairSync } from "node:crypto";
import { inspect } from "node:util";
import fc from "fast-check";
import { DPoPError, DPoPProver, HardproofError, SignerError } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, jwtVerify } from "jose";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";

let prover: DPoPProver;
beforeAll(async () => {
  prover = await DPoPProver.generate();
});
afterEach(() => {
  vi.useRealTimers();
});

const GET = { htm: "GET", htu: "https://api.example.com/resource" };
const read = async (proof: string) => (await jwtVerify(proof, EmbeddedJWK, { typ: "dpop+jwt" })).payload;
const claims = async (more: object = {}, by = prover) => read(await by.makeProof({ ...GET, ...more }));

describe("RFC 9449 §4.2", () => {
  it("has typ, alg and the public jwk in its header, and nothing else", async () => {
    const header = decodeProtectedHeader(await prover.makeProof(GET));
    expect(header).toEqual({ typ: "dpop+jwt", alg: "ES256", jwk: prover.publicJwk });
    expect(Object.keys(header.jwk ?? {}).sort()).toEqual(["crv", "kty", "x", "y"]);
  });

  it("has jti, htm, htu and iat, and nothing else", async () => {
    vi.useFakeTimers({ now: 1_700_000_000_900, toFake: ["Date"] });
    const proof = await prover.makeProof(GET);
    const { jti, ...rest } = JSON.parse(Buffer.from(proof.split(".")[1] ?? "", "base64url").toString());
    expect(rest).toEqual({ ...GET, iat: 1_700_000_000 });
    expect(jti).toMatch(/^[\w-]{22}$/);
  });

  it("never repeats a jti", async () => {
    const proofs = await Promise.all(Array.from({ length: 1000 }, () => claims()));
    expect(new Set(proofs.map(({ jti }) => jti)).size).toBe(1000);
    for (const { jti } of proofs) expect(jti?.length).toBeGreaterThanOrEqual(16);
  });

  it("hashes the access token into ath: the token of FACTS.md", async () => {
    const accessToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    expect(await claims({ accessToken })).toMatchObject({ ath: "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo" });
  });

  it("hashes any access token as SHA-256 of its ASCII", async () => {
    const visible = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 1,
    });
    await fc.assert(
      fc.asyncProperty(visible, async (accessToken) => {
        const ath = createHash("sha256").update(accessToken, "ascii").digest("base64url");
        expect(await claims({ accessToken })).toMatchObject({ ath });
      }),
    );
  });

  it("carries the nonce", async () => {
    expect(await claims({ nonce: "eyJ7S_zG.eyJH0-Z.HX4w-7v" })).toMatchObject({ nonce: "eyJ7S_zG.eyJH0-Z.HX4w-7v" });
  });
});

describe("htm", () => {
  it.each(["delete", "Get", "head", "options", "post", "PUT"])("%s is signed as fetch sends it", async (htm) => {
    expect((await claims({ htm })).htm).toBe(new Request("https://a.example", { method: htm }).method);
  });

  it.each(["patch", "PATCH", "Patch", "PROPFIND", "m-search"])("%s is signed as it is given", async (htm) => {
    expect((await claims({ htm })).htm).toBe(htm);
  });

  it.each(["", " ", "GET POST", "GET\n", "gét", undefined, 5])("%j is refused", async (htm) => {
    await expect(prover.makeProof({ ...GET, htm: htm as string })).rejects.toMatchObject({ code: "invalid-htm" });
  });
});

describe("htu (RFC 3986 §6.2)", () => {
  it.each([
    ["https://a.example/x?q=1#f", "https://a.example/x"],
    ["HTTPS://A.Example:443/x", "https://a.example/x"],
    ["http://a.example:80", "http://a.example/"],
    ["https://a.example:8443/x/../y/./z", "https://a.example:8443/y/z"],
    ["https://a.example/%7Euser/a%2Fb", "https://a.example/%7Euser/a%2Fb"],
    ["https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"],
    ["https://[2001:DB8::1]/x", "https://[2001:db8::1]/x"],
  ])("%s is signed as %s", async (htu, expected) => {
    expect((await claims({ htu })).htu).toBe(expected);
    expect((await claims({ htu: new URL(htu) })).htu).toBe(expected);
  });

  it("of any web URL has no query and no fragment, and is the URL otherwise", async () => {
    await fc.assert(
      fc.asyncProperty(fc.webUrl({ withQueryParameters: true, withFragments: true }), async (htu) => {
        const signed = String((await claims({ htu })).htu);
        expect(signed).not.toMatch(/[?#]/);
        const url = new URL(htu);
        url.search = "";
        url.hash = "";
        expect(signed).toBe(url.href);
      }),
    );
  });

  it.each(["", "/resource", "api.example.com", "ftp://a.example", "https://", undefined])(
    "%j is refused",
    async (htu) => {
      await expect(prover.makeProof({ ...GET, htu: htu as string })).rejects.toMatchObject({ code: "invalid-htu" });
    },
  );

  it("with a user name or password is refused, and does not tell them", async () => {
    const error = await prover.makeProof({ ...GET, htu: "https://me:s3cr3t@a.example" }).catch((reason) => reason);
    expect(error).toMatchObject({ code: "invalid-htu", message: expect.stringContaining("a.example") });
    expect(inspect(error)).not.toMatch(/s3cr3t|me:/);
  });
});

describe("nonce and access token", () => {
  it.each(["", 'a"b', "a\\b", "a b", "a\n", "é"])("the nonce %j is refused (RFC 9449 §8.1)", async (nonce) => {
    await expect(prover.makeProof({ ...GET, nonce })).rejects.toMatchObject({ code: "invalid-nonce" });
  });

  it.each(["", "a b", "tökén", "token\r\n"])("the access token %j is refused, and not told", async (accessToken) => {
    const error = await prover.makeProof({ ...GET, accessToken }).catch((reason) => reason);
    expect(error).toBeInstanceOf(DPoPError);
    expect(error).toBeInstanceOf(HardproofError);
    expect(error.code).toBe("invalid-access-token");
    if (accessToken) expect(inspect(error)).not.toContain(accessToken);
  });
});

describe("the key", () => {
  it("of the RFC's example has the RFC's thumbprint", async () => {
    const jwk = {
      kty: "EC",
      crv: "P-256",
      x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
      y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    } as const;
    const signer = MemorySigner.generate();
    vi.spyOn(signer, "publicJwk").mockResolvedValue(jwk);
    const { jkt, publicJwk } = await DPoPProver.create(signer);
    expect(jkt).toBe("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    expect(publicJwk).toEqual(jwk);
  });

  it("has a thumbprint that stays, of 32 bytes, as jose computes it", async () => {
    expect(prover.jkt).toBe(await calculateJwkThumbprint({ ...prover.publicJwk }));
    expect(Buffer.from(prover.jkt, "base64url")).toHaveLength(32);
    expect(Object.isFrozen(prover.publicJwk)).toBe(true);
  });

  it("goes through PEM and back", async () => {
    const signer = MemorySigner.generate({ extractable: true });
    const { jkt } = await DPoPProver.create(signer);
    expect((await DPoPProver.fromPem(signer.exportPem())).jkt).toBe(jkt);
    expect((await DPoPProver.fromPem(signer.exportPem("pass"), "pass")).jkt).toBe(jkt);
  });

  it("on P-384 is refused", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const error = await DPoPProver.fromPem(pem).catch((reason) => reason);
    expect(error).toBeInstanceOf(SignerError);
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringMatching(/P-256.*secp384r1/) });
  });

  it("that is already closed makes no proof", async () => {
    const signer = MemorySigner.generate();
    const closed = await DPoPProver.create(signer);
    await signer.close();
    await expect(closed.makeProof(GET)).rejects.toMatchObject({ code: "misconfigured" });
  });

  it("is not shown by inspect", async () => {
    const signer = MemorySigner.generate({ extractable: true });
    const pem = signer.exportPem();
    const shown = inspect(await DPoPProver.create(signer), { depth: 20, showHidden: true });
    expect(shown).toContain("x:");
    for (const line of pem.split("\n").filter((line) => line && !line.startsWith("-")))
      expect(shown).not.toContain(line);
  });
});

describe("the clock of a server that refused a proof", () => {
  const now = 1_700_000_000_000;
  const httpDate = (seconds: number) => new Date(now + seconds * 1000).toUTCString();

  it.each([90, -90, 600])("%i seconds off sets that of later proofs", async (seconds) => {
    vi.useFakeTimers({ now, toFake: ["Date"] });
    const skewed = await DPoPProver.generate();
    expect(skewed.adjustClock(httpDate(seconds))).toBe(true);
    expect((await claims({}, skewed)).iat).toBe(now / 1000 + seconds);
    expect(skewed.adjustClock(httpDate(seconds))).toBe(false);
    expect(skewed.adjustClock(httpDate(0))).toBe(true);
    expect((await claims({}, skewed)).iat).toBe(now / 1000);
  });

  it.each([0, 2, 601, -86_400])("%i seconds off is no skew, or is not believed", async (seconds) => {
    vi.useFakeTimers({ now, toFake: ["Date"] });
    const skewed = await DPoPProver.generate();
    expect(skewed.adjustClock(httpDate(seconds))).toBe(false);
    expect((await claims({}, skewed)).iat).toBe(now / 1000);
  });

  it("is not read from what is no date, nor where it is turned off", async () => {
    expect([null, "", "soon"].map((date) => prover.adjustClock(date))).toEqual([false, false, false]);
    const off = await DPoPProver.create(MemorySigner.generate(), { maxClockSkew: 0 });
    expect(off.adjustClock(new Date(Date.now() + 100_000).toUTCString())).toBe(false);
  });
});
