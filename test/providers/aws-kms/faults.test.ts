/** What AWS KMS can do wrong, told to the emulator call by call, and what it is asked. */
import { inspect } from "node:util";
import { type KeySpec, type KeyState, KMSClient, type KMSClientConfig } from "@aws-sdk/client-kms";
import { DPoPProver, requireNonExportable, type SignerError } from "hardproof";
import { type KmsProviderOptions, KmsSigner, type KmsSignerOptions, provider } from "hardproof/aws-kms";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type AwsKms, awsKms, EXPIRED_TOKEN, type KmsKey, type KmsOperation } from "../../emulators/aws-kms.js";
import type { Fault } from "../../emulators/fault-plan.js";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

let kms: AwsKms;
let key: KmsKey;
beforeAll(async () => {
  kms = await awsKms();
});
beforeEach(() => {
  kms.keys.all.clear();
  key = kms.keys.add();
});
afterEach(() => {
  kms.plan.clear();
  kms.gather(1);
});
afterAll(() => kms.close());

const config = (more: KMSClientConfig = {}) => ({ endpoint: kms.endpoint, credentials: kms.credentials, ...more });
const newSigner = (keyId = key.arn, { clientConfig, ...more }: KmsSignerOptions = {}) =>
  new KmsSigner(keyId, { clientConfig: config(clientConfig), ...more });
const data = Buffer.from("what is signed");
const counts = () => {
  const operations = [...new Set(kms.plan.calls.map(({ operation }) => operation))];
  return Object.fromEntries(operations.map((operation) => [operation, kms.plan.count(operation)]));
};
const refusal = (work: () => unknown): Promise<SignerError> =>
  new Promise((resolve) => resolve(work())).then(
    () => expect.unreachable(),
    (error) => error,
  );
const failing = async (operation: KmsOperation, fault: Fault) => {
  await using signer = newSigner(key.arn, { clientConfig: { maxAttempts: 1 } });
  kms.plan.next(operation, fault);
  return refusal(() => (operation === "DescribeKey" ? signer.describe() : signer.sign(data)));
};

describe("calls", () => {
  it("500 signatures from a cold signer make one GetPublicKey and 500 Sign, all under way at once", async () => {
    await using signer = newSigner();
    kms.gather(500);
    const made = await Promise.all(Array.from({ length: 500 }, (_, n) => signer.sign(Buffer.from(`${n}`))));
    expect(new Set(made.map((one) => Buffer.from(one).toString("hex"))).size).toBe(500);
    expect(counts()).toEqual({ GetPublicKey: 1, Sign: 500 });
  });

  it("sign the SHA-256 digest with ECDSA_SHA_256, under the ARN that an alias was resolved to", async () => {
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

  it("of describe() are one DescribeKey", async () => {
    await using signer = newSigner();
    await signer.describe();
    expect(counts()).toEqual({ GetPublicKey: 1, DescribeKey: 1 });
  });

  it("leave no connection behind when the signer is closed", async () => {
    const own = await awsKms();
    const signer = newSigner(own.keys.add().arn, { clientConfig: { endpoint: own.endpoint } });
    await Promise.all([signer.sign(data), signer.sign(data)]);
    expect(await own.connections()).toBeGreaterThan(0);
    await signer.close();
    await expect.poll(own.connections).toBe(0);
    await own.close();
  });

  it("are none before the first use, nor when it is closed unused", async () => {
    await newSigner().close();
    expect(kms.plan.calls).toEqual([]);
  });
});

describe("an alias that is moved", () => {
  it("does not move the signer: proofs go on with the key that it was opened with", async () => {
    kms.keys.alias("alias/Moving", key);
    await using signer = newSigner("alias/Moving", { region: kms.region });
    const prover = await DPoPProver.create(signer);
    kms.keys.alias("alias/Moving", kms.keys.add());
    await expect(prover.makeProof({ htm: "GET", htu: "https://a.example" })).resolves.toMatch(/^ey/);
    await using next = newSigner("alias/Moving", { region: kms.region });
    expect(await next.publicJwk()).not.toEqual(await signer.publicJwk());
  });

  it("has its case kept", async () => {
    kms.keys.alias("alias/Mixed/Case", key);
    await using signer = newSigner("alias/mixed/case", { region: kms.region });
    expect(await refusal(() => signer.publicJwk())).toMatchObject({ code: "key-not-found" });
  });
});

describe("a multi-Region key", () => {
  it("signs by its mrk- id, and is described as one", async () => {
    const { id, arn } = kms.keys.add({ multiRegion: true });
    await using signer = newSigner(id, { region: kms.region });
    expect(await signer.sign(data)).toHaveLength(64);
    expect((await signer.describe()).evidence).toMatchObject({ Arn: arn, MultiRegion: true });
  });
});

describe("the region", () => {
  it("is the ARN's, whatever the environment says", async () => {
    process.env.AWS_REGION = "us-east-1";
    await using signer = newSigner();
    expect(await signer.sign(data)).toHaveLength(64);
    delete process.env.AWS_REGION;
  });

  it("that is given goes before the ARN's", async () => {
    await using signer = newSigner(key.arn, { region: "us-east-1" });
    const error = await refusal(() => signer.sign(data));
    expect(error).toMatchObject({ code: "access-denied", uri: expect.stringContaining("region=us-east-1") });
  });

  it("that nobody gave is asked for", async () => {
    process.env.AWS_CONFIG_FILE = "/nonexistent";
    await using signer = newSigner("alias/a");
    const error = await refusal(() => signer.sign(data));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("AWS_REGION") });
  });

  it("of another client finds no key, and the error says where it looked", async () => {
    const client = new KMSClient({ ...config(), region: kms.region });
    await using signer = new KmsSigner(key.arn.replace(kms.region, "us-east-1"), { client });
    const error = await refusal(() => signer.sign(data));
    expect(error).toMatchObject({ code: "key-not-found", message: expect.stringContaining("region") });
  });
});

