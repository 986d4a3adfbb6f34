/** The calls that KmsSigner makes, and how it handles each fault of AWS KMS and the network. */
import { inspect } from "node:util";
import { type KeySpec, type KeyState, KMSClient, type KMSClientConfig } from "@aws-sdk/client-kms";
import { DPoPProver, listKeys, requireNonExportable, type SignerError, streamKeys } from "hardproof";
import { type KmsProviderOptions, KmsSigner, type KmsSignerOptions, provider } from "hardproof/aws-kms";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type AwsKmsEmulator,
  awsKmsEmulator,
  EXPIRED_TOKEN,
  type KmsKey,
  type KmsOperation,
} from "../../../testing/emulators/aws-kms.js";
import type { Fault } from "../../../testing/emulators/fault-plan.js";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";
import { itListsPageByPage } from "../listed-pages.js";

let kms: AwsKmsEmulator;
let key: KmsKey;
beforeAll(async () => {
  kms = await awsKmsEmulator();
});
beforeEach(() => {
  kms.keys.all.clear();
  key = kms.keys.add();
});
afterEach(() => {
  kms.plan.clear();
  kms.holdSignUntil(1);
});
afterAll(() => kms.close());

const config = (overrides: KMSClientConfig = {}) => ({
  endpoint: kms.endpoint,
  credentials: kms.credentials,
  ...overrides,
});
const newSigner = (keyId = key.arn, { clientConfig, ...overrides }: KmsSignerOptions = {}) =>
  new KmsSigner(keyId, { clientConfig: config(clientConfig), ...overrides });
const data = Buffer.from("data to sign");
const counts = () => {
  const operations = [...new Set(kms.plan.calls.map(({ operation }) => operation))];
  return Object.fromEntries(operations.map((operation) => [operation, kms.plan.count(operation)]));
};
const errorOf = (work: () => unknown): Promise<SignerError> =>
  new Promise((resolve) => resolve(work())).then(
    () => expect.unreachable(),
    (error) => error,
  );
const errorWithFault = async (operation: KmsOperation, fault: Fault) => {
  await using signer = newSigner(key.arn, { clientConfig: { maxAttempts: 1 } });
  kms.plan.next(operation, fault);
  return errorOf(() => (operation === "DescribeKey" ? signer.describe() : signer.sign(data)));
};

describe("calls", () => {
  it("sends one GetPublicKey and 500 concurrent Sign requests for the first 500 signatures", async () => {
    // A request without a response is repeated after a sixth of the time.
    await using signer = newSigner(key.arn, { timeout: 120_000 });
    kms.holdSignUntil(500);
    const signatures = await Promise.all(Array.from({ length: 500 }, (_, n) => signer.sign(Buffer.from(`${n}`))));
    expect(new Set(signatures.map((signature) => Buffer.from(signature).toString("hex"))).size).toBe(500);
    expect(counts()).toEqual({ GetPublicKey: 1, Sign: 500 });
  });

  it("signs the SHA-256 digest with ECDSA_SHA_256 and the key ARN that the alias resolved to", async () => {
    kms.keys.alias("alias/Digest", key);
    await using signer = newSigner("alias/Digest", { region: kms.region });
    await signer.sign(data);
    expect(kms.plan.calls).toEqual([
      { operation: "GetPublicKey", input: { KeyId: "alias/Digest" } },
      {
        operation: "Sign",
        input: {
          KeyId: key.arn,
          Message: expect.stringMatching(/^[\w+/]{43}=$/),
          MessageType: "DIGEST",
          SigningAlgorithm: "ECDSA_SHA_256",
        },
      },
    ]);
  });

  it("sends one DescribeKey for describe()", async () => {
    await using signer = newSigner();
    await signer.describe();
    expect(counts()).toEqual({ GetPublicKey: 1, DescribeKey: 1 });
  });

  it("closes its connections when the signer is closed", async () => {
    const emulator = await awsKmsEmulator();
    const signer = newSigner(emulator.keys.add().arn, { clientConfig: { endpoint: emulator.endpoint } });
    await Promise.all([signer.sign(data), signer.sign(data)]);
    expect(await emulator.openConnections()).toBeGreaterThan(0);
    await signer.close();
    await expect.poll(emulator.openConnections).toBe(0);
    await emulator.close();
  });

  it("sends no request before the first use, nor when an unused signer is closed", async () => {
    await newSigner().close();
    expect(kms.plan.calls).toEqual([]);
  });
});

