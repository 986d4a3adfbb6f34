/** The calls that GcpKmsSigner makes, and how it handles each fault of Cloud KMS and the network. */
import { inspect } from "node:util";
import { KeyManagementServiceClient } from "@google-cloud/kms";
import { googleAuthLibrary, grpc } from "google-gax";
import { DPoPProver, listKeys, type SignerError, streamKeys } from "hardproof";
import { GcpKmsSigner, type GcpKmsSignerOptions, provider } from "hardproof/gcp-kms";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { toSignerError } from "../../../providers/gcp-kms/errors.js";
import type { Fault } from "../../../testing/emulators/fault-plan.js";
import { type GcpKmsEmulator, gcpKmsEmulator } from "../../../testing/emulators/gcp-kms.js";
import type { KeyOptions } from "../../../testing/emulators/gcp-kms-store.js";
import { itListsPageByPage } from "../listed-pages.js";

let kms: GcpKmsEmulator;
let key: string;
let name: string;
beforeAll(async () => {
  kms = await gcpKmsEmulator();
});
beforeEach(() => {
  // The public key of a version is fetched once for all signers, so each test has its own.
  key = kms.store.addKey().fields.name;
  name = `${key}/cryptoKeyVersions/1`;
  kms.plan.clear();
  kms.cancelled.length = 0;
});
afterAll(() => kms.close());

const newSigner = (keyName = name, options: GcpKmsSignerOptions = {}) =>
  new GcpKmsSigner(keyName, { endpoint: kms.endpoint, ...options });
const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const signingError = async (keyName: string, options: GcpKmsSignerOptions = {}): Promise<SignerError> => {
  await using signer = newSigner(keyName, options);
  return errorOf(signer.sign(message));
};
const addVersion = (options: KeyOptions): string => `${kms.store.addKey(options).fields.name}/cryptoKeyVersions/1`;
const counts = () => {
  const operations = kms.plan.calls.map(({ operation }) => operation);
  return Object.fromEntries([...new Set(operations)].map((operation) => [operation, kms.plan.count(operation)]));
};
const message = Buffer.from("message to sign");

describe("calls", () => {
  it("sends no request before the first use, nor when an unused signer is closed", async () => {
    await newSigner().close();
    expect(counts()).toEqual({});
  });

  it("sends one GetPublicKey per signer, and concurrent AsymmetricSign requests, one per proof", async () => {
    kms.plan.latency = 20;
    await using signer = newSigner();
    const makeProof = async () =>
      (await DPoPProver.create(signer)).makeProof({ htm: "GET", htu: "https://api.example/" });
    const proofs = await Promise.all(Array.from({ length: 500 }, makeProof));
    expect(new Set(proofs).size).toBe(500);
    expect(counts()).toEqual({ GetPublicKey: 1, AsymmetricSign: 500 });
    expect(kms.maxInFlight()).toBeGreaterThan(32); // the first window
  });

  it("sends the digest and its CRC32C, but not the message", async () => {
    await using signer = newSigner();
    await signer.sign(message);
    const request = kms.plan.calls.find(({ operation }) => operation === "AsymmetricSign")?.input;
    expect(request).toMatchObject({ name, digest: { sha256: expect.any(Buffer) }, data: Buffer.alloc(0) });
    expect(request).toMatchObject({ digestCrc32c: { value: expect.stringMatching(/^\d+$/) } });
  });

  it("sends one ListCryptoKeyVersions if the name has no version", async () => {
    await using signer = newSigner(key);
    await Promise.all([1, 2, 3].map(() => signer.sign(message)));
    expect(counts()).toEqual({ ListCryptoKeyVersions: 1, GetPublicKey: 1, AsymmetricSign: 3 });
  });

  it("uses the enabled version with the highest number from all pages of the list", async () => {
    const stored = kms.store.addKey({ id: "twelve" });
    for (let n = 2; n <= 12; n++) kms.store.addVersion(stored, n === 12 ? { state: "DESTROYED" } : {});
    await using signer = newSigner(stored.fields.name);
    await signer.sign(message);
    const request = kms.plan.calls.find(({ operation }) => operation === "AsymmetricSign")?.input;
    expect(request).toMatchObject({ name: `${stored.fields.name}/cryptoKeyVersions/11` });
  });

  it("opens the key at the next use if the first attempt failed", async () => {
    await using signer = newSigner();
    kms.plan.next("GetPublicKey", "denied");
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "access-denied" });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });
});