describe("a key that can't sign ES256 is refused at first use, naming what was found and what is needed", () => {
  const unfit: [KeySpec, KmsKey["usage"]][] = [
    ["RSA_2048", "SIGN_VERIFY"],
    ["RSA_2048", "ENCRYPT_DECRYPT"],
    ["ECC_NIST_P256", "KEY_AGREEMENT"],
    ["ECC_NIST_P384", "SIGN_VERIFY"],
    ["ECC_NIST_P521", "SIGN_VERIFY"],
    ["ECC_NIST_EDWARDS25519", "SIGN_VERIFY"],
    ["ECC_SECG_P256K1", "SIGN_VERIFY"],
    ["SM2", "SIGN_VERIFY"],
    ["ML_DSA_44", "SIGN_VERIFY"],
    ["ML_DSA_65", "SIGN_VERIFY"],
    ["ML_DSA_87", "SIGN_VERIFY"],
    ["ML_KEM_768", "ENCAPSULATE_DECAPSULATE"],
  ];
  it.each(unfit)("%s for %s", async (spec, usage) => {
    await using signer = newSigner(kms.keys.add({ spec, usage }).arn);
    const error = await refusal(() => DPoPProver.create(signer));
    expect(error).toMatchObject({ code: "wrong-key", retryable: false });
    expect(error.message).toContain(`${spec} for ${usage}`);
    expect(error.message).toContain("ECC_NIST_P256 for SIGN_VERIFY");
    expect(kms.plan.count("Sign")).toBe(0);
  });

  it.each<[KeySpec, KmsKey["usage"]]>([
    ["SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"],
    ["HMAC_256", "GENERATE_VERIFY_MAC"],
  ])("%s, which has no public half", async (spec, usage) => {
    await using signer = newSigner(kms.keys.add({ spec, usage }).arn);
    const error = await refusal(() => signer.sign(data));
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringMatching(/symmetric.*ECC_NIST_P256/) });
  });

  it("P-256 by its name, and another curve by its public half", async () => {
    const { pair } = kms.keys.add({ spec: "ECC_SECG_P256K1" });
    Object.assign(key, { pair });
    await using signer = newSigner();
    expect(await refusal(() => signer.sign(data))).toMatchObject({ code: "wrong-key" });
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
  it.each(states)("%s is %s, at the first use and later", async (state, code, retryable) => {
    await using signer = newSigner();
    key.state = state;
    expect(await refusal(() => signer.publicJwk())).toMatchObject({ code, retryable, uri: signer.uri });
    key.state = "Enabled";
    expect(await signer.sign(data)).toHaveLength(64);
    key.state = state;
    expect(await refusal(() => signer.sign(data))).toMatchObject({ code, retryable });
  });

  it("Updating goes on signing", async () => {
    key.state = "Updating";
    await using signer = newSigner();
    expect(await signer.sign(data)).toHaveLength(64);
  });

  it("of a key that is gone is not found, and not asked again", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    kms.keys.all.delete(key.arn);
    expect(await refusal(() => signer.sign(data))).toMatchObject({ code: "key-not-found", retryable: false });
    expect(kms.plan.count("Sign")).toBe(1);
  });
});

