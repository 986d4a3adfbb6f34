import { generateKeyPairSync } from "node:crypto";
import { KeySigner, type Signer, SignerError, signJwt } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt, decodeProtectedHeader, importJWK, jwtVerify } from "jose";
import { describe, expect, it, vi } from "vitest";

const verified = async (jwt: string, signer: Signer) => {
  const jwk = await signer.publicJwk();
  return jwtVerify(jwt, await importJWK({ ...jwk }, jwk.alg));
};

describe("signJwt", () => {
  it("signs claims that jose verifies, with alg of the key and typ JWT", async () => {
    const signer = MemorySigner.generate({ algorithm: "PS256" });
    const { payload, protectedHeader } = await verified(await signJwt(signer, { iss: "a", exp: 4e9 }), signer);
    expect(payload).toEqual({ iss: "a", exp: 4e9 });
    expect(protectedHeader).toEqual({ typ: "JWT", alg: "PS256" });
  });

  it("adds header parameters, of which typ can be replaced or left out", async () => {
    const signer = MemorySigner.generate();
    const header = { kid: "k", "x5t#S256": "abc", typ: "at+jwt" };
    const headerOf = async (options: object) => decodeProtectedHeader(await signJwt(signer, {}, options));
    expect(await headerOf({ header })).toEqual({ ...header, alg: "ES256" });
    expect(await headerOf({ header, typ: "logout+jwt" })).toEqual({ ...header, alg: "ES256", typ: "logout+jwt" });
    expect(await headerOf({ header, typ: null })).toEqual({ kid: "k", "x5t#S256": "abc", alg: "ES256" });
  });

  it("accepts each name of the key's algorithm in the header, and rejects any other", async () => {
    const signer = MemorySigner.generate({ algorithm: "Ed25519" });
    const jwt = await signJwt(signer, {}, { header: { alg: "EdDSA" } });
    expect(decodeProtectedHeader(jwt).alg).toBe("EdDSA");
    for (const alg of ["ES256", "none", "HS256", null, 1])
      await expect(signJwt(signer, {}, { header: { alg } })).rejects.toMatchObject({ code: "misconfigured" });
  });

  it("rejects b64, which would need another signature", async () => {
    const header = { b64: false, crit: ["b64"] };
    await expect(signJwt(MemorySigner.generate(), {}, { header })).rejects.toThrow("b64 (RFC 7797 §7)");
  });

  it.each([[["a"]], ["text"], [null], [undefined]])("rejects claims that aren't an object: %j", async (claims) => {
    const signing = signJwt(MemorySigner.generate(), claims as unknown as object);
    await expect(signing).rejects.toMatchObject({ name: "SignerError", code: "misconfigured" });
  });

  const cyclic = { self: {} };
  cyclic.self = cyclic;
  it.each<[string, unknown]>([
    ["an async function", async () => ({ iss: "a" })],
    ["a promise", Promise.resolve({ iss: "a" })],
    ["a Date", new Date()],
    ["a bigint", { exp: 1n }],
    ["a cycle", cyclic],
  ])("rejects claims that JSON can't represent as an object: %s", async (_, claims) => {
    const signing = signJwt(MemorySigner.generate(), claims as object);
    await expect(signing).rejects.toMatchObject({ name: "SignerError", code: "misconfigured" });
  });

  it.each([null, "kid", ["kid"]])("rejects a header that isn't an object: %j", async (header) => {
    const signing = signJwt(MemorySigner.generate(), {}, { header: header as never });
    await expect(signing).rejects.toMatchObject({ code: "misconfigured", message: expect.stringContaining("header") });
  });

  it("rejects a first argument that isn't a signer, and a signer without an algorithm", async () => {
    const withoutAlg = { publicJwk: async () => ({ kty: "EC" }), sign: async () => new Uint8Array(64) };
    for (const signer of [undefined, null, {}, withoutAlg])
      await expect(signJwt(signer as never, {})).rejects.toMatchObject({ code: "misconfigured" });
  });

  it("calls a function for the claims once, when the store signs", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { sign } = await import("node:crypto");
    const claims = vi.fn(() => ({ iat: 1 }));
    const signer = new KeySigner({
      provider: "queue",
      uri: "queue:",
      open: () => ({
        publicKey: publicKey.export({ type: "spki", format: "der" }),
        signMessage: (message) => ({ signature: sign("sha256", message, privateKey), form: "der" }),
        describe: () => ({ protection: "unknown", exportable: "unknown", evidence: {} }),
        close: () => undefined,
      }),
    });
    const jwt = await signJwt(signer, claims);
    expect(decodeJwt(jwt)).toEqual({ iat: 1 });
    expect(claims).toHaveBeenCalledOnce();
    await expect(verified(jwt, signer)).resolves.toBeDefined();
  });

  it("throws what the function throws, and stops for an aborted caller", async () => {
    const signer = MemorySigner.generate();
    const failing = signJwt(signer, () => {
      throw new RangeError("no claims");
    });
    await expect(failing).rejects.toThrow(new RangeError("no claims"));
    const aborted = signJwt(signer, {}, { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toBeInstanceOf(SignerError);
  });
});