describe("aliases", () => {
  it("keeps signing with the same key after its alias is moved to another key", async () => {
    kms.keys.alias("alias/Moving", key);
    await using signer = newSigner("alias/Moving", { region: kms.region });
    const prover = await DPoPProver.create(signer);
    kms.keys.alias("alias/Moving", kms.keys.add());
    await expect(prover.makeProof({ htm: "GET", htu: "https://a.example" })).resolves.toMatch(/^ey/);
    await using next = newSigner("alias/Moving", { region: kms.region });
    expect(await next.publicJwk()).not.toEqual(await signer.publicJwk());
  });

  it("distinguishes upper and lower case in an alias", async () => {
    kms.keys.alias("alias/Mixed/Case", key);
    await using signer = newSigner("alias/mixed/case", { region: kms.region });
    expect(await errorOf(() => signer.publicJwk())).toMatchObject({ code: "key-not-found" });
  });
});

describe("multi-Region keys", () => {
  it("signs with a key named by its mrk- id, and describes it as multi-Region", async () => {
    const { id, arn } = kms.keys.add({ multiRegion: true });
    await using signer = newSigner(id, { region: kms.region });
    expect(await signer.sign(data)).toHaveLength(64);
    expect((await signer.describe()).evidence).toMatchObject({ Arn: arn, MultiRegion: true });
  });
});

describe("the region", () => {
  it("prefers the region of the ARN to AWS_REGION", async () => {
    process.env.AWS_REGION = "us-east-1";
    await using signer = newSigner();
    expect(await signer.sign(data)).toHaveLength(64);
    delete process.env.AWS_REGION;
  });

  it("prefers the option `region` to the region of the ARN", async () => {
    await using signer = newSigner(key.arn, { region: "us-east-1" });
    const error = await errorOf(() => signer.sign(data));
    expect(error).toMatchObject({ code: "access-denied", uri: expect.stringContaining("region=us-east-1") });
  });

  it("reports a missing region with a hint at AWS_REGION", async () => {
    process.env.AWS_CONFIG_FILE = "/nonexistent";
    await using signer = newSigner("alias/a");
    const error = await errorOf(() => signer.sign(data));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("AWS_REGION") });
  });

  it("reports key-not-found with a hint at the region if the caller's client has another region", async () => {
    const client = new KMSClient({ ...config(), region: kms.region });
    await using signer = new KmsSigner(key.arn.replace(kms.region, "us-east-1"), { client });
    const error = await errorOf(() => signer.sign(data));
    expect(error).toMatchObject({ code: "key-not-found", message: expect.stringContaining("region") });
  });
});

describe("keys that can't sign", () => {
  const unsuitable: [KeySpec, KmsKey["usage"]][] = [
    ["RSA_2048", "ENCRYPT_DECRYPT"],
    ["ECC_NIST_P256", "KEY_AGREEMENT"],
    ["ECC_SECG_P256K1", "SIGN_VERIFY"],
    ["SM2", "SIGN_VERIFY"],
    ["ML_KEM_768", "ENCAPSULATE_DECAPSULATE"],
  ];
  it.each(unsuitable)(
    "rejects %s for %s at first use, naming the found and the required key types",
    async (spec, usage) => {
      await using signer = newSigner(kms.keys.add({ spec, usage }).arn);
      const error = await errorOf(() => DPoPProver.create(signer));
      expect(error).toMatchObject({ code: "wrong-key", retryable: false });
      expect(error.message).toContain(`${spec} for ${usage}`);
      expect(error.message).toMatch(/for SIGN_VERIFY with one of the key specs ECC_NIST_P256, .*ML_DSA_87\./);
      expect(kms.plan.count("Sign")).toBe(0);
    },
  );

  it.each<[KeySpec, KmsKey["usage"]]>([
    ["SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"],
    ["HMAC_256", "GENERATE_VERIFY_MAC"],
  ])("rejects %s as symmetric", async (spec, usage) => {
    await using signer = newSigner(kms.keys.add({ spec, usage }).arn);
    const error = await errorOf(() => signer.sign(data));
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringMatching(/symmetric.*ECC_NIST_P256/) });
  });

  it("rejects a key that is described as P-256, but whose public key is on another curve", async () => {
    const { material } = kms.keys.add({ spec: "ECC_SECG_P256K1" });
    Object.assign(key, { material });
    await using signer = newSigner();
    expect(await errorOf(() => signer.sign(data))).toMatchObject({ code: "wrong-key" });
  });
});

