/** Every JWS algorithm with a key on SoftHSM: proofs, servers, creating, and keys that don't fit. */
import { execFileSync } from "node:child_process";
import { constants, createPublicKey, generateKeyPairSync, type VerifyKeyObjectInput, verify } from "node:crypto";
import {
  type AlgorithmName,
  createKey,
  DPoPProver,
  listKeys,
  openSigner,
  type PublicJwk,
  type SignerError,
} from "hardproof";
import { Pkcs11Signer, type Pkcs11SignerOptions, provider } from "hardproof/pkcs11";
import { compactVerify, importJWK } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { faultyPkcs11 } from "../../../testing/pkcs11/faulty-pkcs11.js";
import { type AlgorithmServers, algorithmServers } from "../../servers/algorithm-servers.js";
import { tokenWithKeys } from "../../shim/token-keys.js";
import { testedAlgorithms } from "../../tested-algorithms.js";

const ALGORITHMS = testedAlgorithms("pkcs11");
const RSA: readonly AlgorithmName[] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const CKR_MECHANISM_INVALID = 0x70;
const CKM_RSA_PKCS_PSS = 0xd;

const { hsm, module, close } = await tokenWithKeys("algorithms", ALGORITHMS);
const shim = faultyPkcs11(module);
afterEach(() => shim.order());
afterAll(async () => {
  shim.close();
  await close();
});

const newSigner = (more: Partial<Pkcs11SignerOptions> = {}) =>
  new Pkcs11Signer({ module: shim.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin, ...more });
const uriOf = (object: string, query = "") =>
  `pkcs11:token=algorithms;object=${object}?module-path=${shim.module}${query}`;
const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

/** Verifies with `node:crypto`, without the table under test. */
function verifies(alg: string, jwk: PublicJwk, message: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: { ...jwk }, format: "jwk" });
  const hash = /^(ES|RS|PS)/.test(alg) ? `sha${alg.slice(-3)}` : undefined;
  return verify(hash, message, { key, ...optionsOf(alg) }, signature);
}

function optionsOf(alg: string): Omit<VerifyKeyObjectInput, "key"> {
  if (alg.startsWith("ES")) return { dsaEncoding: "ieee-p1363" };
  return alg.startsWith("PS")
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(alg.slice(-3)) / 8 }
    : {};
}

const MEMBERS: Readonly<Record<string, string[]>> = {
  EC: ["crv", "kty", "x", "y"],
  OKP: ["crv", "kty", "x"],
  RSA: ["e", "kty", "n"],
  AKP: ["alg", "kty", "pub"],
};

describe.each(ALGORITHMS)("%s", (alg) => {
  it.each(["graphene-pk11", "koffi"] as const)(
    "makes proofs that node:crypto and jose verify, with %s",
    async (binding) => {
      await using signer = newSigner({ key: alg, algorithm: alg, binding });
      const jwk = await signer.publicJwk();
      const prover = await DPoPProver.create(signer);
      for (let n = 0; n < 10; n += 1) {
        const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example.com/" });
        const { protectedHeader } = await compactVerify(proof, await importJWK(jwk, alg));
        expect(protectedHeader.alg).toBe(alg);
        expect(Object.keys(protectedHeader.jwk ?? {}).sort()).toEqual(MEMBERS[jwk.kty]);
        const [header, payload, signature = ""] = proof.split(".");
        const message = Buffer.from(`${header}.${payload}`);
        expect(verifies(alg, jwk, message, Buffer.from(signature, "base64url"))).toBe(true);
      }
    },
  );

  it("needs the option `algorithm` only for an RSA key, and the error lists its algorithms", async () => {
    await using signer = newSigner({ key: alg });
    if (!RSA.includes(alg)) return expect(await signer.publicJwk()).toMatchObject({ alg });
    expect(await errorOf(signer.publicJwk())).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining(RSA.join(", ")),
    });
  });

  it("takes the algorithm from the URI, which the signer's URI contains", async () => {
    await using signer = await openSigner(uriOf(alg, `&algorithm=${alg}`), { pin: hsm.pin });
    expect(await signer.publicJwk()).toMatchObject({ alg });
    expect(signer.uri).toBe(uriOf(alg, `&algorithm=${alg}`));
    expect(await signer.describe()).toMatchObject({ alg, protection: "software", exportable: false });
  });

  it("recovers a key that was lost, and notices that it is the same one", async () => {
    await using signer = newSigner({ key: alg, algorithm: alg });
    const jwk = await signer.publicJwk();
    shim.order({ on: "C_SignInit", times: 1, act: { return: 0xb3 } });
    const message = Buffer.from("after the loss");
    expect(verifies(alg, jwk, message, await signer.sign(message))).toBe(true);
  });

  it("creates a key that can't be exported, which list() finds with its algorithm", async () => {
    const name = `${alg}-created`;
    const options = { pin: hsm.pin, algorithm: alg };
    await using signer = await createKey(uriOf(name), options);
    const jwk = await signer.publicJwk();
    const message = Buffer.from("created");
    expect(verifies(alg, jwk, message, await signer.sign(message))).toBe(true);
    expect(await signer.describe()).toMatchObject({ alg, exportable: false });
    if (jwk.kty === "RSA") expect(Buffer.from(jwk.n ?? "", "base64url")).toHaveLength(3072 / 8);
    const uris = await listKeys(uriOf(name, `&algorithm=${alg}`), { pin: hsm.pin });
    expect(uris).toHaveLength(1);
    await using listed = await openSigner(uris[0] ?? "", { pin: hsm.pin });
    expect(await listed.publicJwk()).toEqual(jwk);
  });
});

