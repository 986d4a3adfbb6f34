/**
 * GcpKmsSigner and its provider. The tests run against the emulator or, if HARDPROOF_GCP_KMS_KEY is set, unchanged
 * against the real service or another emulator (docs/gcp-kms.md).
 */
import { createHash, createPublicKey, verify } from "node:crypto";
import { DPoPProver, listKeys, type SignerError } from "hardproof";
import { GcpKmsSigner, provider } from "hardproof/gcp-kms";
import { calculateJwkThumbprint, importJWK, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { crc32c } from "../../../testing/emulators/crc32c.js";
import { isSignedBy } from "../verify-jws.js";
import { USABLE } from "./algorithms.js";
import { type GcpKmsTarget, gcpKmsTarget } from "./target.js";

let kms: GcpKmsTarget;
beforeAll(async () => {
  kms = await gcpKmsTarget();
});
afterAll(() => kms.close());

const P256 = {
  purpose: "ASYMMETRIC_SIGN",
  versionTemplate: { algorithm: "EC_SIGN_P256_SHA256", protectionLevel: "SOFTWARE" },
} as const;
const newSigner = (name: string) => new GcpKmsSigner(name, kms.options);
const uriOf = (name: string, algorithm = "") => {
  const { endpoint } = kms.options;
  const attributes = [algorithm && `algorithm=${algorithm}`, endpoint && `endpoint=${endpoint}`].filter(Boolean);
  return `gcpkms://${name}${attributes.length > 0 ? "?" : ""}${attributes.join("&")}`;
};
const thumbprint = async (name: string) => {
  await using signer = newSigner(name);
  return calculateJwkThumbprint(await signer.publicJwk());
};
const signingError = async (name: string): Promise<SignerError> => {
  await using signer = newSigner(name);
  return signer.sign(Buffer.from("never signed")).then(
    () => expect.unreachable(),
    (error) => error,
  );
};

describe("GcpKmsSigner", () => {
  it("makes an ES256 signature that its public key verifies", async () => {
    await using signer = newSigner(kms.key);
    const data = Buffer.from("some message");
    const signature = await signer.sign(data);
    const key = createPublicKey({ key: { ...(await signer.publicJwk()) }, format: "jwk" });
    expect(signature).toHaveLength(64);
    expect(verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature)).toBe(true);
  });

  it("makes concurrent proofs, each of them unique", async () => {
    await using signer = newSigner(kms.key);
    const prover = await DPoPProver.create(signer);
    const claims = { htm: "GET", htu: "https://api.example/" };
    const proofs = await Promise.all(Array.from({ length: 20 }, () => prover.makeProof(claims)));
    expect(new Set(proofs).size).toBe(20);
  });

  it("describes the key with its URI, thumbprint, protection and metadata", async () => {
    await using signer = newSigner(kms.key);
    const { provider: scheme, uri, jkt, protection, evidence } = await signer.describe();
    expect({ scheme, uri, jkt }).toEqual({ scheme: "gcpkms", uri: uriOf(kms.key), jkt: await thumbprint(kms.key) });
    expect(["software", "hsm", "external"]).toContain(protection);
    expect(evidence).toMatchObject({ state: "ENABLED", algorithm: "EC_SIGN_P256_SHA256" });
    expect(String(evidence.name)).toMatch(new RegExp(`^${kms.key}/cryptoKeyVersions/\\d+$`));
  });

  it("waits for a key that is being generated", async () => {
    const name = `${await kms.createKey(P256)}/cryptoKeyVersions/1`;
    await using signer = newSigner(name);
    await expect(signer.sign(Buffer.from("first"))).resolves.toHaveLength(64);
    expect(await signer.describe()).toMatchObject({ protection: "software", exportable: false });
  });
});

describe("a proof", () => {
  it.each(USABLE)("by %s is a valid %s proof, for node:crypto and for jose", async (algorithm, alg) => {
    const versionTemplate = { algorithm, protectionLevel: "SOFTWARE" } as const;
    await using signer = newSigner(
      `${await kms.createKey({ purpose: "ASYMMETRIC_SIGN", versionTemplate })}/cryptoKeyVersions/1`,
    );
    const prover = await DPoPProver.create(signer);
    const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example/" });
    const { protectedHeader } = await jwtVerify(proof, await importJWK({ ...prover.publicJwk }, alg), {
      typ: "dpop+jwt",
    });
    expect(protectedHeader).toMatchObject({ alg, jwk: prover.publicJwk });
    expect(isSignedBy(proof, prover.publicJwk, alg)).toBe(true);
    expect(isSignedBy(proof.replace(".", ".A"), prover.publicJwk, alg)).toBe(false);
  });
});

describe("a key name without a version", () => {
  it("resolves to the newest enabled version once, at first use", async () => {
    const key = await kms.createKey(P256);
    await using first = newSigner(key);
    await first.publicJwk();
    const [second] = await kms.client.createCryptoKeyVersion({ parent: key });
    await kms.waitUntilGenerated(second.name ?? "");
    const [one, two] = await Promise.all([1, 2].map((n) => thumbprint(`${key}/cryptoKeyVersions/${n}`)));
    expect(await calculateJwkThumbprint(await first.publicJwk())).toBe(one);
    await expect(first.sign(Buffer.from("signed by version 1"))).resolves.toHaveLength(64);
    expect(await thumbprint(key)).toBe(two);

    const disabled = { name: second.name ?? null, state: "DISABLED" } as const;
    await kms.client.updateCryptoKeyVersion({ cryptoKeyVersion: disabled, updateMask: { paths: ["state"] } });
    expect(await thumbprint(key)).toBe(one);
  });
});