describe("key states", () => {
  const states: [KeyState, SignerError["code"], boolean][] = [
    ["Disabled", "access-denied", false],
    ["PendingDeletion", "access-denied", false],
    ["PendingReplicaDeletion", "access-denied", false],
    ["PendingImport", "key-not-found", false],
    ["Creating", "unavailable", true],
    ["Unavailable", "unavailable", true],
  ];
  it.each(states)("reports state %s as %s, at the first use and later", async (state, code, retryable) => {
    await using signer = newSigner();
    key.state = state;
    expect(await errorOf(() => signer.publicJwk())).toMatchObject({ code, retryable, uri: signer.uri });
    key.state = "Enabled";
    expect(await signer.sign(data)).toHaveLength(64);
    key.state = state;
    expect(await errorOf(() => signer.sign(data))).toMatchObject({ code, retryable });
  });

  it("signs with a key in state Updating", async () => {
    key.state = "Updating";
    await using signer = newSigner();
    expect(await signer.sign(data)).toHaveLength(64);
  });

  it("reports a deleted key as key-not-found without a retry", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    kms.keys.all.delete(key.arn);
    expect(await errorOf(() => signer.sign(data))).toMatchObject({ code: "key-not-found", retryable: false });
    expect(kms.plan.count("Sign")).toBe(1);
  });
});

describe("wrong responses", () => {
  it.each<[KmsOperation, Fault]>([
    ["Sign", "wrong-signature"],
    ["Sign", "corrupt-signature"],
    ["Sign", "other-key"],
    ["Sign", "other-name"],
    ["GetPublicKey", "other-key"],
    ["GetPublicKey", "other-name"],
    ["DescribeKey", "other-name"],
  ])("reports %s with the fault %s as an integrity error", async (operation, fault) => {
    expect(await errorWithFault(operation, fault)).toMatchObject({ code: "integrity", retryable: false });
  });

  it("doesn't call Sign after GetPublicKey returned the ARN of another key", async () => {
    expect((await errorWithFault("GetPublicKey", "other-name")).message).toContain(
      `GetPublicKey for ${key.arn} returned arn:`,
    );
    expect(kms.plan.count("Sign")).toBe(0);
  });

  it("rejects a public key that is not on the curve", async () => {
    expect(await errorWithFault("GetPublicKey", "corrupt-signature")).toMatchObject({ code: "wrong-key" });
  });

  it("verifies every signature, not only the first ones", async () => {
    await using signer = newSigner();
    await Promise.all(Array.from({ length: 20 }, () => signer.sign(data)));
    kms.plan.next("Sign", "wrong-signature");
    expect(await errorOf(() => signer.sign(data))).toMatchObject({ code: "integrity" });
    expect(await signer.sign(data)).toHaveLength(64);
  });

  const validResponse = () => ({
    KeyId: key.arn,
    PublicKey: key.material?.spki.toString("base64"),
    KeySpec: "ECC_NIST_P256",
    KeyUsage: "SIGN_VERIFY",
    SigningAlgorithms: ["ECDSA_SHA_256"],
  });

  it.each<KmsOperation>(["GetPublicKey", "Sign", "DescribeKey"])(
    "reports an empty response to %s as an integrity error",
    async (operation) => {
      const server = await stubServer();
      server.respondWith((response, request, turn) => {
        const isEmpty = request.headers["x-amz-target"] === `TrentService.${operation}`;
        json(200, isEmpty ? {} : validResponse())(response, request, turn);
      });
      await using signer = newSigner(key.arn, { clientConfig: { endpoint: server.origin } });
      const work = () => (operation === "DescribeKey" ? signer.describe() : signer.sign(data));
      expect(await errorOf(work)).toMatchObject({ code: "integrity" });
      await server.close();
    },
  );

  it.each([
    { KeySpec: "ECC_NIST_P384" },
    { KeyUsage: "KEY_AGREEMENT" },
    { SigningAlgorithms: ["ECDSA_SHA_384"] },
    { SigningAlgorithms: undefined },
  ])("rejects a key that only differs in %j", async (difference) => {
    const server = await stubServer();
    server.respondWith(json(200, { ...validResponse(), ...difference }));
    await using signer = newSigner(key.arn, { clientConfig: { endpoint: server.origin } });
    expect(await errorOf(() => signer.publicJwk())).toMatchObject({ code: "wrong-key" });
    await server.close();
  });
});

