/**
 * Keys in Cloud KMS. Nothing here knows the emulator: with HARDPROOF_GCP_KMS_KEY set the same tests run against the
 * real service, or another emulator (docs/gcp-kms.md).
 */
import { createHash, createPublicKey, verify } from "node:crypto";
import { DPoPProver, type SignerError } from "hardproof";
import { GcpKmsSigner, provider } from "hardproof/gcp-kms";
import { calculateJwkThumbprint } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { crc32c } from "../../emulators/crc32c.js";
import { type GcpKmsService, gcpKmsService } from "../../emulators/gcp-kms-service.js";

let kms: GcpKmsService;
beforeAll(async () => {
  kms = await gcpKmsService();
});
afterAll(() => kms.close());

const P256 = {
  purpose: "ASYMMETRIC_SIGN",
  versionTemplate: { algorithm: "EC_SIGN_P256_SHA256", protectionLevel: "SOFTWARE" },
} as const;
const signerOf = (name: string) => new GcpKmsSigner(name, kms.options);
const uriOf = (name: string) => {
  const { endpoint } = kms.options;
  return `gcpkms://${name}${endpoint ? `?endpoint=${endpoint}` : ""}`;
};
const thumbprint = async (name: string) => {
  await using signer = signerOf(name);
  return calculateJwkThumbprint(await signer.publicJwk());
};
const refused = async (name: string): Promise<SignerError> => {
  await using signer = signerOf(name);
  return signer.sign(Buffer.from("never signed")).then(
    () => expect.unreachable(),
    (error) => error,
  );
};

describe("a key in Cloud KMS", () => {
  it("signs ES256 as its public key verifies it", async () => {
    await using signer = signerOf(kms.key);
    const data = Buffer.from("some message");
    const signature = await signer.sign(data);
    const key = createPublicKey({ key: { ...(await signer.publicJwk()) }, format: "jwk" });
    expect(signature).toHaveLength(64);
    expect(verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature)).toBe(true);
  });

  it("makes proofs, side by side, each of its own", async () => {
    await using signer = signerOf(kms.key);
    const prover = await DPoPProver.create(signer);
    const claims = { htm: "GET", htu: "https://api.example/" };
    const proofs = await Promise.all(Array.from({ length: 20 }, () => prover.makeProof(claims)));
    expect(new Set(proofs).size).toBe(20);
  });

  it("says where it lives", async () => {
    await using signer = signerOf(kms.key);
    const { provider: scheme, uri, jkt, protection, evidence } = await signer.describe();
    expect({ scheme, uri, jkt }).toEqual({ scheme: "gcpkms", uri: uriOf(kms.key), jkt: await thumbprint(kms.key) });
    expect(["software", "hsm", "external"]).toContain(protection);
    expect(evidence).toMatchObject({ state: "ENABLED", algorithm: "EC_SIGN_P256_SHA256" });
    expect(String(evidence.name)).toMatch(new RegExp(`^${kms.key}/cryptoKeyVersions/\\d+$`));
  });

  it("is waited for while it is being made", async () => {
    const name = `${await kms.createKey(P256)}/cryptoKeyVersions/1`;
    await using signer = signerOf(name);
    await expect(signer.sign(Buffer.from("first"))).resolves.toHaveLength(64);
    expect(await signer.describe()).toMatchObject({ protection: "software", exportable: false });
  });
});

describe("a key without a version", () => {
  it("is its newest enabled version, looked up once and kept", async () => {
    const key = await kms.createKey(P256);
    await using first = signerOf(key);
    await first.publicJwk();
    const [second] = await kms.client.createCryptoKeyVersion({ parent: key });
    await kms.made(second.name ?? "");
    const [one, two] = await Promise.all([1, 2].map((n) => thumbprint(`${key}/cryptoKeyVersions/${n}`)));
    expect(await calculateJwkThumbprint(await first.publicJwk())).toBe(one);
    await expect(first.sign(Buffer.from("still the first"))).resolves.toHaveLength(64);
    expect(await thumbprint(key)).toBe(two);

    const disabled = { name: second.name ?? null, state: "DISABLED" } as const;
    await kms.client.updateCryptoKeyVersion({ cryptoKeyVersion: disabled, updateMask: { paths: ["state"] } });
    expect(await thumbprint(key)).toBe(one);
  });
});

