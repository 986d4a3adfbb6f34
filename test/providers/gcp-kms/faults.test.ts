/** Cloud KMS and the network failing in every way that the emulator can be told to: no fault ever becomes a proof. */
import { inspect } from "node:util";
import { KeyManagementServiceClient } from "@google-cloud/kms";
import { googleAuthLibrary, grpc } from "google-gax";
import { DPoPProver, type SignerError } from "hardproof";
import { GcpKmsSigner, type GcpKmsSignerOptions, provider } from "hardproof/gcp-kms";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { toSignerError } from "../../../providers/gcp-kms/errors.js";
import type { Fault } from "../../emulators/fault-plan.js";
import { type GcpKms, gcpKms } from "../../emulators/gcp-kms.js";
import type { KeyWish } from "../../emulators/gcp-kms-store.js";

let kms: GcpKms;
let key: string;
let name: string;
beforeAll(async () => {
  kms = await gcpKms();
  key = kms.store.addKey({ id: "dpop" }).fields.name;
  name = `${key}/cryptoKeyVersions/1`;
});
beforeEach(() => {
  kms.plan.clear();
  kms.cancelled.length = 0;
});
afterAll(() => kms.close());

const signerOf = (of = name, options: GcpKmsSignerOptions = {}) =>
  new GcpKmsSigner(of, { endpoint: kms.endpoint, ...options });
const failure = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const refused = async (of: string, options: GcpKmsSignerOptions = {}): Promise<SignerError> => {
  await using signer = signerOf(of, options);
  return failure(signer.sign(message));
};
const versionOf = (wish: KeyWish): string => `${kms.store.addKey(wish).fields.name}/cryptoKeyVersions/1`;
const counts = () => {
  const operations = kms.plan.calls.map(({ operation }) => operation);
  return Object.fromEntries([...new Set(operations)].map((operation) => [operation, kms.plan.count(operation)]));
};
const message = Buffer.from("what is signed");

describe("what is called", () => {
  it("nothing by the constructor, nor by closing what was never used", async () => {
    await signerOf().close();
    expect(counts()).toEqual({});
  });

  it("one GetPublicKey for each signer and one AsymmetricSign for each proof, side by side", async () => {
    kms.plan.latency = 20;
    await using signer = signerOf();
    const one = async () => (await DPoPProver.create(signer)).makeProof({ htm: "GET", htu: "https://api.example/" });
    const proofs = await Promise.all(Array.from({ length: 500 }, one));
    expect(new Set(proofs).size).toBe(500);
    expect(counts()).toEqual({ GetPublicKey: 1, AsymmetricSign: 500 });
    expect(kms.mostAtOnce()).toBeGreaterThanOrEqual(50);
  });

  it("the digest and its CRC32C are sent, and nothing of the message", async () => {
    await using signer = signerOf();
    await signer.sign(message);
    const sent = kms.plan.calls.find(({ operation }) => operation === "AsymmetricSign")?.input;
    expect(sent).toMatchObject({ name, digest: { sha256: expect.any(Buffer) }, data: Buffer.alloc(0) });
    expect(sent).toMatchObject({ digestCrc32c: { value: expect.stringMatching(/^\d+$/) } });
  });

  it("one list more for a key without a version, once", async () => {
    await using signer = signerOf(key);
    await Promise.all([1, 2, 3].map(() => signer.sign(message)));
    expect(counts()).toEqual({ ListCryptoKeyVersions: 1, GetPublicKey: 1, AsymmetricSign: 3 });
  });

  it("the newest version by number, not by spelling, across the pages of a list", async () => {
    const stored = kms.store.addKey({ id: "twelve" });
    for (let n = 2; n <= 12; n++) kms.store.addVersion(stored, n === 12 ? { state: "DESTROYED" } : {});
    await using signer = signerOf(stored.fields.name);
    await signer.sign(message);
    const signed = kms.plan.calls.find(({ operation }) => operation === "AsymmetricSign")?.input;
    expect(signed).toMatchObject({ name: `${stored.fields.name}/cryptoKeyVersions/11` });
  });

  it("a connect that failed is forgotten, so the next use tries again", async () => {
    await using signer = signerOf();
    kms.plan.next("GetPublicKey", "denied");
    expect(await failure(signer.sign(message))).toMatchObject({ code: "access-denied" });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });
});