describe("an answer that is wrong never becomes a signature", () => {
  it.each<[KmsOperation, Fault]>([
    ["Sign", "wrong-signature"],
    ["Sign", "corrupt-signature"],
    ["Sign", "other-key"],
    ["Sign", "other-name"],
    ["GetPublicKey", "other-key"],
    ["GetPublicKey", "other-name"],
    ["DescribeKey", "other-name"],
  ])("%s with %s", async (operation, fault) => {
    expect(await failing(operation, fault)).toMatchObject({ code: "integrity", retryable: false });
  });

  it("GetPublicKey with another key's ARN is not even signed with", async () => {
    expect((await failing("GetPublicKey", "other-name")).message).toContain(`asked for ${key.arn}`);
    expect(kms.plan.count("Sign")).toBe(0);
  });

  it("GetPublicKey with a point that is not on the curve", async () => {
    expect(await failing("GetPublicKey", "corrupt-signature")).toMatchObject({ code: "wrong-key" });
  });

  it("after many right ones: each is verified", async () => {
    await using signer = newSigner();
    await Promise.all(Array.from({ length: 20 }, () => signer.sign(data)));
    kms.plan.next("Sign", "wrong-signature");
    expect(await refusal(() => signer.sign(data))).toMatchObject({ code: "integrity" });
    expect(await signer.sign(data)).toHaveLength(64);
  });

  const fit = () => ({
    KeyId: key.arn,
    PublicKey: key.pair?.publicKey.export({ type: "spki", format: "der" }).toString("base64"),
    KeySpec: "ECC_NIST_P256",
    KeyUsage: "SIGN_VERIFY",
    SigningAlgorithms: ["ECDSA_SHA_256"],
  });

  it.each<KmsOperation>(["GetPublicKey", "Sign", "DescribeKey"])("%s with nothing in it", async (operation) => {
    const told = await stubServer();
    told.respondWith((response, request, turn) => {
      const asked = request.headers["x-amz-target"] === `TrentService.${operation}`;
      json(200, asked ? {} : fit())(response, request, turn);
    });
    await using signer = newSigner(key.arn, { clientConfig: { endpoint: told.origin } });
    const work = () => (operation === "DescribeKey" ? signer.describe() : signer.sign(data));
    expect(await refusal(work)).toMatchObject({ code: "integrity" });
    await told.close();
  });

  it.each([
    { KeySpec: "ECC_NIST_P384" },
    { KeyUsage: "KEY_AGREEMENT" },
    { SigningAlgorithms: ["ECDSA_SHA_384"] },
    { SigningAlgorithms: undefined },
  ])("GetPublicKey of a key that fits but for %j", async (other) => {
    const told = await stubServer();
    told.respondWith(json(200, { ...fit(), ...other }));
    await using signer = newSigner(key.arn, { clientConfig: { endpoint: told.origin } });
    expect(await refusal(() => signer.publicJwk())).toMatchObject({ code: "wrong-key" });
    await told.close();
  });
});

describe("the SDK's own retries", () => {
  it.each<Fault>(["throttle", "5xx", "reset"])("get over two times %s", async (fault) => {
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
  ])("used up by %s end with %s, after as many attempts as configured", async (fault, code) => {
    await using signer = newSigner(key.arn, { clientConfig: { maxAttempts: 2 } });
    await signer.publicJwk();
    kms.plan.always("Sign", fault);
    expect(await refusal(() => signer.sign(data))).toMatchObject({ code, retryable: true });
    expect(kms.plan.count("Sign")).toBe(2);
  });
});