describe("the provider", () => {
  it("creates, lists and opens a key by its URI", async () => {
    const existing = await kms.createKey(P256);
    const id = `${existing.split("/").at(-1)}-2`;
    const uri = uriOf(`${kms.keyRing}/cryptoKeys/${id}`);
    await using made = await provider.create(uri, { protectionLevel: "SOFTWARE" });
    const version = `${kms.keyRing}/cryptoKeys/${id}/cryptoKeyVersions/1`;
    expect(made.uri).toBe(uriOf(version));
    expect(await provider.list(uri)).toEqual([made.uri]);
    expect(await provider.list(uriOf(kms.keyRing))).toContain(made.uri);
    await using opened = provider.open(made.uri);
    expect(await opened.publicJwk()).toEqual(await made.publicJwk());
    await expect(provider.create(uri)).rejects.toMatchObject({ code: "misconfigured", uri });
    await kms.client.destroyCryptoKeyVersion({ name: version });
    expect(await provider.list(uri)).toEqual([]);
  });

  it("lists no key of another purpose or algorithm", async () => {
    const algorithm = "EC_SIGN_P384_SHA384";
    const other = await kms.createKey({ ...P256, versionTemplate: { algorithm, protectionLevel: "SOFTWARE" } });
    const symmetric = await kms.createKey({ purpose: "ENCRYPT_DECRYPT" });
    const listed = await provider.list(uriOf(kms.keyRing));
    expect(listed.filter((uri) => uri.includes(other) || uri.includes(symmetric))).toEqual([]);
  });
});

describe("what is refused at first use, before any proof", () => {
  it("a key that is not there", async () => {
    const missing = `${kms.keyRing}/cryptoKeys/hardproof-no-such-key`;
    expect(await refused(`${missing}/cryptoKeyVersions/1`)).toMatchObject({ code: "key-not-found" });
    expect(await refused(missing)).toMatchObject({ code: "key-not-found" });
  });

  it("a key for encryption", async () => {
    const key = await kms.createKey({ purpose: "ENCRYPT_DECRYPT" });
    const error = await refused(`${key}/cryptoKeyVersions/1`);
    expect(error.code).toBe("wrong-key");
    expect(error.message).toMatch(/GOOGLE_SYMMETRIC_ENCRYPTION.*needs EC_SIGN_P256_SHA256/);
  });

  it("a key on another curve", async () => {
    const algorithm = "EC_SIGN_P384_SHA384";
    const key = await kms.createKey({ ...P256, versionTemplate: { algorithm, protectionLevel: "SOFTWARE" } });
    await kms.made(`${key}/cryptoKeyVersions/1`);
    const error = await refused(key);
    expect(error.code).toBe("wrong-key");
    expect(error.message).toMatch(/EC_SIGN_P384_SHA384.*needs EC_SIGN_P256_SHA256/);
  });

  it("a version that is disabled, and one that is to be destroyed", async () => {
    const key = await kms.createKey(P256);
    const name = `${key}/cryptoKeyVersions/1`;
    await kms.made(name);
    await kms.client.updateCryptoKeyVersion({
      cryptoKeyVersion: { name, state: "DISABLED" },
      updateMask: { paths: ["state"] },
    });
    const disabled = await refused(name);
    expect(disabled).toMatchObject({ code: "access-denied", message: expect.stringContaining("DISABLED. Enable it") });
    expect((await refused(key)).message).toMatch(/no enabled version: 1 is DISABLED/);
    await kms.client.destroyCryptoKeyVersion({ name });
    const destroyed = await refused(name);
    expect(destroyed).toMatchObject({ message: expect.stringContaining("DESTROY_SCHEDULED. Restore") });
  });
});

describe("AsymmetricSign, as the service takes it", () => {
  const sha256 = createHash("sha256").update("message").digest();
  const requests = {
    "a malformed name": [3, { name: "malformed name", digest: { sha256 } }],
    "a digest of another type": [3, { digest: { sha384: Buffer.alloc(48) } }],
    "a digest of another length": [3, { digest: { sha256: sha256.subarray(1) } }],
    "digest and data together": [3, { digest: { sha256 }, data: Buffer.from("message") }],
    "neither digest nor data": [3, {}],
    "a digest that does not match its CRC32C": [3, { digest: { sha256 }, digestCrc32c: { value: crc32c(sha256) ^ 1 } }],
    "a version that is not there": [5, { version: 999_999, digest: { sha256 } }],
  } as const;

  it.each(Object.entries(requests))("refuses %s", async (_what, [code, { ...request }]) => {
    const version = "version" in request ? request.version : 1;
    const call = kms.client.asymmetricSign({ name: `${kms.key}/cryptoKeyVersions/${version}`, ...request });
    await expect(call).rejects.toMatchObject({ code });
  });

  it("says which checksums it has checked", async () => {
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
