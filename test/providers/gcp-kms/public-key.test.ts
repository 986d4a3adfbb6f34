/** Public keys that the caller passes, or that another signer of the process has fetched. */
import { createPublicKey } from "node:crypto";
import { KeyManagementServiceClient } from "@google-cloud/kms";
import { googleAuthLibrary, grpc } from "google-gax";
import type { SignerError } from "hardproof";
import { GcpKmsSigner, type GcpKmsSignerOptions, provider } from "hardproof/gcp-kms";
import { MemorySigner } from "hardproof/memory";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { gcpKmsEmulator } from "../../../testing/emulators/gcp-kms.js";
import type { KeyOptions, StoredVersion } from "../../../testing/emulators/gcp-kms-store.js";

const kms = await gcpKmsEmulator();
beforeEach(() => kms.plan.clear());
afterAll(() => kms.close());

const message = Buffer.from("message to sign");
const newVersion = (options: KeyOptions = {}): StoredVersion =>
  kms.store.addKey(options).versions[0] ?? expect.unreachable();
const spkiOf = ({ keyPair }: StoredVersion): Buffer => keyPair?.spki ?? expect.unreachable();
const operations = () => kms.plan.calls.map(({ operation }) => operation);
const newSigner = ({ fields }: StoredVersion, options: GcpKmsSignerOptions = {}) =>
  new GcpKmsSigner(fields.name, { endpoint: kms.endpoint, ...options });
const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

describe("the option publicKey", () => {
  it.each<[string, KeyOptions, GcpKmsSignerOptions]>([
    ["ES256", {}, {}],
    ["Ed25519", { algorithm: "EC_SIGN_ED25519" }, {}],
    ["RS256", { algorithm: "RSA_SIGN_PKCS1_2048_SHA256" }, { algorithm: "RS256" }],
  ])("opens a version for %s without a request", async (alg, key, options) => {
    const version = newVersion(key);
    await using signer = newSigner(version, { publicKey: spkiOf(version), ...options });
    expect(await signer.publicJwk()).toMatchObject({ alg });
    await signer.sign(message);
    expect(operations()).toEqual(["AsymmetricSign"]);
  });

  it("accepts a KeyObject, also for a URI", async () => {
    const version = newVersion();
    const publicKey = createPublicKey({ key: spkiOf(version), format: "der", type: "spki" });
    await using signer = provider.open(`gcpkms://${version.fields.name}?endpoint=${kms.endpoint}`, { publicKey });
    await signer.sign(message);
    expect(operations()).toEqual(["AsymmetricSign"]);
  });

  it("is compared with the store's key if its algorithm isn't known", async () => {
    const version = newVersion({ algorithm: "RSA_SIGN_PSS_2048_SHA256" });
    await using signer = newSigner(version, { publicKey: spkiOf(version) });
    expect(await signer.publicJwk()).toMatchObject({ alg: "PS256" });
    expect(operations()).toEqual(["GetPublicKey"]);
  });

  it("signs the data with an external key, which rejects a digest", async () => {
    const version = newVersion({ protectionLevel: "EXTERNAL" });
    await using signer = newSigner(version, { publicKey: spkiOf(version) });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(operations()).toContain("GetPublicKey");
    kms.plan.clear();
    await signer.sign(message);
    expect(operations()).toEqual(["AsymmetricSign"]);
  });

  it("is rejected if the version has another key", async () => {
    await using signer = newSigner(newVersion(), { publicKey: await MemorySigner.generate().publicJwk() });
    expect(await errorOf(signer.sign(message))).toMatchObject({
      code: "integrity",
      message: expect.stringContaining("Check the option publicKey"),
    });
  });

  it("is rejected if the version has another algorithm", async () => {
    const version = newVersion({ algorithm: "RSA_SIGN_PKCS1_4096_SHA512" });
    await using signer = newSigner(version, { publicKey: spkiOf(version), algorithm: "RS256" });
    expect(await errorOf(signer.sign(message))).toMatchObject({
      code: "wrong-key",
      message: expect.stringContaining("RSA_SIGN_PKCS1_4096_SHA512 instead of RS256"),
    });
  });

  it("doesn't hide the state of the version", async () => {
    const version = newVersion({ state: "DISABLED" });
    await using signer = newSigner(version, { publicKey: spkiOf(version) });
    expect(await errorOf(signer.sign(message))).toMatchObject({
      code: "access-denied",
      message: expect.stringContaining("The key version is DISABLED"),
    });
  });
});

describe("the cache of public keys", () => {
  it("fetches the public key of a version once for all signers of the process", async () => {
    const version = newVersion();
    const signers = Array.from({ length: 20 }, () => newSigner(version));
    await Promise.all(signers.map((signer) => signer.sign(message)));
    await Promise.all(signers.map((signer) => signer.close()));
    expect(kms.plan.count("GetPublicKey")).toBe(1);
  });

  it("doesn't cache errors", async () => {
    const version = newVersion();
    kms.plan.next("GetPublicKey", "denied");
    await using first = newSigner(version);
    expect(await errorOf(first.sign(message))).toMatchObject({ code: "access-denied" });
    await using second = newSigner(version);
    await expect(second.sign(message)).resolves.toHaveLength(64);
  });

  it("forgets a public key that the first signature doesn't match", async () => {
    const version = newVersion();
    kms.plan.next("GetPublicKey", "other-key");
    await using first = newSigner(version);
    expect(await errorOf(first.sign(message))).toMatchObject({ code: "integrity" });
    await using second = newSigner(version);
    await expect(second.sign(message)).resolves.toHaveLength(64);
  });

  it("doesn't mix up the same name at two endpoints, in two universes, or with two clients", async () => {
    const other = await gcpKmsEmulator();
    const versions = [kms, other].map(({ store }) => store.addKey({ id: "same-name" }).versions[0]);
    const name = versions[0]?.fields.name ?? expect.unreachable();
    const clients = [kms, other].map(
      ({ port }) =>
        new KeyManagementServiceClient({
          servicePath: "127.0.0.1",
          port,
          sslCreds: grpc.credentials.createInsecure(),
          authClient: new googleAuthLibrary.PassThroughClient(),
        }),
    );
    const options: GcpKmsSignerOptions[] = [
      { endpoint: kms.endpoint },
      { endpoint: other.endpoint },
      { endpoint: kms.endpoint, universeDomain: "apis-tpczero.goog" },
      ...clients.map((client) => ({ client })),
    ];
    for (const each of options) {
      await using signer = new GcpKmsSigner(name, each);
      await expect(signer.sign(message)).resolves.toHaveLength(64);
    }
    expect([kms.plan.count("GetPublicKey"), other.plan.count("GetPublicKey")]).toEqual([3, 2]);
    await Promise.all(clients.map((client) => client.close()));
    await other.close();
  });
});