describe("a service that does not answer", () => {
  it("is given up when the time is up, and the request with it", async () => {
    await using signer = newSigner(key.arn, { timeout: 300 });
    await signer.publicJwk();
    const before = kms.givenUp;
    kms.plan.next("Sign", "hang");
    expect(await refusal(() => signer.sign(data))).toMatchObject({ code: "timeout", retryable: true });
    await expect.poll(() => kms.givenUp).toBe(before + 1);
    expect(await signer.sign(data)).toHaveLength(64);
  });

  it("is given up by the caller's signal, and the request with it", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    const before = kms.givenUp;
    kms.plan.next("Sign", "hang");
    const controller = new AbortController();
    const signing = refusal(() => signer.sign(data, { signal: controller.signal }));
    await expect.poll(() => kms.plan.count("Sign")).toBe(1);
    controller.abort();
    expect(await signing).toMatchObject({ code: "aborted", retryable: false });
    await expect.poll(() => kms.givenUp).toBe(before + 1);
  });

  it("while opening leaves the signer to be opened by its next use", async () => {
    await using signer = newSigner(key.arn, { timeout: 300 });
    kms.plan.next("GetPublicKey", "hang");
    expect(await refusal(() => signer.sign(data))).toMatchObject({ code: "timeout" });
    expect(await signer.sign(data)).toHaveLength(64);
  });
});

describe("errors", () => {
  it.each<KmsOperation>(["GetPublicKey", "Sign", "DescribeKey"])("say that kms:%s is missing", async (operation) => {
    const error = await failing(operation, "denied");
    expect(error).toMatchObject({ code: "access-denied", uri: `awskms:///${key.arn}?endpoint=${kms.endpoint}` });
    expect(error.message).toContain(`lacks kms:${operation}:`);
  });

  it.each<[string, KMSClientConfig, SignerError["code"], string]>([
    [
      "no credentials",
      { credentials: () => Promise.reject(named("CredentialsProviderError")) },
      "access-denied",
      "valid?",
    ],
    ["DNS", { endpoint: "http://kms.invalid" }, "unavailable", "DNS"],
    ["nobody there", { endpoint: "http://127.0.0.1:9" }, "unavailable", "ECONNREFUSED"],
    ["no time", { requestHandler: { requestTimeout: 50, throwOnRequestTimeout: true } }, "timeout", "reached"],
  ])("%s", async (_, clientConfig, code, words) => {
    kms.plan.always("GetPublicKey", "hang");
    await using signer = newSigner(key.arn, { clientConfig: { maxAttempts: 1, ...clientConfig } });
    expect(await refusal(() => signer.sign(data))).toMatchObject({ code, message: expect.stringContaining(words) });
  });

  it.each([
    ["expired", { sessionToken: EXPIRED_TOKEN }, {}],
    ["unknown", { accessKeyId: "AKIAIOSFODNN7EXAMPL2", sessionToken: "a-secret-token" }, {}],
    [
      "for another region, which the service answers with the token",
      { sessionToken: "a-secret-token" },
      { region: "us-east-1" },
    ],
  ])("show no credentials that are %s", async (_, more, options) => {
    const credentials = { ...kms.credentials, ...more };
    await using signer = newSigner(key.arn, { clientConfig: { credentials }, ...options });
    const error = await refusal(() => signer.sign(data));
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    const shown = inspect([signer, error, error.cause, error.stack], { depth: null, showHidden: true });
    for (const secret of [credentials.secretAccessKey, credentials.sessionToken]) expect(shown).not.toContain(secret);
  });

  it("show nothing of what a credential process was called with", async () => {
    const credentials = () =>
      Promise.reject(named("CredentialsProviderError", "Command failed: helper --password hidden"));
    await using signer = newSigner(key.arn, { clientConfig: { credentials } });
    const error = await refusal(() => signer.sign(data));
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain("hidden");
  });

  describe("by the service's own names", () => {
    let told: StubServer;
    beforeAll(async () => {
      told = await stubServer();
    });
    afterAll(() => told.close());

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
      ["constructor", "unavailable"],
      ["SomethingNewException", "unavailable"],
    ])("%s is %s", async (name, code) => {
      told.respondWith(json(400, { __type: name, message: "the service's words" }));
      await using signer = newSigner(key.arn, { clientConfig: { endpoint: told.origin, maxAttempts: 1 } });
      const error = await refusal(() => signer.sign(data));
      expect(error).toMatchObject({
        code,
        uri: signer.uri,
        message: expect.stringContaining(`${name} from GetPublicKey`),
      });
    });

    it("what is no answer of KMS at all is unavailable", async () => {
      told.respondWith((response) =>
        response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad gateway</h1>"),
      );
      await using signer = newSigner(key.arn, { clientConfig: { endpoint: told.origin, maxAttempts: 1 } });
      expect(await refusal(() => signer.sign(data))).toMatchObject({ code: "unavailable", retryable: true });
    });
  });
});