describe("retries of the SDK", () => {
  it.each<Fault>(["throttle", "5xx", "reset"])("succeeds after two %s faults", async (fault) => {
    await using signer = newSigner();
    await signer.publicJwk();
    kms.plan.next("Sign", fault, fault);
    expect(await signer.sign(data)).toHaveLength(64);
    expect(kms.plan.count("Sign")).toBe(3);
  });

  it.each<[Fault, SignerError["code"]]>([
    ["throttle", "throttled"],
    ["5xx", "unavailable"],
    ["reset", "unavailable"],
  ])("reports a persistent %s fault as %s after the configured number of attempts", async (fault, code) => {
    await using signer = newSigner(key.arn, { clientConfig: { maxAttempts: 2 } });
    await signer.publicJwk();
    kms.plan.always("Sign", fault);
    expect(await errorOf(() => signer.sign(data))).toMatchObject({ code, retryable: true });
    expect(kms.plan.count("Sign")).toBe(2);
  });
});

describe("requests without a response", () => {
  it("cancels a signature and its HTTP request at the timeout", async () => {
    await using signer = newSigner(key.arn, { timeout: 300 });
    await signer.publicJwk();
    const before = kms.cancelledRequests;
    kms.plan.always("Sign", "hang");
    expect(await errorOf(() => signer.sign(data))).toMatchObject({ code: "timeout", retryable: true });
    await expect.poll(() => kms.cancelledRequests - before).toBe(kms.plan.count("Sign"));
    kms.plan.clear();
    expect(await signer.sign(data)).toHaveLength(64);
  });

  it.each<KmsOperation>(["GetPublicKey", "Sign", "DescribeKey"])(
    "sends %s again within the time limit if the first request hangs, and cancels that one",
    async (operation) => {
      await using signer = newSigner(key.arn, { timeout: 12_000 });
      const before = kms.cancelledRequests;
      kms.plan.next(operation, "hang");
      await (operation === "DescribeKey" ? signer.describe() : signer.sign(data));
      expect(kms.plan.count(operation)).toBe(2);
      expect(kms.cancelledRequests).toBe(before + 1);
    },
  );

  it("sends a request again that later ones overtake, although the store answers", async () => {
    await using signer = newSigner(key.arn, { timeout: 12_000 });
    await signer.publicJwk();
    kms.plan.next("Sign", "hang");
    const hanging = signer.sign(data);
    let ended = false;
    const others = async () => {
      while (!ended) await signer.sign(data);
    };
    const busy = others();
    expect(await hanging).toHaveLength(64);
    ended = true;
    await busy;
  });

  it("sends no request again that waits in the store's queue", async () => {
    await using signer = newSigner(key.arn, { timeout: 12_000 });
    await signer.publicJwk();
    Object.assign(kms.plan, { latency: 200, concurrency: 1 });
    await Promise.all(Array.from({ length: 20 }, () => signer.sign(data)));
    expect(kms.plan.count("Sign")).toBe(20);
  });

  it("doesn't send CreateKey again, which may have created a key", async () => {
    kms.plan.always("CreateKey", "hang");
    const options = { region: kms.region, clientConfig: config(), timeout: 600 };
    expect(await errorOf(() => provider.create?.("awskms:///", options))).toMatchObject({ code: "timeout" });
    expect(kms.plan.count("CreateKey")).toBe(1);
  });

  it("cancels a signature and its HTTP request when the caller's signal aborts", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    const before = kms.cancelledRequests;
    kms.plan.next("Sign", "hang");
    const controller = new AbortController();
    const signing = errorOf(() => signer.sign(data, { signal: controller.signal }));
    await expect.poll(() => kms.plan.count("Sign")).toBe(1);
    controller.abort();
    expect(await signing).toMatchObject({ code: "aborted", retryable: false });
    await expect.poll(() => kms.cancelledRequests).toBe(before + 1);
  });

  it("opens the key at the next use if the first attempt timed out", async () => {
    await using signer = newSigner(key.arn, { timeout: 300 });
    kms.plan.always("GetPublicKey", "hang");
    expect(await errorOf(() => signer.sign(data))).toMatchObject({ code: "timeout" });
    kms.plan.clear();
    expect(await signer.sign(data)).toHaveLength(64);
  });
});