describe("damaged responses", () => {
  const onSigning: Fault[] = [
    "corrupt-signature",
    "corrupt-crc",
    "missing-crc",
    "unverified-digest",
    "other-name",
    "corrupt-request",
  ];
  const onPublicKey: Fault[] = ["corrupt-signature", "corrupt-crc", "missing-crc", "other-name"];

  it.each(onSigning)("repeats AsymmetricSign once after the fault %s", async (fault) => {
    await using signer = newSigner();
    kms.plan.next("AsymmetricSign", fault);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(kms.plan.count("AsymmetricSign")).toBe(2);
  });

  it.each(onSigning)("reports the fault %s on two AsymmetricSign responses as an integrity error", async (fault) => {
    await using signer = newSigner();
    kms.plan.next("AsymmetricSign", fault, fault);
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "integrity", retryable: false, uri: signer.uri });
    expect(counts()).toEqual({ GetPublicKey: 1, AsymmetricSign: 2 });
  });

  it.each(onPublicKey)("repeats GetPublicKey once after the fault %s", async (fault) => {
    await using signer = newSigner();
    kms.plan.next("GetPublicKey", fault);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(counts()).toEqual({ GetPublicKey: 2, AsymmetricSign: 1 });
  });

  it.each(onPublicKey)(
    "reports the fault %s on two GetPublicKey responses as an integrity error, and doesn't sign",
    async (fault) => {
      kms.plan.next("GetPublicKey", fault, fault);
      expect(await signingError(name)).toMatchObject({ code: "integrity" });
      expect(counts()).toEqual({ GetPublicKey: 2 });
    },
  );

  it.each<Fault>(["wrong-signature", "other-key"])(
    "rejects a signature with the fault %s and a correct checksum",
    async (fault) => {
      await using signer = newSigner();
      await signer.sign(message);
      kms.plan.next("AsymmetricSign", fault);
      expect(await errorOf(signer.sign(message))).toMatchObject({ code: "integrity" });
      await expect(signer.sign(message)).resolves.toHaveLength(64);
    },
  );

  it("rejects signatures if GetPublicKey returned another key's public key with a correct checksum", async () => {
    kms.plan.next("GetPublicKey", "other-key");
    expect(await signingError(name)).toMatchObject({ code: "integrity" });
  });

  it("names both versions if the response is for another version", async () => {
    kms.plan.always("AsymmetricSign", "other-name");
    const { message } = await signingError(name);
    expect(message).toContain(`${key}/cryptoKeyVersions/2 instead of ${name}`);
  });

  it("rejects a description of another version", async () => {
    await using signer = newSigner();
    kms.plan.next("GetCryptoKeyVersion", "other-name");
    expect(await errorOf(signer.describe())).toMatchObject({ code: "integrity" });
  });
});