describe("describe()", () => {
  it.each<[KmsKey["origin"], string, boolean | "unknown"]>([
    ["AWS_KMS", "hsm", false],
    ["AWS_CLOUDHSM", "hsm", false],
    ["EXTERNAL", "hsm", "unknown"],
    ["EXTERNAL_KEY_STORE", "external", "unknown"],
  ])("of a key of origin %s says %s, exportable: %s", async (origin, protection, exportable) => {
    await using signer = newSigner(kms.keys.add({ origin }).arn);
    expect(await signer.describe()).toMatchObject({ protection, exportable, evidence: { Origin: origin } });
    if (exportable === "unknown")
      await expect(requireNonExportable(signer)).rejects.toMatchObject({ code: "wrong-key" });
  });
});

describe("create()", () => {
  const create = (uri = `awskms:///alias/new/${key.id}`, more: KmsProviderOptions = {}) =>
    provider.create?.(uri, { region: kms.region, clientConfig: config(), ...more }) ?? expect.unreachable();

  it("makes an ECC_NIST_P256 key for SIGN_VERIFY, and waits until it is seen", async () => {
    const tags = { team: "agents" };
    await using signer = await create(undefined, { description: "mine", multiRegion: true, tags, policy: "{}" });
    expect(await signer.sign(data)).toHaveLength(64);
    expect(kms.plan.calls[1]).toEqual({
      operation: "CreateKey",
      input: {
        KeySpec: "ECC_NIST_P256",
        KeyUsage: "SIGN_VERIFY",
        Description: "mine",
        MultiRegion: true,
        Tags: [{ TagKey: "team", TagValue: "agents" }],
        Policy: "{}",
      },
    });
    expect(counts()).toEqual({ CreateKey: 1, CreateAlias: 3, GetPublicKey: 4, Sign: 1 });
    expect(signer.uri).toContain("key/mrk-");
  });

  it("makes one without an alias, and gives no second one to a signer of somebody else", async () => {
    await using signer = await create("awskms:///");
    expect(counts()).toEqual({ CreateKey: 1 });
    await using other = provider.open(signer.uri ?? "", { clientConfig: config() });
    expect(await refusal(() => other.publicJwk())).toMatchObject({ code: "key-not-found" });
    expect(counts()).toEqual({ CreateKey: 1, GetPublicKey: 1 });
  });

  it("is given up when its time is up, and the request with it", async () => {
    const before = kms.givenUp;
    kms.plan.next("CreateKey", "hang");
    const uri = expect.stringMatching(/^awskms:\/\/\/alias\/new/);
    expect(await refusal(() => create(undefined, { timeout: 200 }))).toMatchObject({ code: "timeout", uri });
    await expect.poll(() => kms.givenUp).toBe(before + 1);
  });

  it.each([0, Number.NaN, 1e12])("with a time-out of %d is refused, and makes none", async (timeout) => {
    expect(await refusal(() => create(undefined, { timeout }))).toMatchObject({ code: "misconfigured" });
    expect(counts()).toEqual({});
  });

  it.each<KmsOperation>(["CreateKey", "CreateAlias"])("says that kms:%s is missing", async (operation) => {
    kms.plan.next(operation, "denied");
    const error = await refusal(() => create());
    expect(error).toMatchObject({ code: "access-denied", uri: expect.stringContaining(`alias/new/${key.id}`) });
    expect(error.message).toContain(`lacks kms:${operation}:`);
  });

  it("makes one key, however often it is asked for one of that alias", async () => {
    await using signer = await create("awskms:///alias/again");
    await signer.publicJwk();
    kms.plan.clear();
    for (const _ of [1, 2]) {
      const error = await refusal(() => create("awskms:///alias/again"));
      expect(error).toMatchObject({ code: "misconfigured", uri: expect.stringContaining("alias/again") });
      expect(error.message).toContain("alias/again names a key already. Open it, or choose another alias.");
    }
    expect(counts()).toEqual({ GetPublicKey: 2 });
  });

  it.each<[string, () => unknown]>([
    ["of another kind", () => kms.keys.alias("alias/there", kms.keys.add({ spec: "SYMMETRIC_DEFAULT" }))],
    ["on another curve", () => kms.keys.alias("alias/there", kms.keys.add({ spec: "ECC_NIST_P384" }))],
    ["that is disabled", () => (key.state = "Disabled")],
    ["that is about to be deleted", () => (key.state = "PendingDeletion")],
    ["without its material", () => (key.state = "PendingImport")],
  ])("makes none where the alias names a key %s", async (_, given) => {
    kms.keys.alias("alias/there", key);
    given();
    const error = await refusal(() => create("awskms:///alias/there"));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("names a key already") });
    expect(counts()).toEqual({ GetPublicKey: 1 });
  });

  it("makes none where it can't be told whether the alias names a key", async () => {
    kms.plan.always("GetPublicKey", "throttle");
    const clientConfig = config({ maxAttempts: 1 });
    expect(await refusal(() => create(undefined, { clientConfig }))).toMatchObject({ code: "throttled" });
    expect(counts()).toEqual({ GetPublicKey: 1 });
  });

  it("that made the key, but not its alias, names the key", async () => {
    kms.keys.alias("alias/taken", key);
    kms.plan.next("GetPublicKey", "denied");
    const error = await refusal(() => create("awskms:///alias/taken"));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("is taken") });
    const made = [...kms.keys.all.keys()].at(-1);
    expect(error.message).toContain(`${made} was made`);
  });
});