describe("errors", () => {
  it.each<KmsOperation>(["GetPublicKey", "Sign", "DescribeKey"])(
    "names the missing permission kms:%s",
    async (operation) => {
      const error = await errorWithFault(operation, "denied");
      expect(error).toMatchObject({ code: "access-denied", uri: `awskms:///${key.arn}?endpoint=${kms.endpoint}` });
      expect(error.message).toContain(`lacks kms:${operation}.`);
    },
  );

  it.each<[string, KMSClientConfig, SignerError["code"], string]>([
    [
      "missing credentials",
      { credentials: () => Promise.reject(errorNamed("CredentialsProviderError")) },
      "access-denied",
      "still valid",
    ],
    ["an unknown host", { endpoint: "http://kms.invalid" }, "unavailable", "DNS"],
    ["a refused connection", { endpoint: "http://127.0.0.1:9" }, "unavailable", "ECONNREFUSED"],
    [
      "a request timeout",
      { requestHandler: { requestTimeout: 50, throwOnRequestTimeout: true } },
      "timeout",
      "can reach the endpoint",
    ],
  ])("reports %s", async (_, clientConfig, code, text) => {
    kms.plan.always("GetPublicKey", "hang");
    await using signer = newSigner(key.arn, { clientConfig: { maxAttempts: 1, ...clientConfig } });
    expect(await errorOf(() => signer.sign(data))).toMatchObject({ code, message: expect.stringContaining(text) });
  });

  it.each([
    ["expired", { sessionToken: EXPIRED_TOKEN }, {}],
    ["unknown", { accessKeyId: "AKIAIOSFODNN7EXAMPL2", sessionToken: "a-secret-token" }, {}],
    [
      "scoped to another region, where the service repeats the session token",
      { sessionToken: "a-secret-token" },
      { region: "us-east-1" },
    ],
  ])("doesn't show credentials that are %s", async (_, overrides, options) => {
    const credentials = { ...kms.credentials, ...overrides };
    await using signer = newSigner(key.arn, { clientConfig: { credentials }, ...options });
    const error = await errorOf(() => signer.sign(data));
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    const shown = inspect([signer, error, error.cause, error.stack], { depth: null, showHidden: true });
    for (const secret of [credentials.secretAccessKey, credentials.sessionToken]) expect(shown).not.toContain(secret);
  });

  it("doesn't show the arguments of a credential process", async () => {
    const credentials = () =>
      Promise.reject(errorNamed("CredentialsProviderError", "Command failed: helper --password hidden"));
    await using signer = newSigner(key.arn, { clientConfig: { credentials } });
    const error = await errorOf(() => signer.sign(data));
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain("hidden");
  });

  describe("exception names", () => {
    let server: StubServer;
    beforeAll(async () => {
      server = await stubServer();
    });
    afterAll(() => server.close());

    it.each<[string, SignerError["code"]]>([
      ["NotFoundException", "key-not-found"],
      ["DisabledException", "access-denied"],
      ["KMSInvalidStateException", "unavailable"],
      ["InvalidKeyUsageException", "wrong-key"],
      ["UnsupportedOperationException", "wrong-key"],
      ["AccessDeniedException", "access-denied"],
      ["ThrottlingException", "throttled"],
      ["LimitExceededException", "throttled"],
      ["KMSInternalException", "unavailable"],
      ["DependencyTimeoutException", "unavailable"],
      ["KeyUnavailableException", "unavailable"],
      ["ExpiredTokenException", "access-denied"],
      ["InvalidSignatureException", "access-denied"],
      ["MissingAuthenticationTokenException", "access-denied"],
      ["InvalidArnException", "misconfigured"],
      ["ValidationException", "misconfigured"],
      ["constructor", "unexpected"],
      ["SomethingNewException", "unexpected"],
    ])("reports the KMS error %s as %s", async (name, code) => {
      server.respondWith(json(400, { __type: name, message: "the service's message" }));
      await using signer = newSigner(key.arn, { clientConfig: { endpoint: server.origin, maxAttempts: 1 } });
      const error = await errorOf(() => signer.sign(data));
      expect(error).toMatchObject({
        code,
        uri: signer.uri,
        message: expect.stringContaining(`${name} from GetPublicKey`),
      });
    });
  });
});