describe("service and network errors", () => {
  it.each<Fault>(["throttle", "5xx"])("succeeds after two %s faults, with the retries of the SDK", async (fault) => {
    await using signer = newSigner();
    kms.plan.next("AsymmetricSign", fault, fault);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(counts()).toEqual({ GetPublicKey: 1, AsymmetricSign: 3 });
  });

  it.each([
    ["throttle", "throttled", /^gcpkms:.*RESOURCE_EXHAUSTED from AsymmetricSign.*quota/],
    ["5xx", "unavailable", /^gcpkms:.*UNAVAILABLE from AsymmetricSign/],
  ] as const)("reports a persistent %s fault as %s after five requests", async (fault, code, pattern) => {
    await using signer = newSigner();
    kms.plan.always("AsymmetricSign", fault);
    const error = await errorOf(signer.sign(message));
    expect(error).toMatchObject({ code, retryable: true, uri: signer.uri });
    expect(error.message).toMatch(pattern);
    expect(kms.plan.count("AsymmetricSign")).toBe(5);
  });

  it("doesn't retry CreateCryptoKey, since a second request would fail with ALREADY_EXISTS", async () => {
    kms.plan.next("CreateCryptoKey", "throttle");
    const uri = `gcpkms://${kms.store.keyRing}?endpoint=${kms.endpoint}`;
    expect(await errorOf(provider.create(uri, { cryptoKeyId: "once" }))).toMatchObject({ code: "throttled", uri });
    expect(counts()).toEqual({ CreateCryptoKey: 1 });
  });

  it("ends create() and list() at the timeout", async () => {
    kms.plan.always("CreateCryptoKey", "hang");
    kms.plan.always("ListCryptoKeys", "hang");
    const uri = `gcpkms://${kms.store.keyRing}?endpoint=${kms.endpoint}`;
    const create = errorOf(provider.create(uri, { cryptoKeyId: "late", timeout: 300 }));
    for (const error of await Promise.all([create, errorOf(listKeys(uri, { timeout: 300 }))]))
      expect(error).toMatchObject({ code: "timeout", retryable: true, uri });
  });

  it("ends create() and list() when the caller aborts", async () => {
    kms.plan.always("CreateCryptoKey", "hang");
    kms.plan.always("ListCryptoKeys", "hang");
    const uri = `gcpkms://${kms.store.keyRing}?endpoint=${kms.endpoint}`;
    const caller = new AbortController();
    const create = errorOf(provider.create(uri, { cryptoKeyId: "left", signal: caller.signal }));
    const list = errorOf(listKeys(uri, { signal: caller.signal }));
    // A hanging request is repeated, so there may be more than one by then.
    await expect.poll(() => Object.keys(counts()).sort()).toEqual(["CreateCryptoKey", "ListCryptoKeys"]);
    caller.abort();
    for (const error of await Promise.all([create, list])) expect(error).toMatchObject({ code: "aborted", uri });
    expect((await create).message).toContain("it may exist nevertheless");
  });

  it.each([0, Number.NaN, 1e12])(
    "rejects a timeout of %d in create() and list() without a request",
    async (timeout) => {
      const uri = `gcpkms://${kms.store.keyRing}?endpoint=${kms.endpoint}`;
      const create = errorOf(provider.create(uri, { cryptoKeyId: "never", timeout }));
      for (const error of await Promise.all([create, errorOf(listKeys(uri, { timeout }))]))
        expect(error).toMatchObject({ code: "misconfigured", uri });
      expect(counts()).toEqual({});
    },
  );

  it("connects again after a connection reset", async () => {
    await using signer = newSigner();
    kms.plan.next("AsymmetricSign", "reset");
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(kms.plan.count("AsymmetricSign")).toBe(2);
  });

  it("reports a refused connection as unavailable", async () => {
    const closed = await gcpKmsEmulator();
    await closed.close();
    expect(await signingError(name, { endpoint: closed.endpoint })).toMatchObject({
      code: "unavailable",
      retryable: true,
    });
  });

  it("ends a call at its deadline, on the server as well", async () => {
    kms.plan.always("GetPublicKey", "hang");
    // Long enough for the request to be repeated after a sixth of it.
    expect(await signingError(name, { timeout: 6_600 })).toMatchObject({ code: "timeout", retryable: true });
    const attempts = ["GetPublicKey", "GetPublicKey", "GetPublicKey"];
    await vi.waitFor(() => expect(kms.cancelled).toEqual(attempts));
  });

  it("cancels only the aborted call on the wire", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    kms.plan.next("AsymmetricSign", "hang");
    const controller = new AbortController();
    const aborted = errorOf(signer.sign(message, { signal: controller.signal }));
    await vi.waitFor(() => expect(kms.plan.count("AsymmetricSign")).toBe(1));
    const other = signer.sign(message);
    controller.abort();
    expect(await aborted).toMatchObject({ code: "aborted" });
    await expect(other).resolves.toHaveLength(64);
    await vi.waitFor(() => expect(kms.cancelled).toEqual(["AsymmetricSign"]));
  });
});

