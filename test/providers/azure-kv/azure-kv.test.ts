/**
 * AzureKeyVaultSigner and its provider. The tests run against the emulator or, unchanged, against the real service
 * (docs/azure-kv.md). They don't use the emulator's own API; tests that do are in the other files.
 */
import { randomUUID } from "node:crypto";
import { CryptographyClient, type KeyVaultKey } from "@azure/keyvault-keys";
import { DPoPProver, listKeys, type SignerError } from "hardproof";
import { AzureKeyVaultSigner, type AzureKeyVaultSignerOptions, provider } from "hardproof/azure-kv";
import type { AlgorithmName } from "hardproof/provider";
import { compactVerify, importJWK } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testedAlgorithms } from "../../tested-algorithms.js";
import { isSignedBy } from "../verify-jws.js";
import { type AzureKvTarget, azureKvTarget } from "./target.js";

let kv: AzureKvTarget;
const created: string[] = [];
beforeAll(async () => {
  kv = await azureKvTarget();
});
afterAll(async () => {
  for (const name of created) await kv.client.beginDeleteKey(name).catch(() => undefined);
  await kv.close();
});

const newSigner = (keyId = kv.keyId, overrides: AzureKeyVaultSignerOptions = {}) =>
  new AzureKeyVaultSigner(keyId, { ...kv.options, ...overrides });
const message = Buffer.from("message to sign");
const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const withoutVersion = () => kv.keyId.replace(/\/[0-9a-f]{32}$/, "");
const uriOf = (name: string) => {
  const { protocol, host } = new URL(kv.vaultUrl);
  return `azurekms://${host}${name && `/${name}`}${protocol === "http:" ? "?plaintext=true" : ""}`;
};
const newName = () => {
  const name = `hardproof-test-${randomUUID()}`;
  created.push(name);
  return name;
};

describe("AzureKeyVaultSigner", () => {
  it("signs with a key named with and without its version, and by URI", async () => {
    await using pinned = newSigner();
    await using current = newSigner(withoutVersion());
    await using opened = provider.open(pinned.uri, kv.options);
    const jwks = await Promise.all([pinned, current, opened].map((signer) => signer.publicJwk()));
    expect(new Set(jwks.map((jwk) => JSON.stringify(jwk))).size).toBe(1);
    for (const signer of [pinned, current, opened]) {
      const prover = await DPoPProver.create(signer);
      const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example.com/" });
      const { protectedHeader } = await compactVerify(proof, await importJWK({ ...prover.publicJwk }, prover.alg));
      expect(protectedHeader.jwk).toEqual(prover.publicJwk);
      expect(isSignedBy(proof, prover.publicJwk, prover.alg)).toBe(true);
    }
  });

  it("makes 50 proofs concurrently", async () => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    const make = () => prover.makeProof({ htm: "GET", htu: "https://api.example.com/" });
    expect(new Set(await Promise.all(Array.from({ length: 50 }, make))).size).toBe(50);
  });

  it("describes the key by the service's attributes", async () => {
    await using signer = newSigner();
    const { provider: scheme, protection, exportable, evidence } = await signer.describe();
    expect({ scheme, exportable }).toEqual({ scheme: "azurekms", exportable: false });
    expect(["software", "hsm"]).toContain(protection);
    expect(evidence).toMatchObject({ kid: kv.keyId, enabled: true, key_ops: expect.arrayContaining(["sign"]) });
    expect(evidence.created).toMatch(/^20\d\d-/);
  });

  it("reports a key and a version that don't exist", async () => {
    for (const keyId of [`${kv.vaultUrl}/keys/hardproof-no-such-key`, `${withoutVersion()}/${"0".repeat(32)}`]) {
      await using signer = newSigner(keyId);
      const error = await errorOf(signer.sign(message));
      expect(error).toMatchObject({
        code: "key-not-found",
        message: expect.stringContaining("KeyNotFound from GetKey: A key with"),
      });
    }
  });

  it("is listed, with its algorithm", async () => {
    await using signer = newSigner();
    const { alg } = await signer.publicJwk();
    const uris = await listKeys(uriOf(""), { ...kv.options, algorithm: alg });
    const expected = new URL(kv.keyId).pathname.replace("/keys", "");
    expect(uris.filter((uri) => uri.includes(`${expected}?algorithm=${alg}`))).toHaveLength(1);
  });
});

describe("keys that the tests create", () => {
  it.each(testedAlgorithms("azure-kv"))("sign with %s, and are found by list()", async (algorithm) => {
    if (!kv.canCreate) return;
    const name = newName();
    const { credential, clientOptions } = kv.options;
    await using signer = await provider.create(uriOf(name), { credential, clientOptions, algorithm });
    const prover = await DPoPProver.create(signer);
    const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example.com/" });
    expect(isSignedBy(proof, prover.publicJwk, algorithm)).toBe(true);
    expect(signer.uri).toMatch(new RegExp(`/${name}/[0-9a-f]{32}\\?algorithm=${algorithm}`));
    const uris = await listKeys(uriOf(""), { credential, clientOptions, algorithm });
    expect(uris).toContain(signer.uri);
    const { exportable, evidence } = await signer.describe();
    expect({ exportable, key_ops: evidence.key_ops }).toEqual({ exportable: false, key_ops: ["sign", "verify"] });
  });

  it("keep their version when they are rotated, and can't sign when they are disabled", async () => {
    if (!kv.canCreate) return;
    const name = newName();
    await using signer = await provider.create(uriOf(name), kv.options);
    const jwk = await signer.publicJwk();
    const { properties }: KeyVaultKey = await kv.client.getKey(name);
    await kv.client.rotateKey(name);
    await signer.sign(message);
    await using rotated = newSigner(`${kv.vaultUrl}/keys/${name}`);
    expect(await rotated.publicJwk()).not.toEqual(jwk);
    await kv.client.updateKeyProperties(name, properties.version ?? "", { enabled: false });
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "access-denied" });
  });

  it("aren't overwritten, nor are deleted ones", async () => {
    if (!kv.canCreate) return;
    const name = newName();
    const create = () => provider.create(uriOf(name), kv.options);
    await (await create()).close();
    expect(await errorOf(create())).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("already exists"),
    });
    await (await kv.client.beginDeleteKey(name, { intervalInMs: 500 })).pollUntilDone();
    expect(await errorOf(create())).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("Recover or purge"),
    });
  });
});

describe("the service's checks of a request to sign", () => {
  const refused: [string, AlgorithmName | "ES256K", number, RegExp][] = [
    ["a digest that is too short", "ES256", 20, /Invalid length of 'value': 20 bytes/],
    ["an algorithm of another type", "RS256", 32, /incompatible/],
    ["an algorithm of another curve", "ES384", 48, /incompatible/],
  ];
  it.each(refused)("refuse %s", async (_, algorithm, bytes, pattern) => {
    const key = await kv.client.getKey(new URL(kv.keyId).pathname.split("/")[2] ?? "");
    if (key.key?.crv !== "P-256") return;
    const client = new CryptographyClient(key, kv.options.credential ?? expect.unreachable(), { ...kv.sdkOptions });
    await expect(client.sign(algorithm, Buffer.alloc(bytes))).rejects.toMatchObject({
      statusCode: 400,
      code: "BadParameter",
      message: expect.stringMatching(pattern),
    });
  });
});