describe("describe()", () => {
  it.each<[KmsKey["origin"], string, boolean | "unknown"]>([
    ["AWS_KMS", "hsm", false],
    ["AWS_CLOUDHSM", "hsm", false],
    ["EXTERNAL", "hsm", "unknown"],
    ["EXTERNAL_KEY_STORE", "external", "unknown"],
  ])("describes a key of origin %s as %s, exportable: %s", async (origin, protection, exportable) => {
    await using signer = newSigner(kms.keys.add({ origin }).arn);
    expect(await signer.describe()).toMatchObject({ protection, exportable, evidence: { Origin: origin } });
    if (exportable === "unknown")
      await expect(requireNonExportable(signer)).rejects.toMatchObject({ code: "wrong-key" });
  });
});

describe("create()", () => {
  const create = (uri = `awskms:///alias/new/${key.id}`, overrides: KmsProviderOptions = {}) =>
    provider.create?.(uri, { region: kms.region, clientConfig: config(), ...overrides }) ?? expect.unreachable();

  it("creates an ECC_NIST_P256 key for SIGN_VERIFY, and waits until it is visible", async () => {
    const tags = { team: "agents" };
    await using signer = await create(undefined, { description: "my key", multiRegion: true, tags, policy: "{}" });
    expect(await signer.sign(data)).toHaveLength(64);
    expect(kms.plan.calls[1]).toEqual({
      operation: "CreateKey",
      input: {
        KeySpec: "ECC_NIST_P256",
        KeyUsage: "SIGN_VERIFY",
        Description: "my key",
        MultiRegion: true,
        Tags: [{ TagKey: "team", TagValue: "agents" }],
        Policy: "{}",
      },
    });
    expect(counts()).toEqual({ CreateKey: 1, CreateAlias: 3, GetPublicKey: 4, Sign: 1 });
    expect(signer.uri).toContain("key/mrk-");
  });

  it("creates a key without an alias, and only its own signer waits until the key is visible", async () => {
    await using signer = await create("awskms:///");
    expect(counts()).toEqual({ CreateKey: 1 });
    await using other = provider.open(signer.uri ?? "", { clientConfig: config() });
    expect(await errorOf(() => other.publicJwk())).toMatchObject({ code: "key-not-found" });
    expect(counts()).toEqual({ CreateKey: 1, GetPublicKey: 1 });
  });

  it("cancels create() and its HTTP request at the timeout", async () => {
    const before = kms.cancelledRequests;
    kms.plan.next("CreateKey", "hang");
    const uri = expect.stringMatching(/^awskms:\/\/\/alias\/new/);
    expect(await errorOf(() => create(undefined, { timeout: 200 }))).toMatchObject({ code: "timeout", uri });
    await expect.poll(() => kms.cancelledRequests).toBe(before + 1);
  });

  it.each([0, Number.NaN, 1e12])("rejects a timeout of %d in create() without creating a key", async (timeout) => {
    expect(await errorOf(() => create(undefined, { timeout }))).toMatchObject({ code: "misconfigured" });
    expect(counts()).toEqual({});
  });

  it.each<KmsOperation>(["CreateKey", "CreateAlias"])(
    "names the missing permission kms:%s in create()",
    async (operation) => {
      kms.plan.next(operation, "denied");
      const error = await errorOf(() => create());
      expect(error).toMatchObject({ code: "access-denied", uri: expect.stringContaining(`alias/new/${key.id}`) });
      expect(error.message).toContain(`lacks kms:${operation}.`);
    },
  );

  it("creates only one key if it is called repeatedly with the same alias", async () => {
    await using signer = await create("awskms:///alias/again");
    await signer.publicJwk();
    kms.plan.clear();
    for (const _ of [1, 2]) {
      const error = await errorOf(() => create("awskms:///alias/again"));
      expect(error).toMatchObject({ code: "misconfigured", uri: expect.stringContaining("alias/again") });
      expect(error.message).toContain("alias/again already names a key. Open that key, or choose another alias.");
    }
    expect(counts()).toEqual({ GetPublicKey: 2 });
  });

  it.each<[string, () => unknown]>([
    ["of another type", () => kms.keys.alias("alias/there", kms.keys.add({ spec: "SYMMETRIC_DEFAULT" }))],
    ["on another curve", () => kms.keys.alias("alias/there", kms.keys.add({ spec: "ECC_NIST_P384" }))],
    ["that is disabled", () => (key.state = "Disabled")],
    ["that is pending deletion", () => (key.state = "PendingDeletion")],
    ["without key material", () => (key.state = "PendingImport")],
  ])("doesn't create a key if the alias already names one %s", async (_, prepare) => {
    kms.keys.alias("alias/there", key);
    prepare();
    const error = await errorOf(() => create("awskms:///alias/there"));
    expect(error).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("alias/there already names a key"),
    });
    expect(counts()).toEqual({ GetPublicKey: 1 });
  });

  it("doesn't create a key if it can't find out whether the alias is taken", async () => {
    kms.plan.always("GetPublicKey", "throttle");
    const clientConfig = config({ maxAttempts: 1 });
    expect(await errorOf(() => create(undefined, { clientConfig }))).toMatchObject({ code: "throttled" });
    expect(counts()).toEqual({ GetPublicKey: 1 });
  });

  it("names the new key in the error if only the alias could not be created", async () => {
    kms.keys.alias("alias/taken", key);
    kms.plan.next("GetPublicKey", "denied");
    const error = await errorOf(() => create("awskms:///alias/taken"));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("is taken") });
    const created = [...kms.keys.all.keys()].at(-1);
    expect(error.message).toContain(`${created} was created, but not its alias alias/taken`);
  });
});