describe("servers", () => {
  let signers: Map<AlgorithmName, Pkcs11Signer>;
  let servers: AlgorithmServers;
  beforeAll(async () => {
    signers = new Map(ALGORITHMS.map((alg) => [alg, newSigner({ key: alg, algorithm: alg })]));
    servers = await algorithmServers([...signers.values()]);
  });
  afterAll(async () => {
    await servers.close();
    await Promise.all([...signers.values()].map((signer) => signer.close()));
  });

  it.each(ALGORITHMS)("accept %s proofs and client assertions (oidc-provider, oauth4webapi)", async (alg) => {
    const { key, token, resource } = await servers.useKey(signers.get(alg) ?? expect.unreachable());
    expect([token, resource]).toEqual([key, key]);
  });
});

describe("a key that doesn't fit the algorithm", () => {
  it.each<[AlgorithmName, AlgorithmName, string]>([
    ["ES256", "ES384", "is an EC key on P-256; ES384 needs an EC key on P-384."],
    ["ES384", "ES256", "is an EC key on P-384; ES256 needs an EC key on P-256."],
    ["Ed25519", "ES256", "is an EC Edwards key on Ed25519; ES256 needs an EC key on P-256."],
    ["ES256", "PS256", "is an EC key on P-256; PS256 needs an RSA key of at least 2048 bits."],
    ["RS256", "Ed25519", "is an RSA key of 2048 bits; Ed25519 needs an Ed25519 key."],
  ])("is found to be the one for %s when it is opened for %s, before any proof", async (key, algorithm, problem) => {
    const before = shim.count("C_Sign");
    await using signer = newSigner({ key, algorithm });
    const error = await errorOf(DPoPProver.create(signer));
    expect(error).toMatchObject({ code: "wrong-key", retryable: false, uri: signer.uri });
    expect(error.message).toContain(`"${key}"`);
    expect(error.message).toContain(problem);
    expect(shim.count("C_Sign")).toBe(before);
  });

  it("is refused if it is an RSA key of 1,024 bits, with and without `algorithm`", async () => {
    await hsm.addKey({ label: "short", id: "e0", algorithm: "RS256", modulusLength: 1024 });
    for (const [algorithm, needed] of [
      ["RS256", "RS256 needs an RSA key of at least 2048 bits"],
      [undefined, "an RSA key of at least 2048 bits"],
    ] as const) {
      await using signer = newSigner({ key: "short", algorithm });
      const error = await errorOf(signer.publicJwk());
      expect(error).toMatchObject({ code: "wrong-key", message: expect.stringContaining("RSA key of 1024 bits") });
      expect(error.message).toContain(needed);
    }
    expect(await listKeys(uriOf("short"), { pin: hsm.pin })).toEqual([]);
  });

  it("is refused if it is on secp256k1, and isn't listed", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
    await hsm.addKey({ label: "bitcoin", id: "e1", privateKey });
    await using signer = newSigner({ key: "bitcoin" });
    expect(await errorOf(signer.publicJwk())).toMatchObject({
      code: "wrong-key",
      message: expect.stringMatching(/"bitcoin".* is an EC key on secp256k1; use an EC key on P-256, /),
    });
    expect(await listKeys(uriOf("bitcoin"), { pin: hsm.pin })).toEqual([]);
  });

  it("isn't opened for a padding that CKA_ALLOWED_MECHANISMS forbids, nor listed for it", async () => {
    await hsm.addKey({ label: "pss", id: "e2", algorithm: "RS256", mechanisms: [CKM_RSA_PKCS_PSS] });
    await using signer = newSigner({ key: "pss", algorithm: "RS256" });
    expect(await errorOf(signer.publicJwk())).toMatchObject({
      code: "wrong-key",
      message: expect.stringMatching(
        /"pss" \(id e2\) can't sign with CKM_RSA_PKCS \(CKA_ALLOWED_MECHANISMS\). Set algorithm to one of PS256, PS384, PS512/,
      ),
    });
    await using unspecified = newSigner({ key: "pss" });
    expect(await errorOf(unspecified.publicJwk())).toMatchObject({
      code: "misconfigured",
      message: expect.stringMatching(/to one of PS256, PS384, PS512\.$/),
    });
    expect(await listKeys(uriOf("pss"), { pin: hsm.pin })).toHaveLength(3);
  });

  it("isn't opened on a token without the mechanism, nor created there", async () => {
    shim.order({ on: "C_GetMechanismList", act: { noMechanisms: 1 } });
    await using signer = newSigner({ key: "PS256", algorithm: "PS256" });
    expect(await errorOf(signer.publicJwk())).toMatchObject({
      code: "wrong-key",
      message: expect.stringContaining("can't sign with CKM_RSA_PKCS_PSS (the token doesn't support it)"),
    });
    const generated = shim.count("C_GenerateKeyPair");
    const creating = createKey(uriOf("never"), { pin: hsm.pin, algorithm: "PS256" });
    expect(await errorOf(creating)).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("The token can't sign with PS256: it doesn't support CKM_RSA_PKCS_PSS."),
    });
    expect(shim.count("C_GenerateKeyPair")).toBe(generated);
  });

  it("isn't created on a token that can sign, but can't generate it", async () => {
    shim.order({ on: "C_GenerateKeyPair", act: { return: CKR_MECHANISM_INVALID } });
    const creating = createKey(uriOf("never"), { pin: hsm.pin, algorithm: "Ed25519" });
    expect(await errorOf(creating)).toMatchObject({
      code: "misconfigured",
      message: expect.stringMatching(/can't create an Ed25519 key .*CKR_MECHANISM_INVALID.*vendor's tool/),
    });
  });

  it("is reported by diagnose() if the token lacks the mechanism of the URI's algorithm", async () => {
    shim.order({ on: "C_GetMechanismList", act: { noMechanisms: 1 } });
    const findings = [];
    const uri = uriOf("PS256", "&algorithm=PS256");
    for await (const finding of provider.diagnose?.(uri, { pin: hsm.pin }) ?? []) findings.push(finding);
    const found = "the token doesn't support CKM_RSA_PKCS_PSS";
    expect(findings).toContainEqual({ check: "mechanism", ok: false, found });
  });
});

