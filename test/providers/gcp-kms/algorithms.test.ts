/** GcpKmsSigner with each algorithm of Cloud KMS: the requests, the faults, the limits, and the errors of wrong keys. */
import { randomBytes } from "node:crypto";
import type { SignerError } from "hardproof";
import { listKeys } from "hardproof";
import { GcpKmsSigner, type GcpKmsSignerOptions, provider } from "hardproof/gcp-kms";
import type { AlgorithmName } from "hardproof/provider";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { crc32c } from "../../../testing/emulators/crc32c.js";
import type { Fault } from "../../../testing/emulators/fault-plan.js";
import { gcpKmsEmulator } from "../../../testing/emulators/gcp-kms.js";
import type { KeyOptions } from "../../../testing/emulators/gcp-kms-store.js";
import { type AlgorithmServers, algorithmServers } from "../../servers/algorithm-servers.js";
import { ONE_OF_EACH, SIGNS_DATA, UNUSABLE, USABLE } from "./algorithms.js";

const kms = await gcpKmsEmulator();
afterEach(() => kms.plan.clear());
afterAll(() => kms.close());

const addVersion = (options: KeyOptions) => `${kms.store.addKey(options).fields.name}/cryptoKeyVersions/1`;
const newSigner = (options: KeyOptions, signerOptions: GcpKmsSignerOptions = {}) =>
  new GcpKmsSigner(addVersion(options), { endpoint: kms.endpoint, ...signerOptions });
const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const signRequest = () => kms.plan.calls.find(({ operation }) => operation === "AsymmetricSign")?.input;
/** Those whose public key doesn't need a format in the request. */
const CLASSICAL = ONE_OF_EACH.filter(([, alg]) => !alg.startsWith("ML-DSA"));
const keyRingUri = `gcpkms://${kms.store.keyRing}?endpoint=${kms.endpoint}`;
const message = Buffer.from("message to sign");
const otherThan = (alg: AlgorithmName): AlgorithmName => (alg === "ES256" ? "ES384" : "ES256");
const MAX_DATA = 65_536;

describe.each(ONE_OF_EACH)("%s", (algorithm, alg) => {
  it(`describes itself as ${alg}, with Cloud KMS's name`, async () => {
    await using signer = newSigner({ algorithm });
    expect(await signer.publicJwk()).toMatchObject({ alg });
    expect(await signer.describe()).toMatchObject({ alg, evidence: { algorithm } });
  });

  it.each<Fault>(["wrong-signature", "other-key"])("rejects a signature with the fault %s", async (fault) => {
    await using signer = newSigner({ algorithm });
    await signer.sign(message);
    kms.plan.next("AsymmetricSign", fault);
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "integrity", uri: signer.uri });
  });

  it.each<Fault>(["corrupt-request", "corrupt-signature", "corrupt-crc", "missing-crc", "unverified-digest"])(
    "repeats AsymmetricSign once after the fault %s, and reports a second one as an integrity error",
    async (fault) => {
      await using signer = newSigner({ algorithm });
      kms.plan.next("AsymmetricSign", fault);
      await signer.sign(message);
      expect(kms.plan.count("AsymmetricSign")).toBe(2);
      kms.plan.next("AsymmetricSign", fault, fault);
      expect(await errorOf(signer.sign(message))).toMatchObject({ code: "integrity" });
    },
  );

  it("rejects another algorithm before it signs, and names both", async () => {
    await using signer = newSigner({ algorithm }, { algorithm: otherThan(alg) });
    const error = await errorOf(signer.sign(message));
    expect(error).toMatchObject({ code: "wrong-key", uri: signer.uri });
    expect(error.message).toContain(otherThan(alg));
    expect(kms.plan.count("AsymmetricSign")).toBe(0);
  });

  it("is created by its JWS name, listed, and opened", async () => {
    await using created = await provider.create(keyRingUri, { algorithm: alg, cryptoKeyId: `new-${alg}` });
    expect((await created.publicJwk()).alg).toBe(alg);
    expect(created.uri).toContain(`?algorithm=${alg}&`);
    expect((await created.describe()).evidence).toMatchObject({ protectionLevel: "HSM" });
    expect(await listKeys(keyRingUri)).toContain(created.uri);
    expect(await listKeys(keyRingUri, { algorithm: alg })).toContain(created.uri);
    expect(await listKeys(keyRingUri, { algorithm: otherThan(alg) })).not.toContain(created.uri);
    await using opened = provider.open(created.uri, { algorithm: otherThan(alg) });
    expect(await opened.publicJwk()).toEqual(await created.publicJwk());
  });
});