it("ends create() and list() when the caller aborts", async () => {
  kms.plan.always("CreateKey", "hang");
  kms.plan.always("ListKeys", "hang");
  const caller = new AbortController();
  const options = { region: kms.region, clientConfig: config(), signal: caller.signal };
  const create = errorOf(() => provider.create?.("awskms:///", options));
  const list = errorOf(() => listKeys("awskms:///", options));
  await expect.poll(() => [kms.plan.count("CreateKey"), kms.plan.count("ListKeys")]).toEqual([1, 1]);
  caller.abort();
  for (const error of await Promise.all([create, list])) expect(error).toMatchObject({ code: "aborted" });
  expect((await create).message).toContain("it may exist nevertheless");
});

describe("list()", () => {
  itListsPageByPage(async () => {
    kms.keys.all.clear();
    return {
      plan: kms.plan,
      pageOperation: "ListKeys",
      keysPerPage: kms.keys.pageSize,
      add: (count, usable = true) => {
        for (let n = 0; n < count; n++) kms.keys.add().state = usable ? "Enabled" : "Disabled";
      },
      stream: (options) => streamKeys("awskms:///", { region: kms.region, clientConfig: config(), ...options }),
    };
  });

  it("closes its connections when the caller stops reading", async () => {
    const emulator = await awsKmsEmulator();
    for (let n = 0; n < 5; n++) emulator.keys.add();
    const clientConfig = config({ endpoint: emulator.endpoint });
    for await (const _ of streamKeys("awskms:///", { region: kms.region, clientConfig })) {
      expect(await emulator.openConnections()).toBeGreaterThan(0);
      break;
    }
    await expect.poll(emulator.openConnections).toBe(0);
    await emulator.close();
  });

  const list = () => listKeys("awskms:///", { region: kms.region, clientConfig: config() });

  it("lists the enabled signing keys from all pages", async () => {
    const disabled = kms.keys.add();
    disabled.state = "Disabled";
    const unsuitable = [disabled, kms.keys.add({ spec: "ECC_SECG_P256K1" }), kms.keys.add({ usage: "KEY_AGREEMENT" })];
    const suitable = Array.from({ length: 5 }, () => kms.keys.add());
    const uris = await list();
    const uriOf = ({ arn }: KmsKey) => `awskms:///${arn}?endpoint=${kms.endpoint}&algorithm=ES256`;
    expect(uris).toEqual(expect.arrayContaining(suitable.map(uriOf)));
    for (const key of unsuitable) expect(uris).not.toContain(uriOf(key));
    expect(kms.plan.count("ListKeys")).toBeGreaterThan(2);
  });

  it("omits a key from list() that was deleted or isn't visible yet", async () => {
    kms.keys.add(undefined, 1);
    expect(await list()).toHaveLength(1);
    expect(await list()).toHaveLength(2);
  });

  it("omits a key from list() that the caller may not describe", async () => {
    kms.keys.add();
    kms.plan.next("DescribeKey", "denied");
    expect(await list()).toHaveLength(1);
  });

  it("describes at most 4 keys of a page at the same time, without a warning about listeners", async () => {
    const keys = Array.from({ length: 40 }, () => kms.keys.add());
    kms.keys.pageSize = 100;
    kms.plan.latency = 5;
    const warned = vi.spyOn(process, "emitWarning");
    expect(await list()).toHaveLength(keys.length + 1);
    expect(kms.plan.mostConcurrent).toBeLessThanOrEqual(4);
    expect(kms.plan.mostConcurrent).toBeGreaterThan(1);
    expect(warned.mock.calls.filter(([warning]) => /MaxListeners/.test(String(warning)))).toEqual([]);
    warned.mockRestore();
    kms.keys.pageSize = 3;
  });

  it("leaves out a key whose ARN can't be parsed, and names it in a warning", async () => {
    const arn = key.arn.replace(key.id, "NEW-KIND-OF-ID");
    kms.keys.all.set(arn, { ...key, arn });
    const warned = vi.spyOn(process, "emitWarning").mockReturnValue();
    expect(await list()).toHaveLength(1);
    expect(warned.mock.calls).toEqual([[expect.stringContaining(arn), { code: "HARDPROOF_SKIPPED_KEY" }]]);
    warned.mockRestore();
  });

  it.each<KmsOperation>(["ListKeys", "DescribeKey"])(
    "names the missing permission kms:%s in list()",
    async (operation) => {
      kms.plan.always(operation, "denied");
      const error = await errorOf(list);
      expect(error).toMatchObject({
        code: "access-denied",
        message: expect.stringContaining(`lacks kms:${operation}.`),
      });
    },
  );
});

function errorNamed(name: string, message = "Could not load credentials from any providers"): Error {
  return Object.assign(new Error(message), { name });
}