it("making and listing keys end when their caller gives up", async () => {
  kms.plan.always("CreateKey", "hang");
  kms.plan.always("ListKeys", "hang");
  const caller = new AbortController();
  const options = { region: kms.region, clientConfig: config(), signal: caller.signal };
  const create = refusal(() => provider.create?.("awskms:///", options));
  const list = refusal(() => provider.list?.("awskms:///", options));
  await expect.poll(() => [kms.plan.count("CreateKey"), kms.plan.count("ListKeys")]).toEqual([1, 1]);
  caller.abort();
  for (const error of await Promise.all([create, list])) expect(error).toMatchObject({ code: "aborted" });
  expect((await create).message).toContain("it may exist nevertheless");
});

describe("list()", () => {
  const list = () =>
    provider.list?.("awskms:///", { region: kms.region, clientConfig: config() }) ?? expect.unreachable();

  it("finds the enabled P-256 keys for signing, on every page", async () => {
    const spare = kms.keys.add();
    spare.state = "Disabled";
    const unfit = [spare, kms.keys.add({ spec: "ECC_NIST_P384" }), kms.keys.add({ usage: "KEY_AGREEMENT" })];
    const fit = Array.from({ length: 5 }, () => kms.keys.add());
    const uris = await list();
    const uriOf = ({ arn }: KmsKey) => `awskms:///${arn}?endpoint=${kms.endpoint}`;
    expect(uris).toEqual(expect.arrayContaining(fit.map(uriOf)));
    for (const one of unfit) expect(uris).not.toContain(uriOf(one));
    expect(kms.plan.count("ListKeys")).toBeGreaterThan(2);
  });

  it("leaves out a key that is gone, or not seen everywhere yet", async () => {
    kms.keys.add(undefined, 1);
    expect(await list()).toHaveLength(1);
    expect(await list()).toHaveLength(2);
  });

  it("leaves out a key that may not be described", async () => {
    kms.keys.add();
    kms.plan.next("DescribeKey", "denied");
    expect(await list()).toHaveLength(1);
  });

  it.each<KmsOperation>(["ListKeys", "DescribeKey"])("says that kms:%s is missing", async (operation) => {
    kms.plan.always(operation, "denied");
    const error = await refusal(list);
    expect(error).toMatchObject({ code: "access-denied", message: expect.stringContaining(`lacks kms:${operation}:`) });
  });
});

function named(name: string, message = "Could not load credentials from any providers"): Error {
  return Object.assign(new Error(message), { name });
}