describe("requests that are never answered", () => {
  it.each(["GetPublicKey", "AsymmetricSign"] as const)(
    "repeats one %s within the time limit, and cancels the first",
    async (operation) => {
      await using signer = newSigner(name, { timeout: 6_000 });
      kms.plan.next(operation, "hang");
      await expect(signer.sign(message)).resolves.toHaveLength(64);
      expect(counts()).toEqual({ GetPublicKey: 1, AsymmetricSign: 1, [operation]: 2 });
      await vi.waitFor(() => expect(kms.cancelled).toEqual([operation]));
    },
  );

  it("connects again if the connection is dead, once for all callers, and closes both connections", async () => {
    const closed = vi.spyOn(KeyManagementServiceClient.prototype, "close");
    await using signer = newSigner(name, { timeout: 15_000 }); // most of it is for the second client, on a busy machine
    await signer.sign(message);
    kms.freezeConnections();
    const signing = Array.from({ length: 20 }, () => signer.sign(message));
    for (const signature of await Promise.all(signing)) expect(signature).toHaveLength(64);
    await signer.sign(message);
    await signer.close();
    expect(closed).toHaveBeenCalledTimes(2);
    closed.mockRestore();
  });

  it("doesn't connect again with the caller's client", async () => {
    const { hostname: servicePath, port } = new URL(kms.endpoint);
    const sslCreds = grpc.credentials.createInsecure();
    const authClient = new googleAuthLibrary.PassThroughClient();
    const client = new KeyManagementServiceClient({ servicePath, port: Number(port), sslCreds, authClient });
    await using signer = new GcpKmsSigner(name, { client, timeout: 3_000 });
    await signer.sign(message);
    kms.freezeConnections();
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "timeout", retryable: true });
    await client.close();
  });

  it("doesn't repeat CreateCryptoKey", async () => {
    kms.plan.always("CreateCryptoKey", "hang");
    const uri = `gcpkms://${kms.store.keyRing}?endpoint=${kms.endpoint}`;
    const error = await errorOf(provider.create(uri, { cryptoKeyId: "hanging", timeout: 1_000 }));
    expect(error).toMatchObject({ code: "timeout", uri });
    expect(counts()).toEqual({ CreateCryptoKey: 1 });
  });
});