describe("an answer that was damaged, or is about another version", () => {
  const onSigning: Fault[] = [
    "corrupt-signature",
    "corrupt-crc",
    "missing-crc",
    "unverified-digest",
    "other-name",
    "corrupt-request",
  ];
  const onPublicKey: Fault[] = ["corrupt-signature", "corrupt-crc", "missing-crc", "other-name"];

  it.each(onSigning)("of AsymmetricSign: %s is asked for once more, afresh", async (fault) => {
    await using signer = signerOf();
    kms.plan.next("AsymmetricSign", fault);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(kms.plan.count("AsymmetricSign")).toBe(2);
  });

  it.each(onSigning)("of AsymmetricSign: %s twice is an error, not a third try", async (fault) => {
    await using signer = signerOf();
    kms.plan.next("AsymmetricSign", fault, fault);
    expect(await failure(signer.sign(message))).toMatchObject({ code: "integrity", retryable: false, uri: signer.uri });
    expect(counts()).toEqual({ GetPublicKey: 1, AsymmetricSign: 2 });
  });

  it.each(onPublicKey)("of GetPublicKey: %s is asked for once more, afresh", async (fault) => {
    await using signer = signerOf();
    kms.plan.next("GetPublicKey", fault);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(counts()).toEqual({ GetPublicKey: 2, AsymmetricSign: 1 });
  });

  it.each(onPublicKey)("of GetPublicKey: %s twice is an error, and nothing is signed", async (fault) => {
    kms.plan.next("GetPublicKey", fault, fault);
    expect(await refused(name)).toMatchObject({ code: "integrity" });
    expect(counts()).toEqual({ GetPublicKey: 2 });
  });

  it.each<Fault>(["wrong-signature", "other-key"])("%s, with the right checksum, never gets out", async (fault) => {
    await using signer = signerOf();
    await signer.sign(message);
    kms.plan.next("AsymmetricSign", fault);
    expect(await failure(signer.sign(message))).toMatchObject({ code: "integrity" });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it("another key's public half, with the right checksum, fits no signature", async () => {
    kms.plan.next("GetPublicKey", "other-key");
    expect(await refused(name)).toMatchObject({ code: "integrity" });
  });

  it("names both versions when the name differs", async () => {
    kms.plan.always("AsymmetricSign", "other-name");
    const { message } = await refused(name);
    expect(message).toContain(`${key}/cryptoKeyVersions/2, but ${name} was asked for`);
  });

  it("of GetCryptoKeyVersion describes nothing", async () => {
    await using signer = signerOf();
    kms.plan.next("GetCryptoKeyVersion", "other-name");
    expect(await failure(signer.describe())).toMatchObject({ code: "integrity" });
  });
});

describe("a service that does not answer as it should", () => {
  it.each<Fault>(["throttle", "5xx"])("%s twice is got over by the SDK's own retries", async (fault) => {
    await using signer = signerOf();
    kms.plan.next("AsymmetricSign", fault, fault);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(counts()).toEqual({ GetPublicKey: 1, AsymmetricSign: 3 });
  });

  it.each([
    ["throttle", "throttled", /^gcpkms:.*RESOURCE_EXHAUSTED from AsymmetricSign.*quota/],
    ["5xx", "unavailable", /^gcpkms:.*UNAVAILABLE from AsymmetricSign/],
  ] as const)("%s for good ends after five requests as %s", async (fault, code, words) => {
    await using signer = signerOf();
    kms.plan.always("AsymmetricSign", fault);
    const error = await failure(signer.sign(message));
    expect(error).toMatchObject({ code, retryable: true, uri: signer.uri });
    expect(error.message).toMatch(words);
    expect(kms.plan.count("AsymmetricSign")).toBe(5);
  });

  it("a key is not asked for twice: the answer would be that it exists", async () => {
    kms.plan.next("CreateCryptoKey", "throttle");
    const uri = `gcpkms://${kms.store.keyRing}?endpoint=${kms.endpoint}`;
    expect(await failure(provider.create(uri, { cryptoKeyId: "once" }))).toMatchObject({ code: "throttled", uri });
    expect(counts()).toEqual({ CreateCryptoKey: 1 });
  });

  it("making and listing keys end when the time is up", async () => {
    kms.plan.always("CreateCryptoKey", "hang");
    kms.plan.always("ListCryptoKeys", "hang");
    const uri = `gcpkms://${kms.store.keyRing}?endpoint=${kms.endpoint}`;
    const create = failure(provider.create(uri, { cryptoKeyId: "late", timeout: 300 }));
    for (const error of await Promise.all([create, failure(provider.list(uri, { timeout: 300 }))]))
      expect(error).toMatchObject({ code: "timeout", retryable: true, uri });
  });

  it("making and listing keys end when their caller gives up", async () => {
    kms.plan.always("CreateCryptoKey", "hang");
    kms.plan.always("ListCryptoKeys", "hang");
    const uri = `gcpkms://${kms.store.keyRing}?endpoint=${kms.endpoint}`;
    const caller = new AbortController();
    const create = failure(provider.create(uri, { cryptoKeyId: "left", signal: caller.signal }));
    const list = failure(provider.list(uri, { signal: caller.signal }));
    await expect.poll(counts).toEqual({ CreateCryptoKey: 1, ListCryptoKeys: 1 });
    caller.abort();
    for (const error of await Promise.all([create, list])) expect(error).toMatchObject({ code: "aborted", uri });
    expect((await create).message).toContain("it may exist nevertheless");
  });

  it.each([0, Number.NaN, 1e12])("a time-out of %d is refused before anything is asked", async (timeout) => {
    const uri = `gcpkms://${kms.store.keyRing}?endpoint=${kms.endpoint}`;
    const create = failure(provider.create(uri, { cryptoKeyId: "never", timeout }));
    for (const error of await Promise.all([create, failure(provider.list(uri, { timeout }))]))
      expect(error).toMatchObject({ code: "misconfigured", uri });
    expect(counts()).toEqual({});
  });

  it("a connection that is reset is made again", async () => {
    await using signer = signerOf();
    kms.plan.next("AsymmetricSign", "reset");
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(kms.plan.count("AsymmetricSign")).toBe(2);
  });

  it("nobody listening is unavailable", async () => {
    const gone = await gcpKms();
    await gone.close();
    expect(await refused(name, { endpoint: gone.endpoint })).toMatchObject({ code: "unavailable", retryable: true });
  });

  it("a call that hangs ends by the deadline, on the service's side too", async () => {
    kms.plan.always("GetPublicKey", "hang");
    expect(await refused(name, { timeout: 1_000 })).toMatchObject({ code: "timeout", retryable: true });
    await vi.waitFor(() => expect(kms.cancelled).toEqual(["GetPublicKey"]));
  });

  it("a call that its caller gives up is cancelled on the wire, and no other one is", async () => {
    await using signer = signerOf();
    await signer.publicJwk();
    kms.plan.next("AsymmetricSign", "hang");
    const controller = new AbortController();
    const given = failure(signer.sign(message, { signal: controller.signal }));
    await vi.waitFor(() => expect(kms.plan.count("AsymmetricSign")).toBe(1));
    const kept = signer.sign(message);
    controller.abort();
    expect(await given).toMatchObject({ code: "aborted" });
    await expect(kept).resolves.toHaveLength(64);
    await vi.waitFor(() => expect(kms.cancelled).toEqual(["AsymmetricSign"]));
  });
});

describe("a caller who may not", () => {
  const granted = { GetPublicKey: "signerVerifier", AsymmetricSign: "signerVerifier", GetCryptoKeyVersion: "viewer" };
  it.each(Object.entries(granted))("%s is told the permission and a role that has it", async (operation, role) => {
    kms.plan.always(operation as keyof typeof granted, "denied");
    await using signer = signerOf();
    const error = await failure(operation === "GetCryptoKeyVersion" ? signer.describe() : signer.sign(message));
    expect(error).toMatchObject({ code: "access-denied", retryable: false, uri: signer.uri });
    expect(error.message).toContain(`The role roles/cloudkms.${role} is enough`);
    expect(error.message).toMatch(/Permission 'cloudkms\.\w+\.\w+' denied/);
  });

  it("list and create is told the same", async () => {
    kms.plan.always("ListCryptoKeys", "denied");
    kms.plan.always("CreateCryptoKey", "denied");
    const uri = `gcpkms://${kms.store.keyRing}?endpoint=${kms.endpoint}`;
    const create = provider.create(uri, { cryptoKeyId: "new" });
    for (const error of [await failure(provider.list(uri)), await failure(create)])
      expect(error).toMatchObject({ code: "access-denied", uri, message: expect.stringContaining("roles/cloudkms.") });
    expect(kms.plan.count("CreateCryptoKey")).toBe(1);
  });
});

describe("a version that does not sign", () => {
  it.each([
    ["DISABLED", "access-denied", "Enable it"],
    ["DESTROY_SCHEDULED", "access-denied", "Restore and enable it"],
    ["DESTROYED", "key-not-found", "use another version"],
    ["PENDING_IMPORT", "key-not-found", "Import its key"],
    ["IMPORT_FAILED", "key-not-found", "Import its key again"],
    ["GENERATION_FAILED", "key-not-found", "Make another version"],
    ["PENDING_EXTERNAL_DESTRUCTION", "key-not-found", "use another version"],
    ["EXTERNAL_DESTRUCTION_FAILED", "key-not-found", "use another version"],
  ])("%s is %s, with what to do", async (state, code, remedy) => {
    const error = await refused(versionOf({ state, importFailureReason: "wrong wrapping" }));
    expect(error).toMatchObject({ code, retryable: false });
    expect(error.message).toMatch(new RegExp(`The key version is ${state} \\(wrong wrapping\\)\\. .*${remedy}`));
    expect(kms.plan.count("AsymmetricSign")).toBe(0);
  });

  it.each([
    "EC_SIGN_P384_SHA384",
    "EC_SIGN_SECP256K1_SHA256",
    "EC_SIGN_ED25519",
    "RSA_SIGN_PSS_2048_SHA256",
    "RSA_DECRYPT_OAEP_2048_SHA256",
    "GOOGLE_SYMMETRIC_ENCRYPTION",
    "HMAC_SHA256",
  ])("for %s is a wrong key", async (algorithm) => {
    const error = await refused(versionOf({ algorithm }));
    expect(error.code).toBe("wrong-key");
    expect(error.message).toContain(`is for ${algorithm}, but ES256 needs EC_SIGN_P256_SHA256`);
    expect(kms.plan.count("AsymmetricSign")).toBe(0);
  });

  it("any more, since it was disabled meanwhile, says so", async () => {
    const stored = kms.store.addKey();
    await using signer = signerOf(`${stored.fields.name}/cryptoKeyVersions/1`);
    await signer.sign(message);
    Object.assign(stored.versions[0]?.fields ?? {}, { state: "DISABLED" });
    expect(await failure(signer.sign(message))).toMatchObject({
      code: "access-denied",
      message: expect.stringContaining("The key version is DISABLED. Enable it"),
    });
  });

  it("is told in the service's own words to who may not read its state", async () => {
    kms.plan.always("GetCryptoKeyVersion", "denied");
    const { code, message } = await refused(versionOf({ state: "DISABLED" }));
    expect({ code, message }).toMatchObject({
      code: "access-denied",
      message: expect.stringMatching(/state is: DISABLED/),
    });
  });

  it("yet, but was made by the time it is looked at, signs", async () => {
    const stored = kms.store.addKey({ state: "PENDING_GENERATION" });
    Object.assign(stored.versions[0] ?? {}, { looksLeft: 0 });
    await using signer = signerOf(`${stored.fields.name}/cryptoKeyVersions/1`);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(counts()).toEqual({ GetPublicKey: 2, GetCryptoKeyVersion: 1, AsymmetricSign: 1 });
  });

  it("yet is looked at until it is made", async () => {
    await using signer = signerOf(versionOf({ state: "PENDING_GENERATION" }));
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(counts()).toEqual({ GetPublicKey: 2, GetCryptoKeyVersion: 3, AsymmetricSign: 1 });
  });

  it("yet is looked at no longer than the time-out", async () => {
    const stored = kms.store.addKey({ state: "PENDING_GENERATION" });
    Object.assign(stored.versions[0] ?? {}, { looksLeft: Number.POSITIVE_INFINITY });
    expect(await refused(stored.fields.name, { timeout: 500 })).toMatchObject({ code: "timeout", retryable: true });
    const looks = kms.plan.count("GetCryptoKeyVersion");
    await using other = signerOf();
    await other.sign(message);
    expect(kms.plan.count("GetCryptoKeyVersion")).toBe(looks);
  });
});

describe("what describe() says", () => {
  const importTime = { seconds: "1700000000" };
  it.each<[string, KeyWish, object]>([
    ["software", { protectionLevel: "SOFTWARE" }, { protection: "software", exportable: false }],
    ["an HSM", { protectionLevel: "HSM" }, { protection: "hsm", exportable: false }],
    ["a single-tenant HSM", { protectionLevel: "HSM_SINGLE_TENANT" }, { protection: "hsm", exportable: false }],
    [
      "an HSM key that may be wrapped",
      { protectionLevel: "HSM_SINGLE_TENANT", trustedWrappingEnabled: true },
      { protection: "hsm", exportable: true },
    ],
    [
      "an imported key",
      { protectionLevel: "HSM", importTime, generateTime: null, importJob: "projects/p/importJobs/j" },
      {
        protection: "hsm",
        exportable: "unknown",
        evidence: { importJob: "projects/p/importJobs/j", importTime: "2023-11-14T22:13:20.000Z" },
      },
    ],
    [
      "an external key",
      { protectionLevel: "EXTERNAL", externalProtectionLevelOptions: { externalKeyUri: "https://ekm.example/k" } },
      { protection: "external", exportable: "unknown", evidence: { externalKey: "https://ekm.example/k" } },
    ],
    [
      "an external key over VPC",
      { protectionLevel: "EXTERNAL_VPC" },
      { protection: "external", exportable: "unknown" },
    ],
    ["what it does not know", { protectionLevel: "PROTECTION_LEVEL_UNSPECIFIED" }, { protection: "unknown" }],
  ])("of %s", async (_what, wish, facts) => {
    await using signer = signerOf(versionOf(wish));
    expect(await signer.describe()).toMatchObject(facts);
  });

  it("of an HSM key holds the attestation, format and content", async () => {
    await using signer = signerOf(versionOf({ protectionLevel: "HSM" }));
    const { evidence } = await signer.describe();
    const content = Buffer.from("an attestation of the emulator").toString("base64");
    expect(evidence.attestation).toMatchObject({ format: "CAVIUM_V2_COMPRESSED", content });
  });
});

describe("the SDK's client", () => {
  const own = () => {
    const { hostname: servicePath, port } = new URL(kms.endpoint);
    const sslCreds = grpc.credentials.createInsecure();
    const authClient = new googleAuthLibrary.PassThroughClient();
    return { servicePath, port: Number(port), sslCreds, authClient };
  };

  it("that was given stays open when the signer is closed", async () => {
    const client = new KeyManagementServiceClient(own());
    const signer = new GcpKmsSigner(name, { client });
    await signer.sign(message);
    await signer.close();
    await expect(client.getPublicKey({ name })).resolves.toMatchObject([{ name }, {}, {}]);
    await client.close();
  });

  it("can be given by its options, also through a URI", async () => {
    await using signer = provider.open(`gcpkms://${name}`, { clientConfig: own() });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it("is closed with the signer that made it", async () => {
    const closed = vi.spyOn(KeyManagementServiceClient.prototype, "close");
    const signer = signerOf();
    await signer.sign(message);
    await signer.close();
    expect(closed).toHaveBeenCalledTimes(1);
    expect(await failure(signer.sign(message))).toMatchObject({ code: "misconfigured" });
    closed.mockRestore();
  });

  it("is closed when the key can't be opened", async () => {
    const closed = vi.spyOn(KeyManagementServiceClient.prototype, "close");
    kms.plan.next("GetPublicKey", "denied");
    await refused(name);
    expect(closed).toHaveBeenCalledTimes(1);
    closed.mockRestore();
  });

  it("without credentials is an error that says how to get some, and rejects nothing behind our back", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file.json");
    const signer = new GcpKmsSigner(name);
    const error = await failure(signer.sign(message));
    expect(error).toMatchObject({ code: "access-denied", message: expect.stringContaining("gcloud auth") });
    await signer.close();
    await new Promise(setImmediate);
    expect(unhandled).not.toHaveBeenCalled();
    process.off("unhandledRejection", unhandled);
    vi.unstubAllEnvs();
  });
});

describe("secrets", () => {
  it("are in no error and no inspected signer", async () => {
    const privateKey = "-----BEGIN PRIVATE KEY-----\nVERY-SECRET\n-----END PRIVATE KEY-----\n";
    const email = "agent@example.iam.gserviceaccount.com";
    const authClient = new googleAuthLibrary.JWT({ email, key: privateKey });
    // Over REST the SDK reads the key at once; over gRPC it would first want a server with TLS.
    const clientConfig = { authClient, fallback: true, protocol: "http", servicePath: "127.0.0.1", port: 9 };
    const signer = new GcpKmsSigner(name, { clientConfig, timeout: 10_000 });
    const error = await failure(signer.sign(message));
    expect(error).toMatchObject({ code: "access-denied", message: expect.stringContaining("private key") });
    expect(inspect([signer, error], { depth: 9, showHidden: true })).not.toContain("VERY-SECRET");
    await signer.close();
  });

  it("that the SDK repeats are blotted out", () => {
    const words = "metadata: authorization: Bearer ya29.a0SECRET eyJhbGciOi.SECRET.SECRET ya29.SECRET";
    const error = toSignerError(Object.assign(new Error(words), { code: 16 }), { method: "M", name, role: "r" });
    expect(error.code).toBe("access-denied");
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("SECRET");
  });
});

describe("gRPC status codes", () => {
  const codes = [
    "aborted",
    "unavailable",
    "misconfigured",
    "timeout",
    "key-not-found",
    "misconfigured",
    "access-denied",
    "throttled",
    "access-denied",
    "unavailable",
    "misconfigured",
    "misconfigured",
    "unavailable",
    "unavailable",
    "integrity",
    "access-denied",
  ];
  it.each(codes.map((code, index) => [index + 1, code] as const))("%i is %s", (status, code) => {
    const error = toSignerError(Object.assign(new Error("words"), { code: status }), { method: "M", name, role: "r" });
    expect(error).toMatchObject({ code, cause: { code: status } });
  });
});
