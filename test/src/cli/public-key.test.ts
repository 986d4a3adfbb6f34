/** `--public-key`, in every command that opens a key, for a private key whose token doesn't have its public key. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  KeySigner,
  type OpenKey,
  openSigner,
  type ProviderOptions,
  type PublicJwk,
  type PublicKeyMembers,
  registerProvider,
} from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { readAttributes, splitUri } from "hardproof/provider";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { calculateJwkThumbprint, compactVerify, EmbeddedJWK } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { selfSigned } from "../../providers/pkcs11/self-signed.js";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { type ResourceServer, resourceServer } from "../../servers/resource-server.js";
import { testedAlgorithms } from "../../tested-algorithms.js";
import { isOneLine, run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-public-key-"));
const path = (name: string) => join(directory, name);
let hsm: SoftHsm;
let uri: string;
let jwk: PublicJwk;
let jkt: string;
let as: AuthorizationServer;
let rs: ResourceServer;
beforeAll(async () => {
  hsm = await softHsm({ label: "bare" });
  process.env.BARE_PIN = hsm.pin;
  uri = `pkcs11:token=bare;object=dpop?module-path=${hsm.module}&pin-source=env:BARE_PIN`;
  await using signer = await openSigner(uri);
  jwk = await signer.publicJwk();
  jkt = await calculateJwkThumbprint({ ...jwk });
  const certificate = (await selfSigned(signer)).toString("base64").replace(/.{1,64}/g, "$&\n");
  writeFileSync(path("key.pem"), pem(createPublicKey({ key: { ...jwk }, format: "jwk" })));
  writeFileSync(path("key.jwk"), JSON.stringify(jwk));
  writeFileSync(path("certificate.pem"), `-----BEGIN CERTIFICATE-----\n${certificate}-----END CERTIFICATE-----\n`);
  await hsm.deleteKey({ id: "01" }, { only: "public" });
  const jwks = { keys: [{ ...jwk, kid: jkt, alg: "ES256", use: "sig" }] };
  const byKey = { ...confidential, client_id: "by-key", token_endpoint_auth_method: "private_key_jwt", jwks } as const;
  as = await authorizationServer({ clients: [byKey] });
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
});
afterAll(async () => {
  await Promise.all([rs.close(), as.close()]);
  await hsm.close();
  rmSync(directory, { recursive: true });
});

const pem = (key: KeyObject) => key.export({ type: "spki", format: "pem" });
const option = () => ["--public-key", path("key.pem")];

describe("a private key without its public key", () => {
  it("can't be opened without the option, and the error names the option", async () => {
    const { code, err } = await run(["show", uri]);
    expect(code).toBe(3);
    expect(err).toContain("--public-key");
  });

  it.each(["key.pem", "key.jwk", "certificate.pem"])("show takes the public key from %s", async (file) => {
    const { code, out } = await run(["show", uri, "--only", "jkt", "--public-key", path(file)]);
    expect([code, out.trim()]).toEqual([0, jkt]);
  });

  const byKey = ["--client-id", "by-key", "--client-auth", "private_key_jwt"];
  it.each<[name: string, args: () => string[]]>([
    ["proof", () => ["proof", uri, "GET", "https://a.example", ...option()]],
    ["csr", () => ["csr", uri, "--subject", "CN=a", ...option()]],
    ["doctor", () => ["doctor", uri, ...option()]],
    ["bench", () => ["bench", uri, "--seconds", "0.1", "--concurrency", "1", ...option()]],
    ["demo", () => ["demo", uri, ...option()]],
    ["token", () => ["token", "--key", uri, "--issuer", as.issuer, ...byKey, ...option()]],
    ["fetch", () => ["fetch", `${rs.origin}/resource`, "--key", uri, "--issuer", as.issuer, ...byKey, ...option()]],
  ])("%s takes the public key from a file", async (_, args) => {
    expect(await run(args())).toMatchObject({ code: 0 });
  });

  it("token takes the public key of --client-key from --client-public-key", async () => {
    const args = ["token", "--key", "memory:", "--client-key", uri, "--issuer", as.issuer, ...byKey];
    expect(await run(args)).toMatchObject({ code: 3 });
    expect(await run([...args, "--client-public-key", path("key.pem")])).toMatchObject({ code: 0 });
  });

  it("doesn't sign if the public key isn't the private key's", async () => {
    writeFileSync(path("other.pem"), pem(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey));
    const { code, out } = await run([
      "proof",
      uri,
      "GET",
      "https://a.example",
      "--public-key",
      path("other.pem"),
      "--json",
    ]);
    expect(code).toBe(3);
    expect(JSON.parse(out).error.code).toBe("integrity");
  });
});

/** A store whose private keys don't have a public key, as on some tokens. It signs with the key of the last test. */
let bareKey: MemorySigner;
registerProvider({
  scheme: "bare",
  open(uri: string, { publicKey }: ProviderOptions = {}) {
    const { query, fail } = splitUri(uri, "bare");
    const algorithm = readAttributes(query, "&", ["algorithm"], fail).algorithm();
    const open = (): OpenKey => ({
      publicKey: publicKey as PublicKeyMembers,
      signMessage: async (message) => ({ signature: await bareKey.sign(message), form: "raw" }),
      describe: () => ({ protection: "unknown", exportable: "unknown", evidence: {} }),
      close: () => undefined,
    });
    return new KeySigner({ provider: "bare", uri, open }, { algorithm });
  },
});