describe("the request", () => {
  it.each(USABLE)("of %s has a digest or data, and its CRC32C", async (algorithm, alg) => {
    await using signer = newSigner({ algorithm });
    await signer.sign(message);
    const hash = `sha${alg.slice(-3)}`;
    const request = signRequest() as { data: Buffer; digest: Record<string, Buffer> | null };
    const signsData = SIGNS_DATA.some(([name]) => name === algorithm);
    const bytes = signsData ? request.data : request.digest?.[hash];
    const checksum = { value: String(crc32c(bytes ?? expect.unreachable())) };
    expect(request).toMatchObject(
      signsData
        ? { data: message, dataCrc32c: checksum, digest: null, digestCrc32c: null }
        : { data: Buffer.alloc(0), dataCrc32c: null, digest: { digest: hash }, digestCrc32c: checksum },
    );
  });

  it.each(["EXTERNAL", "EXTERNAL_VPC"])("has the data if the key's protection level is %s", async (protectionLevel) => {
    await using signer = newSigner({ protectionLevel });
    await signer.sign(message);
    expect(signRequest()).toMatchObject({ data: message, digest: null });
  });
});

describe("the limit of 64 KiB of data", () => {
  const external = ["EC_SIGN_P256_SHA256", "ES256", "EXTERNAL"] as const;
  const versions = [...SIGNS_DATA.map(([algorithm, alg]) => [algorithm, alg, "HSM"] as const), external];

  it.each(versions)(
    "is the longest message that %s (%s, %s) signs; an empty one is refused as well",
    async (algorithm, _, protectionLevel) => {
      await using signer = newSigner({ algorithm, protectionLevel });
      await signer.sign(randomBytes(MAX_DATA));
      for (const length of [MAX_DATA + 1, 0]) {
        const error = await errorOf(signer.sign(randomBytes(length)));
        expect(error).toMatchObject({ code: "misconfigured", uri: signer.uri });
        expect(error.message).toContain(
          `1 to 65536 bytes with this key version (${algorithm}), but this one has ${length}`,
        );
      }
      expect(kms.plan.count("AsymmetricSign")).toBe(1);
    },
  );

  it("doesn't apply to a message that is sent as its digest", async () => {
    await using signer = newSigner({ algorithm: "EC_SIGN_P384_SHA384" });
    await expect(signer.sign(randomBytes(2 * MAX_DATA))).resolves.toHaveLength(96);
  });
});

describe("the public key", () => {
  it.each(CLASSICAL)("of %s is requested without a format if the server doesn't know formats", async (algorithm) => {
    await using signer = newSigner({ algorithm });
    kms.plan.always("GetPublicKey", "no-formats");
    await signer.sign(message);
    expect(kms.plan.count("GetPublicKey")).toBe(2);
  });

  it("that doesn't fit the algorithm of the response is a wrong key", async () => {
    await using signer = newSigner({ algorithm: "EC_SIGN_P384_SHA384" });
    kms.plan.always("GetPublicKey", "other-algorithm");
    const error = await errorOf(signer.publicJwk());
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringMatching(/EC P-384.*Ed25519/) });
  });
});

describe("servers", () => {
  let signers: Map<AlgorithmName, GcpKmsSigner>;
  let servers: AlgorithmServers;
  beforeAll(async () => {
    signers = new Map(ONE_OF_EACH.map(([algorithm, alg]) => [alg, newSigner({ algorithm })]));
    servers = await algorithmServers([...signers.values()]);
  });
  afterAll(async () => {
    await servers.close();
    await Promise.all([...signers.values()].map((signer) => signer.close()));
  });

  it.each(ONE_OF_EACH)("accept %s in proofs and client assertions (oidc-provider, oauth4webapi)", async (_, alg) => {
    const { key, token, resource } = await servers.useKey(signers.get(alg) ?? expect.unreachable());
    expect([token, resource]).toEqual([key, key]);
  });
});

describe("a new key", () => {
  it.each<AlgorithmName>(["ES512", "PS384", "RS384"])(
    "isn't requested for %s, which Cloud KMS doesn't have",
    async (algorithm) => {
      const error = await errorOf(provider.create(keyRingUri, { algorithm, cryptoKeyId: "never" }));
      expect(error).toMatchObject({
        code: "misconfigured",
        message: expect.stringContaining(`for ${algorithm}. Set algorithm (in the command: --alg) to one of ES256, `),
      });
      expect(kms.plan.calls).toEqual([]);
    },
  );
});

it.each(UNUSABLE)("says which Node %s needs, and doesn't sign", async (algorithm, alg) => {
  await using signer = newSigner({ algorithm });
  const error = await errorOf(signer.sign(message));
  expect(error).toMatchObject({ code: "misconfigured", uri: signer.uri });
  expect(error.message).toMatch(new RegExp(`can't verify ${alg}.*Node 24`));
  expect(kms.plan.count("AsymmetricSign")).toBe(0);
});
