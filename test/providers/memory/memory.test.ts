/** Keys in memory: they are imported from every format, and never shown. */
import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync, verify } from "node:crypto";
import { inspect } from "node:util";
import { createKey, openSigner, type SignerError } from "hardproof";
import { conformance } from "hardproof/conformance";
import { MemorySigner } from "hardproof/memory";
import { exportJWK } from "jose";
import { describe, expect, it } from "vitest";
import { testedAlgorithms } from "../../tested-algorithms.js";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = (type: "pkcs8" | "sec1", passphrase?: string) =>
  privateKey
    .export({ type, format: "pem", ...(passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase }) })
    .toString();
const jwk = privateKey.export({ format: "jwk" });
const data = Buffer.from("data");
const caught = (work: () => unknown): SignerError => {
  try {
    work();
  } catch (error) {
    return error as SignerError;
  }
  return expect.unreachable();
};

describe.each(testedAlgorithms("memory"))("the conformance kit, for %s", (algorithm) => {
  const pem = MemorySigner.generate({ algorithm, extractable: true }).exportPem();
  const cases = conformance({
    open: () => MemorySigner.fromPem(pem, { algorithm }),
    secrets: [pem.split("\n")[1] ?? ""],
    connections: "A key in memory needs no connection.",
    failsFirst: "A key in memory needs no connection.",
    hanging: "A key in memory signs synchronously.",
    slow: "A key in memory signs synchronously.",
    wrongKey: "The constructor rejects a key of another type.",
    onEventLoop: "A key in memory signs synchronously.",
    signatures: 200,
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});

describe("a key", () => {
  it.each<[string, () => MemorySigner]>([
    ["PKCS#8", () => MemorySigner.fromPem(pem("pkcs8"))],
    ["SEC1", () => MemorySigner.fromPem(pem("sec1"))],
    ["encrypted PKCS#8", () => MemorySigner.fromPem(pem("pkcs8", "pass"), { passphrase: "pass" })],
    ["encrypted SEC1", () => MemorySigner.fromPem(pem("sec1", "pass"), { passphrase: "pass" })],
    ["PKCS#8 that openssl encrypted", () => MemorySigner.fromPem(opensslPkcs8("pass"), { passphrase: "pass" })],
    ["JWK", () => MemorySigner.fromJwk(jwk)],
  ])("signs with a key from %s, and its public key verifies the signature", async (_, make) => {
    const signer = make();
    const signature = await signer.sign(data);
    expect(signature).toHaveLength(64);
    expect(verify("sha256", data, { key: publicKey, dsaEncoding: "ieee-p1363" }, signature)).toBe(true);
    expect(await signer.publicJwk()).toEqual({ kty: "EC", crv: "P-256", x: jwk.x, y: jwk.y, alg: "ES256" });
  });

  it("imports the private JWKs that WebCrypto and jose export", async () => {
    const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
    const exported = [await crypto.subtle.exportKey("jwk", pair.privateKey), await exportJWK(pair.privateKey)] as const;
    const signers = [MemorySigner.fromJwk(exported[0]), MemorySigner.fromJwk(exported[1])];
    const { x, y } = exported[0];
    for (const signer of signers)
      expect(await signer.publicJwk()).toEqual({ kty: "EC", crv: "P-256", x, y, alg: "ES256" });
  });

  it("generates a different key each time", async () => {
    const keys = await Promise.all(Array.from({ length: 10 }, () => MemorySigner.generate().publicJwk()));
    expect(new Set(keys.map(({ x }) => x)).size).toBe(10);
  });

  it("describes the key as a software key that can be exported", async () => {
    expect(await MemorySigner.generate().describe()).toMatchObject({
      provider: "memory",
      uri: "memory:",
      alg: "ES256",
      jkt: expect.stringMatching(/^[\w-]{43}$/),
      protection: "software",
      exportable: true,
      evidence: { extractable: false },
    });
  });
});

describe("memory:", () => {
  it("creates a new key each time it is opened or created", async () => {
    const keys = [await openSigner("memory:"), await openSigner("memory:"), await createKey("memory:")];
    expect(new Set((await Promise.all(keys.map((key) => key.describe()))).map(({ jkt }) => jkt)).size).toBe(3);
  });

  it.each(["memory:key", "memory://", "memory:?extractable=1", "memory:#a", "memory: "])(
    "rejects the URI %s",
    async (uri) => {
      await expect(openSigner(uri)).rejects.toThrow(/^memory: .* \(character \d+ of the URI\)\.$/);
    },
  );
});

describe("invalid keys", () => {
  it.each([
    [
      "an RSA key of 1024 bits",
      generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey,
      /is RSA 1024.*2048 bits/,
    ],
    ["a secp256k1 key", generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey, /is EC secp256k1.*P-256/],
    ["an X25519 key", generateKeyPairSync("x25519").privateKey, /is x25519.*Ed25519/],
  ])("rejects %s with an error that names its type", (_, key, message) => {
    const pem = key.export({ type: "pkcs8", format: "pem" }).toString();
    expect(caught(() => MemorySigner.fromPem(pem))).toMatchObject({ code: "wrong-key", uri: "memory:" });
    expect(() => MemorySigner.fromPem(pem)).toThrow(message);
    expect(() => MemorySigner.fromJwk(key.export({ format: "jwk" }))).toThrow(message);
  });

  it.each([
    ["an empty string", ""],
    ["a public key", publicKey.export({ type: "spki", format: "pem" }).toString()],
    ["a truncated PEM", pem("pkcs8").slice(0, 60)],
    ["a PEM that doesn't contain a key", "-----BEGIN PRIVATE KEY-----\nMAAwAA==\n-----END PRIVATE KEY-----\n"],
  ])("rejects %s", (_, pem) => {
    expect(caught(() => MemorySigner.fromPem(pem))).toMatchObject({ name: "SignerError", code: "wrong-key" });
  });

  it.each(["pkcs8", "sec1"] as const)(
    "rejects an encrypted %s key without a passphrase, or with a wrong one",
    (type) => {
      expect(caught(() => MemorySigner.fromPem(pem(type, "pass")))).toMatchObject({ code: "pin-required" });
      const wrong = caught(() => MemorySigner.fromPem(pem(type, "pass"), { passphrase: "wrong-phrase" }));
      expect(wrong).toMatchObject({ code: "pin-incorrect" });
      expect(inspect(wrong, { depth: 10, showHidden: true })).not.toContain("wrong-phrase");
    },
  );

  it.each([
    {},
    publicKey.export({ format: "jwk" }),
    { ...jwk, crv: "P-384" },
    { kty: "oct", k: "c2VjcmV0LWtleS1ieXRlcw" },
  ])("rejects a JWK that isn't a private P-256 key, with an error that doesn't contain its members", (jwk) => {
    const error = caught(() => MemorySigner.fromJwk(jwk));
    expect(error).toMatchObject({ name: "SignerError", code: "wrong-key" });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/c2VjcmV0/);
  });
});

describe("the private key", () => {
  it("exports the private key only if the signer was created as extractable", () => {
    expect(caught(() => MemorySigner.fromPem(pem("pkcs8")).exportPem())).toMatchObject({ code: "access-denied" });
    const extractable = MemorySigner.fromPem(pem("pkcs8"), { extractable: true });
    expect(createPrivateKey(extractable.exportPem()).equals(privateKey)).toBe(true);
    expect(extractable.exportPem("pass")).toContain("ENCRYPTED PRIVATE KEY");
    expect(createPrivateKey({ key: extractable.exportPem("pass"), passphrase: "pass" }).equals(privateKey)).toBe(true);
  });

  it("shows the private key neither in the output of inspect nor in JSON", async () => {
    const signer = MemorySigner.fromJwk(jwk, { extractable: true });
    await signer.sign(data);
    const secret = Buffer.from(jwk.d ?? "", "base64url");
    for (const output of [inspect(signer, { depth: 20, showHidden: true }), JSON.stringify(signer)])
      for (const form of [jwk.d ?? "", secret.toString("hex"), secret.toString("base64")])
        expect(output).not.toContain(form);
  });
});

function opensslPkcs8(passphrase: string): string {
  const args = ["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "env:PASSPHRASE"];
  const env = { ...process.env, PASSPHRASE: passphrase };
  return execFileSync("openssl", args, { input: pem("pkcs8"), env, encoding: "utf8" });
}