describe("a public key for any algorithm", () => {
  const proofArgs = (algorithm: string | undefined, file: string) => [
    "proof",
    algorithm ? `bare:?algorithm=${algorithm}` : "bare:",
    "GET",
    "https://a.example",
    "--public-key",
    path(file),
  ];

  describe.each(testedAlgorithms("memory"))("%s", (alg) => {
    const isRsa = /^[RP]S/.test(alg);
    beforeAll(async () => {
      bareKey = MemorySigner.generate({ algorithm: alg });
      const { alg: _, ...members } = await bareKey.publicJwk();
      const withAlg = alg.startsWith("ML-DSA") ? { ...members, alg } : members;
      const key = createPublicKey({ key: { ...withAlg }, format: "jwk" });
      writeFileSync(path(`${alg}.pem`), pem(key));
      writeFileSync(path(`${alg}.jwk`), JSON.stringify(withAlg));
      writeFileSync(path(`${alg}-alg.jwk`), JSON.stringify({ ...members, alg, kid: "k", use: "sig" }));
    });

    it.each(["pem", "jwk"])("is read from %s; only an RSA key needs the URI's algorithm", async (type) => {
      const { code, out } = await run(proofArgs(isRsa ? alg : undefined, `${alg}.${type}`));
      expect(code).toBe(0);
      const { protectedHeader } = await compactVerify(out.trim(), EmbeddedJWK, { algorithms: [alg] });
      expect(protectedHeader.alg).toBe(alg);
    });

    it("is read from a JWK with alg, which decides for an RSA key too", async () => {
      const { code, out } = await run(proofArgs(undefined, `${alg}-alg.jwk`));
      expect(code).toBe(0);
      await compactVerify(out.trim(), EmbeddedJWK, { algorithms: [alg] });
    });
  });

  it("is read from a JWK with the older name of its algorithm", async () => {
    bareKey = MemorySigner.generate({ algorithm: "Ed25519" });
    writeFileSync(path("older.jwk"), JSON.stringify({ ...(await bareKey.publicJwk()), alg: "EdDSA" }));
    expect(await run(proofArgs(undefined, "older.jwk"))).toMatchObject({ code: 0 });
  });

  it("names the URI's attribute if an RSA key can sign with several algorithms", async () => {
    writeFileSync(path("rsa.pem"), pem(generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey));
    const { code, err } = await run(proofArgs(undefined, "rsa.pem"));
    expect(code).toBe(3);
    expect(err).toContain("Set algorithm (in a URI: ?algorithm=…) to one of RS256, RS384, RS512, PS256, PS384, PS512.");
  });
});

describe("a file that doesn't contain a suitable public key", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
  const files: Record<string, string | Buffer> = {
    "a text": "hunter2",
    "an incomplete JWK": '{"kty":"EC","crv":"P-256","x":"hunter2"}',
    "a P-224 key": pem(generateKeyPairSync("ec", { namedCurve: "secp224r1" }).publicKey),
    "an X25519 key": pem(generateKeyPairSync("x25519").publicKey),
    "a short RSA key": pem(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey),
    "an RSASSA-PSS key": pem(generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).publicKey),
    "a JWK for encryption": JSON.stringify({ ...rsa.export({ format: "jwk" }), alg: "RSA-OAEP" }),
    "a private key": privateKey.export({ type: "pkcs8", format: "pem" }),
    "a private JWK": JSON.stringify({ ...publicKey.export({ format: "jwk" }), d: "hunter2" }),
    "a private JWK of ML-DSA": JSON.stringify({ kty: "AKP", alg: "ML-DSA-44", pub: "AA", priv: "hunter2" }),
  };
  it.each([
    ["a text", /public key or a certificate in PEM, or a JWK/],
    ["an incomplete JWK", /public key or a certificate in PEM, or a JWK/],
    ["a P-224 key", /key is EC secp224r1, which no algorithm here can use. Use an EC key on P-256, /],
    ["an X25519 key", /key is x25519, which no algorithm here can use/],
    ["a short RSA key", /key is RSA 1024, which no algorithm .* an RSA key of at least 2048 bits/],
    ["an RSASSA-PSS key", /key is rsa-pss 2048, which no algorithm/],
    ["a JWK for encryption", /key is RSA 2048, and may only sign with RSA-OAEP, not with RS256/],
    ["a private key", /contains a private key/],
    ["a private JWK", /contains a private key/],
    ["a private JWK of ML-DSA", /contains a private key/],
    ["a missing file", /can't be read \(ENOENT\)/],
  ])("%s ends the command with exit code 2 and one line that names the option", async (name, problem) => {
    const content = files[name];
    if (content !== undefined) writeFileSync(path(name), content);
    const { code, err } = await run(["show", uri, "--public-key", path(name)]);
    expect(code).toBe(2);
    expect(err).toMatch(problem);
    expect(err).toContain("--public-key: ");
    expect(isOneLine(err)).toBe(true);
    expect(err).not.toContain("hunter2");
  });
});