describe("listing", () => {
  const newRing = async (keys: number) => {
    const service = await gcpKmsEmulator();
    const names = Array.from({ length: keys }, () => service.store.addKey().fields.name);
    return { service, names, uri: `gcpkms://${service.store.keyRing}?endpoint=${service.endpoint}` };
  };
  const warnings: (Error & { code?: string })[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  beforeEach(() => {
    warnings.length = 0;
    process.on("warning", onWarning);
  });
  afterEach(() => process.off("warning", onWarning));

  itListsPageByPage(async () => {
    const { service, uri } = await newRing(0);
    onTestFinished(() => service.close());
    return {
      plan: service.plan,
      pageOperation: "ListCryptoKeys",
      keysPerPage: 2,
      add: (count, usable = true) => {
        for (let n = 0; n < count; n++) service.store.addKey(usable ? {} : { state: "DISABLED" });
      },
      stream: (options) => streamKeys(uri, options),
    };
  });

  it("lists the versions of a key page by page", async () => {
    const { service, names } = await newRing(1);
    const key = service.store.key(names[0] ?? "");
    const versions = Array.from({ length: 5 }, () => service.store.addVersion(key).fields.name);
    const counts: number[] = [];
    const uris: string[] = [];
    for await (const uri of streamKeys(`gcpkms://${names[0]}?endpoint=${service.endpoint}`)) {
      counts.push(service.plan.count("ListCryptoKeyVersions"));
      uris.push(uri);
    }
    expect(counts).toEqual([1, 1, 2, 2, 3, 3]);
    expect(uris.slice(1).map((uri) => uri.replace(/^gcpkms:\/\/|\?.*/g, ""))).toEqual(versions);
    await service.close();
  });

  it("reads many keys, a few at a time, in the service's order", async () => {
    const { service, names, uri } = await newRing(60);
    service.plan.latency = 5;
    const uris = await listKeys(uri);
    expect(uris.map((each) => each.replace(/^gcpkms:\/\/|\/cryptoKeyVersions.*/g, ""))).toEqual(names);
    expect(service.maxInFlight()).toBeLessThanOrEqual(8);
    expect(service.maxInFlight()).toBeGreaterThan(1);
    expect(warnings).toEqual([]);
    await service.close();
  });

  it("leaves out a key that the caller may not read, and names it", async () => {
    const { service, names, uri } = await newRing(3);
    service.plan.next("ListCryptoKeyVersions", "denied");
    expect(await listKeys(uri)).toHaveLength(2);
    await expect.poll(() => warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({
      code: "HARDPROOF_SKIPPED_KEY",
      message: expect.stringContaining(names[0] ?? ""),
    });
    await service.close();
  });

  it("leaves out a key whose name can't be in a URI, and names it", async () => {
    const { service, names, uri } = await newRing(2);
    Object.assign(service.store.key(names[1] ?? "").fields, { name: `${names[1]}/strange name` });
    expect(await listKeys(uri)).toHaveLength(1);
    await expect.poll(() => warnings).toHaveLength(1);
    expect(warnings[0]?.message).toContain("strange name");
    await service.close();
  });

  it("fails if the caller may not read any key", async () => {
    const { service, uri } = await newRing(2);
    service.plan.always("ListCryptoKeyVersions", "denied");
    expect(await errorOf(listKeys(uri))).toMatchObject({ code: "access-denied", uri });
    expect(warnings).toEqual([]);
    await service.close();
  });

  it("fails if the service does, rather than leaving keys out", async () => {
    const { service, uri } = await newRing(2);
    service.plan.next("ListCryptoKeyVersions", "5xx", "5xx", "5xx", "5xx", "5xx", "5xx", "5xx", "5xx", "5xx", "5xx");
    expect(await errorOf(listKeys(uri))).toMatchObject({ code: "unavailable", retryable: true });
    await service.close();
  });
});

describe("missing permissions", () => {
  const roles = { GetPublicKey: "signerVerifier", AsymmetricSign: "signerVerifier", GetCryptoKeyVersion: "viewer" };
  it.each(Object.entries(roles))(
    "names the missing permission for %s and a role that grants it",
    async (operation, role) => {
      kms.plan.always(operation as keyof typeof roles, "denied");
      await using signer = newSigner();
      const error = await errorOf(operation === "GetCryptoKeyVersion" ? signer.describe() : signer.sign(message));
      expect(error).toMatchObject({ code: "access-denied", retryable: false, uri: signer.uri });
      expect(error.message).toContain(`The role roles/cloudkms.${role} is sufficient`);
      expect(error.message).toMatch(/Permission 'cloudkms\.\w+\.\w+' denied/);
    },
  );

  it("names a role that grants the missing permission for list() and create()", async () => {
    kms.plan.always("ListCryptoKeys", "denied");
    kms.plan.always("CreateCryptoKey", "denied");
    const uri = `gcpkms://${kms.store.keyRing}?endpoint=${kms.endpoint}`;
    const create = errorOf(provider.create(uri, { cryptoKeyId: "new" }));
    for (const error of [await errorOf(listKeys(uri)), await create])
      expect(error).toMatchObject({ code: "access-denied", uri, message: expect.stringContaining("roles/cloudkms.") });
    expect(kms.plan.count("CreateCryptoKey")).toBe(1);
  });
});

describe("key versions that can't sign", () => {
  it.each([
    ["DISABLED", "access-denied", "Enable it"],
    ["DESTROY_SCHEDULED", "access-denied", "Restore and enable it"],
    ["DESTROYED", "key-not-found", "Use another version"],
    ["PENDING_IMPORT", "key-not-found", "Import its key material"],
    ["IMPORT_FAILED", "key-not-found", "Import its key material again"],
    ["GENERATION_FAILED", "key-not-found", "Create another version"],
    ["PENDING_EXTERNAL_DESTRUCTION", "key-not-found", "Use another version"],
    ["EXTERNAL_DESTRUCTION_FAILED", "key-not-found", "Use another version"],
  ])("reports state %s as %s with a remedy", async (state, code, remedy) => {
    const error = await signingError(addVersion({ state, importFailureReason: "wrong\u001b\nwrapping" }));
    expect(error).toMatchObject({ code, retryable: false });
    expect(error.message).toMatch(new RegExp(`The key version is ${state} \\(wrong wrapping\\)\\. .*${remedy}`));
    expect(kms.plan.count("AsymmetricSign")).toBe(0);
  });

  it.each([
    "EC_SIGN_SECP256K1_SHA256",
    "RSA_SIGN_RAW_PKCS1_2048",
    "PQ_SIGN_ML_DSA_65_EXTERNAL_MU",
    "PQ_SIGN_SLH_DSA_SHA2_128S",
    "RSA_DECRYPT_OAEP_2048_SHA256",
    "GOOGLE_SYMMETRIC_ENCRYPTION",
    "HMAC_SHA256",
  ])("rejects a version with algorithm %s as wrong-key", async (algorithm) => {
    const error = await signingError(addVersion({ algorithm }));
    expect(error.code).toBe("wrong-key");
    expect(error.message).toContain(`has algorithm ${algorithm}, which can't sign a JWS. Use a key of purpose`);
    expect(kms.plan.count("AsymmetricSign")).toBe(0);
  });

  it("reports a version that was disabled after the first signature", async () => {
    const stored = kms.store.addKey();
    await using signer = newSigner(`${stored.fields.name}/cryptoKeyVersions/1`);
    await signer.sign(message);
    Object.assign(stored.versions[0]?.fields ?? {}, { state: "DISABLED" });
    expect(await errorOf(signer.sign(message))).toMatchObject({
      code: "access-denied",
      message: expect.stringContaining("The key version is DISABLED. Enable it"),
    });
  });

  it("reports the service's own message if the caller may not read the state of the version", async () => {
    kms.plan.always("GetCryptoKeyVersion", "denied");
    const { code, message } = await signingError(addVersion({ state: "DISABLED" }));
    expect({ code, message }).toMatchObject({
      code: "access-denied",
      message: expect.stringMatching(/state is: DISABLED/),
    });
  });

  it("signs with a version whose generation ended before its state was read", async () => {
    const stored = kms.store.addKey({ state: "PENDING_GENERATION" });
    Object.assign(stored.versions[0] ?? {}, { pollsUntilGenerated: 0 });
    await using signer = newSigner(`${stored.fields.name}/cryptoKeyVersions/1`);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(counts()).toEqual({ GetPublicKey: 2, GetCryptoKeyVersion: 1, AsymmetricSign: 1 });
  });

  it("polls a version until it is generated", async () => {
    await using signer = newSigner(addVersion({ state: "PENDING_GENERATION" }));
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(counts()).toEqual({ GetPublicKey: 2, GetCryptoKeyVersion: 3, AsymmetricSign: 1 });
  });

  it("stops polling a version at the timeout", async () => {
    const stored = kms.store.addKey({ state: "PENDING_GENERATION" });
    Object.assign(stored.versions[0] ?? {}, { pollsUntilGenerated: Number.POSITIVE_INFINITY });
    expect(await signingError(stored.fields.name, { timeout: 500 })).toMatchObject({
      code: "timeout",
      retryable: true,
    });
    const polls = kms.plan.count("GetCryptoKeyVersion");
    await using other = newSigner();
    await other.sign(message);
    expect(kms.plan.count("GetCryptoKeyVersion")).toBe(polls);
  });
});

describe("describe()", () => {
  const importTime = { seconds: "1700000000" };
  it.each<[string, KeyOptions, object]>([
    ["a software key", { protectionLevel: "SOFTWARE" }, { protection: "software", exportable: false }],
    ["an HSM key", { protectionLevel: "HSM" }, { protection: "hsm", exportable: false }],
    ["a single-tenant HSM key", { protectionLevel: "HSM_SINGLE_TENANT" }, { protection: "hsm", exportable: false }],
    [
      "an HSM key with trusted wrapping",
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
    [
      "a key with an unknown protection level",
      { protectionLevel: "PROTECTION_LEVEL_UNSPECIFIED" },
      { protection: "unknown" },
    ],
  ])("describes %s", async (_, options, expected) => {
    await using signer = newSigner(addVersion(options));
    expect(await signer.describe()).toMatchObject(expected);
  });

  it("includes format and content of an HSM key's attestation", async () => {
    await using signer = newSigner(addVersion({ protectionLevel: "HSM" }));
    const { evidence } = await signer.describe();
    const content = Buffer.from("an attestation of the emulator").toString("base64");
    expect(evidence.attestation).toMatchObject({ format: "CAVIUM_V2_COMPRESSED", content });
  });
});

describe("the SDK client", () => {
  const ownConfig = () => {
    const { hostname: servicePath, port } = new URL(kms.endpoint);
    const sslCreds = grpc.credentials.createInsecure();
    const authClient = new googleAuthLibrary.PassThroughClient();
    return { servicePath, port: Number(port), sslCreds, authClient };
  };

  it("leaves the caller's client open when the signer is closed", async () => {
    const client = new KeyManagementServiceClient(ownConfig());
    const signer = new GcpKmsSigner(name, { client });
    await signer.sign(message);
    await signer.close();
    await expect(client.getPublicKey({ name })).resolves.toMatchObject([{ name }, {}, {}]);
    await client.close();
  });

  it("creates the client with clientConfig when a URI is opened", async () => {
    await using signer = provider.open(`gcpkms://${name}`, { clientConfig: ownConfig() });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it("closes its own client with the signer", async () => {
    const closed = vi.spyOn(KeyManagementServiceClient.prototype, "close");
    const signer = newSigner();
    await signer.sign(message);
    await signer.close();
    expect(closed).toHaveBeenCalledTimes(1);
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "misconfigured" });
    closed.mockRestore();
  });

  it("closes its own client if the key can't be opened", async () => {
    const closed = vi.spyOn(KeyManagementServiceClient.prototype, "close");
    kms.plan.next("GetPublicKey", "denied");
    await signingError(name);
    expect(closed).toHaveBeenCalledTimes(1);
    closed.mockRestore();
  });

  it("reports missing credentials with a remedy, and without an unhandled rejection", async () => {
    const unhandled = vi.fn();
    process.on("unhandledRejection", unhandled);
    vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/file.json");
    const signer = new GcpKmsSigner(name);
    const error = await errorOf(signer.sign(message));
    expect(error).toMatchObject({ code: "access-denied", message: expect.stringContaining("gcloud auth") });
    await signer.close();
    await new Promise(setImmediate);
    expect(unhandled).not.toHaveBeenCalled();
    process.off("unhandledRejection", unhandled);
    vi.unstubAllEnvs();
  });
});

describe("secrets", () => {
  it("doesn't show a private key in errors or in an inspected signer", async () => {
    const privateKey = "-----BEGIN PRIVATE KEY-----\nVERY-SECRET\n-----END PRIVATE KEY-----\n";
    const email = "agent@example.iam.gserviceaccount.com";
    const authClient = new googleAuthLibrary.JWT({ email, key: privateKey });
    // Over REST the SDK reads the key at once. Over gRPC it would need a TLS server first.
    const clientConfig = { authClient, fallback: true, protocol: "http", servicePath: "127.0.0.1", port: 9 };
    const signer = new GcpKmsSigner(name, { clientConfig, timeout: 10_000 });
    const error = await errorOf(signer.sign(message));
    expect(error).toMatchObject({ code: "access-denied", message: expect.stringContaining("private key") });
    expect(inspect([signer, error], { depth: 9, showHidden: true })).not.toContain("VERY-SECRET");
    await signer.close();
  });

  it("redacts tokens in the SDK's error messages", () => {
    const message = "metadata: authorization: Bearer ya29.a0SECRET eyJhbGciOi.SECRET.SECRET ya29.SECRET";
    const error = toSignerError(Object.assign(new Error(message), { code: 16 }), { method: "M", name, role: "r" });
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
  it.each(codes.map((code, index) => [index + 1, code] as const))("reports gRPC status %i as %s", (status, code) => {
    const error = toSignerError(Object.assign(new Error("details"), { code: status }), {
      method: "M",
      name,
      role: "r",
    });
    expect(error).toMatchObject({ code, cause: { code: status } });
  });
});
