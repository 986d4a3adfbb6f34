/** DPoP proofs, verified by jose: their header and claims, and the options that are rejected. */
import { createHash, generateKeyPairSync } from "node:crypto";
import { inspect } from "node:util";
import fc from "fast-check";
import { DPoPError, DPoPProver, HardproofError, SignerError } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, EmbeddedJWK, jwtVerify } from "jose";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";

let prover: DPoPProver;
beforeAll(async () => {
  prover = await DPoPProver.generate();
});
afterEach(() => {
  vi.useRealTimers();
});

const GET = { htm: "GET", htu: "https://api.example.com/resource" };
const verify = async (proof: string) => (await jwtVerify(proof, EmbeddedJWK, { typ: "dpop+jwt" })).payload;
const claims = async (options: object = {}, maker = prover) => verify(await maker.makeProof({ ...GET, ...options }));

describe("RFC 9449 §4.2", () => {
  it("puts only typ, alg and the public jwk into the header of a proof", async () => {
    const header = decodeProtectedHeader(await prover.makeProof(GET));
    expect(header).toEqual({ typ: "dpop+jwt", alg: "ES256", jwk: prover.publicJwk });
    expect(Object.keys(header.jwk ?? {}).sort()).toEqual(["crv", "kty", "x", "y"]);
  });

  it("puts only jti, htm, htu and iat into a proof without a token and nonce", async () => {
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

  it("computes the ath of the RFC's example token (§7.1)", async () => {
    const accessToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    expect(await claims({ accessToken })).toMatchObject({ ath: "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo" });
  });

  it("computes ath as the SHA-256 hash of any visible ASCII token", async () => {
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

  it("puts the nonce into the proof", async () => {
    expect(await claims({ nonce: "eyJ7S_zG.eyJH0-Z.HX4w-7v" })).toMatchObject({ nonce: "eyJ7S_zG.eyJH0-Z.HX4w-7v" });
  });
});

describe("htm", () => {
  it.each(["delete", "Get", "head", "options", "post", "PUT"])("signs the method %s as fetch sends it", async (htm) => {
    expect((await claims({ htm })).htm).toBe(new Request("https://a.example", { method: htm }).method);
  });

  it.each(["patch", "PATCH", "Patch", "PROPFIND", "m-search"])("signs the method %s unchanged", async (htm) => {
    expect((await claims({ htm })).htm).toBe(htm);
  });

  it.each(["", " ", "GET POST", "GET\n", "gét", undefined, 5])("rejects the method %j", async (htm) => {
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
  ])("signs the URL %s as %s", async (htu, expected) => {
    expect((await claims({ htu })).htu).toBe(expected);
    expect((await claims({ htu: new URL(htu) })).htu).toBe(expected);
  });

  it("removes only the query and fragment of any web URL", async () => {
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
    "rejects the URL %j",
    async (htu) => {
      await expect(prover.makeProof({ ...GET, htu: htu as string })).rejects.toMatchObject({ code: "invalid-htu" });
    },
  );

  it("rejects a URL with a user name or password without repeating them", async () => {
    const error = await prover.makeProof({ ...GET, htu: "https://me:s3cr3t@a.example" }).catch((reason) => reason);
    expect(error).toMatchObject({ code: "invalid-htu", message: expect.stringContaining("a.example") });
    expect(inspect(error)).not.toMatch(/s3cr3t|me:/);
  });
});

describe("nonce and access token", () => {
  it.each(["", 'a"b', "a\\b", "a b", "a\n", "é"])("rejects the nonce %j (RFC 9449 §8.1)", async (nonce) => {
    await expect(prover.makeProof({ ...GET, nonce })).rejects.toMatchObject({ code: "invalid-nonce" });
  });

  it.each(["", "a b", "tökén", "token\r\n"])(
    "rejects the access token %j without repeating it",
    async (accessToken) => {
      const error = await prover.makeProof({ ...GET, accessToken }).catch((reason) => reason);
      expect(error).toBeInstanceOf(DPoPError);
      expect(error).toBeInstanceOf(HardproofError);
      expect(error.code).toBe("invalid-access-token");
      if (accessToken) expect(inspect(error)).not.toContain(accessToken);
    },
  );
});

describe("further members", () => {
  const RESERVED = ["typ", "alg", "jwk", "jti", "htm", "htu", "iat", "ath", "nonce"];

  it("signs the members of header and claims beside those of the RFC", async () => {
    const header = { key_attestation: "ey.a.b", x5c: ["MII"] };
    const extra = { digest: "sha-256=:abc=:", aud: ["a"], none: undefined, "": 0 };
    const proof = await prover.makeProof({ ...GET, nonce: "n", header, claims: extra });
    expect(decodeProtectedHeader(proof)).toEqual({ ...header, typ: "dpop+jwt", alg: "ES256", jwk: prover.publicJwk });
    const { none, ...signed } = extra;
    expect(await verify(proof)).toEqual({
      ...{ ...GET, ...signed, nonce: "n" },
      jti: expect.any(String),
      iat: expect.any(Number),
    });
    expect(decodeProtectedHeader(await prover.makeProof(GET))).not.toHaveProperty("x5c");
  });

  it("signs any JSON value unchanged", async () => {
    const names = fc.string().filter((name) => !RESERVED.includes(name) && !["__proto__", "exp", "nbf"].includes(name));
    await fc.assert(
      fc.asyncProperty(fc.dictionary(names, fc.jsonValue()), async (extra) => {
        const { htm, htu, jti, iat, ...rest } = decodeJwt(await prover.makeProof({ ...GET, claims: extra }));
        expect(rest).toEqual(JSON.parse(JSON.stringify(extra)));
        expect({ htm, htu }).toEqual(GET);
      }),
    );
  });

  it.each(RESERVED)("rejects the reserved name %s in header and claims, whatever its value", async (name) => {
    for (const members of [{ header: { [name]: "x" } }, { claims: { [name]: undefined } }]) {
      const error = await prover.makeProof({ ...GET, ...members }).catch((reason) => reason);
      expect(error).toMatchObject({ name: "DPoPError", code: "misconfigured", message: expect.stringContaining(name) });
    }
  });

  it.each(["crit", "b64"])("rejects the header parameter %s, which changes what is signed", async (name) => {
    const proof = prover.makeProof({ ...GET, header: { [name]: [] } });
    await expect(proof).rejects.toMatchObject({ code: "misconfigured" });
  });

  it.each([null, "text", 1, ["a"], ""])("rejects the value %j of header and claims", async (value) => {
    for (const members of [{ header: value }, { claims: value }])
      await expect(prover.makeProof({ ...GET, ...(members as object) })).rejects.toMatchObject({
        code: "misconfigured",
      });
  });

  it("reads each member once", async () => {
    let reads = 0;
    const changing = {
      get digest() {
        return reads++ === 0 ? "first" : "second";
      },
    };
    expect(await claims({ claims: changing })).toMatchObject({ digest: "first" });
    expect(reads).toBe(1);
  });

  it("rejects options that it doesn't know, and names the two for further members", async () => {
    const unknown = { ...GET, bodyDigest: "abc" };
    const error = await prover.makeProof(unknown).catch((reason) => reason);
    expect(error).toMatchObject({ name: "DPoPError", code: "misconfigured" });
    expect(error.message).toBe(
      "makeProof has no option bodyDigest. To add a member to the proof, use the option header or claims.",
    );
    await expect(prover.makeProof({ ...GET, bodyDigest: undefined } as typeof GET)).resolves.toMatch(/^ey/);
  });
});

describe("the key", () => {
  it("computes the RFC's thumbprint for the RFC's example key", async () => {
    const jwk = {
      kty: "EC",
      crv: "P-256",
      x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
      y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    } as const;
    const signer = MemorySigner.generate();
    vi.spyOn(signer, "publicJwk").mockResolvedValue({ ...jwk, alg: "ES256" });
    const { jkt, publicJwk } = await DPoPProver.create(signer);
    expect(jkt).toBe("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    expect(publicJwk).toEqual(jwk);
  });

  it("computes the same thumbprint as jose, of 32 bytes, and freezes the public key", async () => {
    expect(prover.jkt).toBe(await calculateJwkThumbprint({ ...prover.publicJwk }));
    expect(Buffer.from(prover.jkt, "base64url")).toHaveLength(32);
    expect(Object.isFrozen(prover.publicJwk)).toBe(true);
  });

  it("has the same thumbprint after a PEM export and import", async () => {
    const signer = MemorySigner.generate({ extractable: true });
    const { jkt } = await DPoPProver.create(signer);
    expect((await DPoPProver.fromPem(signer.exportPem())).jkt).toBe(jkt);
    expect((await DPoPProver.fromPem(signer.exportPem("pass"), "pass")).jkt).toBe(jkt);
  });

  it("rejects a key on a curve without a JWS algorithm", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "brainpoolP256r1" });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const error = await DPoPProver.fromPem(pem).catch((reason) => reason);
    expect(error).toBeInstanceOf(SignerError);
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringMatching(/EC brainpoolP256r1.*P-256/) });
  });

  it("can't make a proof with a closed key", async () => {
    const signer = MemorySigner.generate();
    const closed = await DPoPProver.create(signer);
    await signer.close();
    await expect(closed.makeProof(GET)).rejects.toMatchObject({ code: "misconfigured" });
  });

  it("doesn't show the private key in the output of inspect", async () => {
    const signer = MemorySigner.generate({ extractable: true });
    const pem = signer.exportPem();
    const shown = inspect(await DPoPProver.create(signer), { depth: 20, showHidden: true });
    expect(shown).toContain("x:");
    for (const line of pem.split("\n").filter((line) => line && !line.startsWith("-")))
      expect(shown).not.toContain(line);
  });
});

describe("adjustClock", () => {
  const now = 1_700_000_000_000;
  const dateIn = (seconds: number) => new Date(now + seconds * 1000).toUTCString();

  it.each([90, -90, 600])("corrects the iat of later proofs by %i seconds", async (seconds) => {
    vi.useFakeTimers({ now, toFake: ["Date"] });
    const skewed = await DPoPProver.generate();
    expect(skewed.adjustClock(dateIn(seconds))).toBe(true);
    expect((await claims({}, skewed)).iat).toBe(now / 1000 + seconds);
    expect(skewed.adjustClock(dateIn(seconds))).toBe(false);
    expect(skewed.adjustClock(dateIn(0))).toBe(true);
    expect((await claims({}, skewed)).iat).toBe(now / 1000);
  });

  it.each([0, 2, 601, -86_400])(
    "ignores a difference of %i seconds, which is too small or too large",
    async (seconds) => {
      vi.useFakeTimers({ now, toFake: ["Date"] });
      const skewed = await DPoPProver.generate();
      expect(skewed.adjustClock(dateIn(seconds))).toBe(false);
      expect((await claims({}, skewed)).iat).toBe(now / 1000);
    },
  );

  it("corrects the clock of one origin, and otherwise of all that have no correction of their own", async () => {
    vi.useFakeTimers({ now, toFake: ["Date"] });
    const skewed = await DPoPProver.generate();
    const iat = async (htu: string) => ((await claims({ htu }, skewed)).iat ?? 0) - now / 1000;
    expect(skewed.adjustClock(dateIn(90), new URL("https://a.example/token?x"))).toBe(true);
    expect([await iat("https://a.example:443/resource"), await iat("https://a.example:8443/")]).toEqual([90, 0]);
    expect([skewed.clockOffsetFor("https://a.example"), skewed.clockOffset]).toEqual([90, 0]);
    expect(skewed.adjustClock(dateIn(-60))).toBe(true);
    expect([await iat("https://a.example/"), await iat("https://b.example/")]).toEqual([90, -60]);
    expect(skewed.adjustClock(dateIn(0), "https://b.example")).toBe(true);
    expect([skewed.clockOffsetFor("https://b.example"), skewed.clockOffset]).toEqual([0, -60]);
    expect(() => skewed.clockOffsetFor("b.example")).toThrow("htu");
  });

  it("keeps the corrections of the 256 origins that were corrected last", async () => {
    vi.useFakeTimers({ now, toFake: ["Date"] });
    const skewed = await DPoPProver.generate();
    const origins = Array.from({ length: 257 }, (_, n) => `https://a${n}.example`);
    for (const origin of origins) skewed.adjustClock(dateIn(60), origin);
    expect(origins.map((origin) => skewed.clockOffsetFor(origin))).toEqual([0, ...Array(256).fill(60)]);
  });

  it("ignores an invalid date, and any date if maxClockSkew is 0", async () => {
    expect([null, "", "soon"].map((date) => prover.adjustClock(date))).toEqual([false, false, false]);
    const off = await DPoPProver.create(MemorySigner.generate(), { maxClockSkew: 0 });
    expect(off.adjustClock(new Date(Date.now() + 100_000).toUTCString())).toBe(false);
  });
});