describe("the public key of an RSA key", () => {
  it("is read from the private key if the token doesn't store a public key object", async () => {
    await hsm.addKey({ label: "no public", id: "e3", algorithm: "RS256", publicObject: false });
    await using signer = newSigner({ key: "no public", algorithm: "PS256" });
    const message = Buffer.from("x");
    expect(verifies("PS256", await signer.publicJwk(), message, await signer.sign(message))).toBe(true);
  });

  it("may be the option publicKey, whatever algorithm it names", async () => {
    await using signer = newSigner({ key: "PS256", algorithm: "PS256" });
    const publicJwk: PublicJwk = { ...(await signer.publicJwk()), alg: "RS256" };
    await using other = newSigner({ key: "PS256", algorithm: "PS384", publicKey: publicJwk });
    const message = Buffer.from("x");
    expect(verifies("PS384", await other.publicJwk(), message, await other.sign(message))).toBe(true);
  });

  it("must be that of the key, or no signature is returned", async () => {
    await using other = newSigner({ key: "RS256", algorithm: "RS256" });
    await using signer = newSigner({ key: "RS384", algorithm: "RS384", publicKey: await other.publicJwk() });
    expect(await errorOf(signer.sign(Buffer.from("x")))).toMatchObject({ code: "integrity" });
  });
});

it("notices that another key has the label of a lost RSA key", async () => {
  await hsm.addKey({ label: "swapped", id: "e4", algorithm: "RS256" });
  await using signer = newSigner({ key: "swapped", algorithm: "PS256" });
  await signer.publicJwk();
  await hsm.deleteKey({ id: "e4" });
  await hsm.addKey({ label: "swapped", id: "e5", algorithm: "RS256" });
  expect(await errorOf(signer.sign(Buffer.from("x")))).toMatchObject({
    code: "integrity",
    message: expect.stringContaining("different key"),
  });
});

it("opens a key whose curve the token doesn't report by its public key, and lists it without an algorithm", async () => {
  const CKA_EC_PARAMS = 0x180;
  shim.order({ on: "C_GetAttributeValue", act: { unavailable: CKA_EC_PARAMS } });
  await using signer = newSigner({ key: "ES384", binding: "koffi" });
  expect(await signer.publicJwk()).toMatchObject({ alg: "ES384" });
  const [uri = ""] = await listKeys(uriOf("ES384"), { pin: hsm.pin, binding: "koffi" });
  expect(uri).toMatch(/object=ES384;id=%A1\?module-path=[^&]+$/);
});

it("creates keys that may only sign (pkcs11-tool)", async () => {
  await (await createKey(uriOf("usage"), { pin: hsm.pin, algorithm: "RS256" })).close();
  const args = ["--module", hsm.module, "--token-label", hsm.token, "--list-objects", "--login"];
  const env = { ...process.env, PIN: hsm.pin };
  const output = execFileSync("pkcs11-tool", [...args, "--pin", "env:PIN"], { encoding: "utf8", stdio: "pipe", env });
  const privateKey = output.split(/^(?=\S)/m).find((object) => /^Private.* usage\n/s.test(object));
  expect(privateKey).toMatch(/Usage: +sign$/m);
});