describe("provider", () => {
  it("creates, lists and opens a key by its URI", async () => {
    const existing = await kms.createKey(P256);
    const id = `${existing.split("/").at(-1)}-2`;
    const uri = uriOf(`${kms.keyRing}/cryptoKeys/${id}`);
    await using created = await provider.create(uri, { protectionLevel: "SOFTWARE" });
    const version = `${kms.keyRing}/cryptoKeys/${id}/cryptoKeyVersions/1`;
    expect(created.uri).toBe(uriOf(version));
    const listed = uriOf(version, "ES256");
    expect(await listKeys(uri)).toEqual([listed]);
    expect(await listKeys(uriOf(kms.keyRing))).toContain(listed);
    await using opened = provider.open(listed);
    expect(opened.uri).toBe(listed);
    expect(await opened.publicJwk()).toEqual(await created.publicJwk());
    await expect(provider.create(uri)).rejects.toMatchObject({ code: "misconfigured", uri });
    await kms.client.destroyCryptoKeyVersion({ name: version });
    expect(await listKeys(uri)).toEqual([]);
  });

  it("omits keys with another purpose or algorithm from list()", async () => {
    const algorithm = "RSA_SIGN_RAW_PKCS1_2048";
    const other = await kms.createKey({ ...P256, versionTemplate: { algorithm, protectionLevel: "SOFTWARE" } });
    const symmetric = await kms.createKey({ purpose: "ENCRYPT_DECRYPT" });
    const listed = await listKeys(uriOf(kms.keyRing));
    expect(listed.filter((uri) => uri.includes(other) || uri.includes(symmetric))).toEqual([]);
  });
});

describe("unusable keys", () => {
  it("reports a key that does not exist as key-not-found", async () => {
    const missing = `${kms.keyRing}/cryptoKeys/hardproof-no-such-key`;
    expect(await signingError(`${missing}/cryptoKeyVersions/1`)).toMatchObject({ code: "key-not-found" });
    expect(await signingError(missing)).toMatchObject({ code: "key-not-found" });
  });

  it("rejects an encryption key at first use", async () => {
    const key = await kms.createKey({ purpose: "ENCRYPT_DECRYPT" });
    const error = await signingError(`${key}/cryptoKeyVersions/1`);
    expect(error.code).toBe("wrong-key");
    expect(error.message).toMatch(/GOOGLE_SYMMETRIC_ENCRYPTION, which can't sign a JWS/);
  });

  it("rejects a key with an algorithm that isn't a JWS algorithm at first use", async () => {
    const algorithm = "RSA_SIGN_RAW_PKCS1_2048";
    const key = await kms.createKey({ ...P256, versionTemplate: { algorithm, protectionLevel: "SOFTWARE" } });
    await kms.waitUntilGenerated(`${key}/cryptoKeyVersions/1`);
    const error = await signingError(key);
    expect(error.code).toBe("wrong-key");
    expect(error.message).toMatch(/RSA_SIGN_RAW_PKCS1_2048, which can't sign a JWS/);
  });

  it("rejects a version that is disabled or scheduled for destruction at first use", async () => {
    const key = await kms.createKey(P256);
    const name = `${key}/cryptoKeyVersions/1`;
    await kms.waitUntilGenerated(name);
    await kms.client.updateCryptoKeyVersion({
      cryptoKeyVersion: { name, state: "DISABLED" },
      updateMask: { paths: ["state"] },
    });
    const disabled = await signingError(name);
    expect(disabled).toMatchObject({ code: "access-denied", message: expect.stringContaining("DISABLED. Enable it") });
    expect((await signingError(key)).message).toMatch(/doesn't have an enabled version \(version 1 is DISABLED\)/);
    await kms.client.destroyCryptoKeyVersion({ name });
    const destroyed = await signingError(name);
    expect(destroyed).toMatchObject({ message: expect.stringContaining("DESTROY_SCHEDULED. Restore") });
  });
});

describe("AsymmetricSign", () => {
  const sha256 = createHash("sha256").update("message").digest();
  const requests = {
    "a malformed name": [3, { name: "malformed name", digest: { sha256 } }],
    "a digest of another type": [3, { digest: { sha384: Buffer.alloc(48) } }],
    "a digest of another length": [3, { digest: { sha256: sha256.subarray(1) } }],
    "digest and data together": [3, { digest: { sha256 }, data: Buffer.from("message") }],
    "neither digest nor data": [3, {}],
    "a digest that does not match its CRC32C": [3, { digest: { sha256 }, digestCrc32c: { value: crc32c(sha256) ^ 1 } }],
    "a version that does not exist": [5, { version: 999_999, digest: { sha256 } }],
  } as const;

  it.each(Object.entries(requests))("rejects %s", async (_, [code, { ...request }]) => {
    const version = "version" in request ? request.version : 1;
    const call = kms.client.asymmetricSign({ name: `${kms.key}/cryptoKeyVersions/${version}`, ...request });
    await expect(call).rejects.toMatchObject({ code });
  });

  it("reports whether it verified the digest's checksum", async () => {
    const name = `${kms.key}/cryptoKeyVersions/1`;
    const [unchecked] = await kms.client.asymmetricSign({ name, digest: { sha256 } });
    const [checked] = await kms.client.asymmetricSign({
      name,
      digest: { sha256 },
      digestCrc32c: { value: crc32c(sha256) },
    });
    expect([unchecked, checked].map(({ verifiedDigestCrc32c }) => verifiedDigestCrc32c)).toEqual([false, true]);
    expect(checked).toMatchObject({ name });
    expect(Number(checked.signatureCrc32c?.value)).toBe(crc32c(Buffer.from(checked.signature ?? "")));
  });
});
