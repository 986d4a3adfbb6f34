/** Every JWS algorithm with a key in Key Vault: proofs, requests, keys that don't fit, and servers that others wrote. */
import { createPublicKey, type JsonWebKey } from "node:crypto";
import { type AlgorithmName, DPoPProver, type SignerError } from "hardproof";
import { AzureKeyVaultSigner, type AzureKeyVaultSignerOptions, provider } from "hardproof/azure-kv";
import { compactVerify, importJWK } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { azureKeyVaultEmulator } from "../../../testing/emulators/azure-kv.js";
import type { KeyVersion } from "../../../testing/emulators/azure-kv-keys.js";
import type { Fault } from "../../../testing/emulators/fault-plan.js";
import { type AlgorithmServers, algorithmServers } from "../../servers/algorithm-servers.js";
import { testedAlgorithms } from "../../tested-algorithms.js";
import { isSignature, isSignedBy } from "../verify-jws.js";
import { ROWS } from "./algorithms.js";

const kv = await azureKeyVaultEmulator();
const { credential } = kv;
const keys = new Map(ROWS.map(([alg, options]): [AlgorithmName, KeyVersion] => [alg, kv.hsm.add(hsmType(options))]));
afterEach(() => kv.plan.clear());
afterAll(() => kv.close());

/** A managed HSM only has keys of these types. */
function hsmType(options: (typeof ROWS)[number][1]) {
  return { ...options, kty: `${options.kty}-HSM` };
}
const keyOf = (alg: AlgorithmName) => keys.get(alg) ?? expect.unreachable();
const newSigner = (alg: AlgorithmName, options: AzureKeyVaultSignerOptions = {}) =>
  new AzureKeyVaultSigner(keyOf(alg).kid, { credential, algorithm: alg, ...options });
const publicKeyOf = ({ kty, material }: KeyVersion) =>
  createPublicKey({ key: { kty: kty.slice(0, -4), ...material.publicMembers } as JsonWebKey, format: "jwk" });
const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

it("are those of the README", () => {
  expect(ROWS.map(([alg]) => alg)).toEqual(testedAlgorithms("azure-kv"));
});

describe.each(ROWS)("%s", (alg, { kty, curve }, bytes) => {
  it("makes proofs that node:crypto and jose verify", async () => {
    await using signer = newSigner(alg);
    const prover = await DPoPProver.create(signer);
    for (let n = 0; n < 10; n += 1) {
      const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example.com/" });
      const { protectedHeader } = await compactVerify(proof, await importJWK({ ...prover.publicJwk }, alg));
      expect(protectedHeader.alg).toBe(alg);
      expect(isSignedBy(proof, publicKeyOf(keyOf(alg)).export({ format: "jwk" }), alg)).toBe(true);
      expect(isSignedBy(proof.replace(".", ".A"), prover.publicJwk, alg)).toBe(false);
    }
  });

  it(`sends a digest of ${bytes} bytes in one request`, async () => {
    await using signer = newSigner(alg);
    await signer.publicJwk();
    kv.plan.clear();
    await signer.sign(Buffer.from("a message"));
    const [call, ...others] = kv.plan.calls;
    expect(others).toEqual([]);
    const { alg: sent, value }: Record<string, string> = Object(call?.input);
    expect(sent).toBe(alg);
    expect(Buffer.from(value ?? "", "base64url")).toHaveLength(bytes);
  });

  it("signs messages of any length", async () => {
    await using signer = newSigner(alg);
    for (const length of [0, 1, 100_000]) {
      const message = Buffer.alloc(length, 7);
      expect(isSignature(alg, publicKeyOf(keyOf(alg)), message, await signer.sign(message))).toBe(true);
    }
  });

  it("needs the option `algorithm` only if the key has several", async () => {
    await using signer = newSigner(alg, { algorithm: undefined });
    if (curve) expect(await signer.publicJwk()).toMatchObject({ alg });
    else
      expect(await errorOf(signer.sign(Buffer.from("a")))).toMatchObject({
        code: "misconfigured",
        message: expect.stringMatching(/RS256, RS384, RS512, PS256, PS384, PS512/),
      });
  });

  it("has a URI that opens the same key, and describes it", async () => {
    await using signer = newSigner(alg);
    await using reopened = provider.open(signer.uri, { credential });
    expect(reopened.uri).toBe(signer.uri);
    expect(await reopened.publicJwk()).toEqual(await signer.publicJwk());
    expect(await reopened.describe()).toMatchObject({ alg, protection: "hsm", evidence: { kty: `${kty}-HSM` } });
  });

  it.each<Fault>(["wrong-signature", "corrupt-signature", "other-key", "other-name"])(
    "reports sign with the fault %s as an integrity error",
    async (fault) => {
      await using signer = newSigner(alg);
      kv.plan.next("sign", fault);
      expect(await errorOf(signer.sign(Buffer.from("a")))).toMatchObject({ code: "integrity", retryable: false });
    },
  );

  it("rejects a key of another type before it signs", async () => {
    const other = alg === "ES256" ? "ES384" : "ES256";
    await using signer = newSigner(alg, { algorithm: other });
    const error = await errorOf(signer.sign(Buffer.from("a")));
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringContaining(other) });
    expect(kv.plan.count("sign")).toBe(0);
  });
});

describe("servers", () => {
  let signers: Map<AlgorithmName, AzureKeyVaultSigner>;
  let servers: AlgorithmServers;
  beforeAll(async () => {
    signers = new Map(ROWS.map(([alg]) => [alg, newSigner(alg)]));
    servers = await algorithmServers([...signers.values()]);
  });
  afterAll(async () => {
    await servers.close();
    await Promise.all([...signers.values()].map((signer) => signer.close()));
  });

  it.each(ROWS)("accept %s in proofs and client assertions (oidc-provider, oauth4webapi)", async (alg) => {
    const { key, token, resource } = await servers.useKey(signers.get(alg) ?? expect.unreachable());
    expect([token, resource]).toEqual([key, key]);
  });
});
