/** The provider for azurekms: URIs: creating, listing, describing and diagnosing keys, also when the service refuses. */
import {
  deleteKey,
  diagnoseKey,
  type Finding,
  listKeys,
  requireNonExportable,
  type SignerError,
  streamKeys,
} from "hardproof";
import { type AzureKeyVaultProviderOptions, AzureKeyVaultSigner, provider } from "hardproof/azure-kv";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { PipelineRequest, PipelineResponse } from "../../../providers/azure-kv/client.js";
import {
  type AzureKeyVaultEmulator,
  type AzureKvOperation,
  azureKeyVaultEmulator,
} from "../../../testing/emulators/azure-kv.js";
import type { KeyVersion, VersionOptions } from "../../../testing/emulators/azure-kv-keys.js";
import { stubServer } from "../../servers/stub-server.js";
import { itListsPageByPage } from "../listed-pages.js";
import { ROWS } from "./algorithms.js";

type SendRequest = (request: PipelineRequest) => Promise<PipelineResponse>;

let kv: AzureKeyVaultEmulator;
let vaultUri: string;
let hsmUri: string;
beforeAll(async () => {
  kv = await azureKeyVaultEmulator();
  [vaultUri, hsmUri] = [kv.vaultUrl, kv.hsmUrl].map((url) => url.replace("http:", "azurekms:")) as [string, string];
});
beforeEach(() => {
  for (const { all, deleted } of [kv.vault, kv.hsm]) {
    all.clear();
    deleted.clear();
  }
});
afterEach(() => {
  kv.plan.clear();
  kv.clockOffset = 0;
});
afterAll(() => kv.close());

const options = (overrides: AzureKeyVaultProviderOptions = {}) => ({ credential: kv.credential, ...overrides });
const uriOf = (base: string, name = "") => `${base}${name && `/${name}`}?plaintext=true`;
const keyUri = ({ kid }: KeyVersion, algorithm = "ES256") =>
  `${kid.replace("http:", "azurekms:").replace("/keys", "")}?algorithm=${algorithm}&plaintext=true`;
const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const counts = () => {
  const operations = kv.plan.calls.map(({ operation }) => operation);
  return Object.fromEntries([...new Set(operations)].map((operation) => [operation, kv.plan.count(operation)]));
};
const seconds = () => Math.floor(Date.now() / 1000);

describe("delete()", () => {
  it.each([
    ["isn't invented if the vault doesn't report it", "Recoverable+Purgeable", "unknown"],
    ["doesn't exist in a vault that keeps no deleted keys", "Purgeable", null],
  ])("the time of the purge %s", async (_, recoveryLevel, destroyedAt) => {
    kv.vault.add({ name: "doomed", recoveryLevel });
    const policy = {
      name: "withoutDate",
      async sendRequest(request: PipelineRequest, next: SendRequest) {
        const response = await next(request);
        const { scheduledPurgeDate, ...body } = JSON.parse(response.bodyAsText ?? "{}");
        return { ...response, bodyAsText: JSON.stringify(body) };
      },
    };
    const clientOptions = { additionalPolicies: [{ policy, position: "perRetry" as const }] };
    const result = await deleteKey(uriOf(vaultUri, "doomed"), { ...options({ clientOptions }) });
    expect(result).toMatchObject({ uri: uriOf(vaultUri, "doomed"), destroyedAt });
  });
});

describe("create()", () => {
  const create = (name = "new", overrides: AzureKeyVaultProviderOptions = {}, base = vaultUri) =>
    provider.create(uriOf(base, name), options(overrides));

  it("creates a key that can only sign and verify, and isn't exportable", async () => {
    await using signer = await create();
    await signer.sign(Buffer.from("a"));
    const { input } = kv.plan.calls.find(({ operation }) => operation === "CreateKey") ?? expect.unreachable();
    expect(input).toEqual({
      name: "new",
      version: "",
      kty: "EC",
      crv: "P-256",
      key_ops: ["sign", "verify"],
      attributes: { exportable: false },
    });
    expect(counts()).toEqual({ GetKey: 2, GetDeletedKey: 1, CreateKey: 1, sign: 1 });
    expect(signer.uri).toBe(keyUri(kv.vault.find("new")).replace("?algorithm=ES256&", "?"));
  });

  it.each(ROWS)("creates a key for %s", async (algorithm, { kty, curve }) => {
    await using signer = await create("new", { algorithm });
    expect((await signer.publicJwk()).alg).toBe(algorithm);
    const { input } = kv.plan.calls.find(({ operation }) => operation === "CreateKey") ?? expect.unreachable();
    expect(input).toMatchObject(curve ? { kty, crv: curve } : { kty, key_size: 3072 });
    expect(await signer.sign(Buffer.from("a"))).toBeInstanceOf(Uint8Array);
  });

  it.each<[string, AzureKeyVaultProviderOptions, string, string]>([
    ["with the option hsm", { hsm: true }, "", "EC-HSM"],
    ["with the attribute hsm", {}, "&hsm=true", "EC-HSM"],
    ["for RSA with the attribute", { algorithm: "PS256" }, "&hsm=true", "RSA-HSM"],
    ["without the attribute", { hsm: true }, "&hsm=false", "EC"],
  ])("creates a key %s", async (_, overrides, attribute, kty) => {
    await using signer = await provider.create(`${uriOf(vaultUri, "new")}${attribute}`, options(overrides));
    expect((await signer.describe()).evidence).toMatchObject({ kty });
  });

  it("creates HSM keys in a managed HSM, and no others", async () => {
    await using signer = await create("new", {}, hsmUri);
    expect((await signer.describe()).evidence).toMatchObject({ kty: "EC-HSM" });
    expect(await errorOf(create("other", { hsm: false }, hsmUri))).toMatchObject({ code: "misconfigured" });
  });

  it.each<[string, () => unknown]>([
    ["exists", () => kv.vault.add({ name: "new" })],
    ["exists in another case", () => kv.vault.add({ name: "NEW" })],
    ["is disabled", () => kv.vault.add({ name: "new", enabled: false })],
    ["is for encryption", () => kv.vault.add({ name: "new", kty: "RSA", keyOps: ["encrypt"] })],
  ])("doesn't add a version to a key that %s", async (_, prepare) => {
    prepare();
    const error = await errorOf(create());
    expect(error).toMatchObject({ code: "misconfigured", uri: expect.stringContaining("/new") });
    expect(error.message).toContain("A key of the name new already exists. Open that key, or choose another name.");
    expect(counts()).toEqual({ GetKey: 1 });
  });

  it("doesn't create a key if the service refuses to show a disabled one", async () => {
    kv.respondWith("GetKey", { status: 403, code: "Forbidden", inner: "KeyDisabled", message: "It is disabled." });
    expect(await errorOf(create())).toMatchObject({ code: "access-denied" });
    expect(counts()).toEqual({ GetKey: 1 });
  });

  it("says how to get the name of a deleted key back", async () => {
    kv.vault.add({ name: "new" });
    kv.vault.delete("new");
    expect(await errorOf(create())).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("was deleted, but can be recovered. Recover or purge it"),
    });
    expect(counts()).toEqual({ GetKey: 1, GetDeletedKey: 1 });
  });

  it("leaves it to the service to find a deleted key that the caller may not read", async () => {
    kv.vault.add({ name: "new" });
    kv.vault.delete("new");
    kv.plan.next("GetDeletedKey", "denied");
    expect(await errorOf(create())).toMatchObject({
      code: "misconfigured",
      message: expect.stringMatching(/ObjectIsDeletedButRecoverable\) from CreateKey.*Recover or purge/),
    });
  });

  it.each<[AzureKvOperation, RegExp]>([
    ["GetKey", /lacks Microsoft\.KeyVault\/vaults\/keys\/read.*role Key Vault Crypto User/],
    ["CreateKey", /lacks Microsoft\.KeyVault\/vaults\/keys\/create\/action.*role Key Vault Crypto Officer/],
  ])("names the missing permission for %s", async (operation, pattern) => {
    kv.plan.always(operation, "denied");
    expect(await errorOf(create())).toMatchObject({ code: "access-denied", message: expect.stringMatching(pattern) });
  });

  it.each(["5xx", "throttle", "reset"] as const)("isn't repeated after the fault %s", async (fault) => {
    kv.plan.next("CreateKey", fault);
    expect((await errorOf(create())).retryable).toBe(true);
    expect(kv.plan.count("CreateKey")).toBe(1);
  });

  it("isn't repeated if it hangs, and says that the key may exist", async () => {
    kv.plan.always("CreateKey", "hang");
    const error = await errorOf(create("new", { timeout: 600 }));
    expect(error).toMatchObject({ code: "timeout", message: expect.stringContaining("it may exist nevertheless") });
    expect(kv.plan.count("CreateKey")).toBe(1);
  });

  it.each(["Ed25519", "ML-DSA-44"] as const)(
    "isn't requested for %s, which Key Vault doesn't have",
    async (algorithm) => {
      const error = await errorOf(create("new", { algorithm }));
      expect(error.code).toBe("misconfigured");
      expect(counts()).toEqual({});
    },
  );

  it.each([0, Number.NaN, 1e12])("rejects a timeout of %d without a request", async (timeout) => {
    expect(await errorOf(create("new", { timeout }))).toMatchObject({ code: "misconfigured" });
    expect(counts()).toEqual({});
  });
});

describe("list()", () => {
  const list = (overrides: AzureKeyVaultProviderOptions = {}) => listKeys(uriOf(vaultUri), options(overrides));

  itListsPageByPage(async () => ({
    plan: kv.plan,
    pageOperation: "GetKeys",
    keysPerPage: 3,
    add: (count, usable = true) => {
      for (let n = 0; n < count; n++) kv.vault.add(usable ? {} : { keyOps: ["verify"] });
    },
    stream: (overrides) => streamKeys(uriOf(vaultUri), { ...options(), ...overrides }),
  }));

  it("lists each key once if a later page has to be requested again", async () => {
    const keys = Array.from({ length: 8 }, () => kv.vault.add());
    const uris: string[] = [];
    for await (const uri of streamKeys(uriOf(vaultUri), options()))
      if (uris.push(uri) === 4) kv.plan.next("GetKeys", "5xx", "reset");
    expect(uris).toEqual(keys.map((key) => keyUri(key)));
    // Pages 1 and 2, page 3 that fails, page 1 that fails, and pages 1, 2 and 3.
    expect(kv.plan.count("GetKeys")).toBe(7);
  });

  it("returns the current versions of the enabled keys that can sign, from all pages", async () => {
    const keys = Array.from({ length: 7 }, () => kv.vault.add());
    const rotated = kv.vault.add({ name: keys[0]?.name ?? "" });
    const unsuitable: VersionOptions[] = [
      { enabled: false },
      { exp: seconds() - 1 },
      { nbf: seconds() + 600 },
      { keyOps: ["verify"] },
      { curve: "P-256K" },
      { kty: "oct-HSM" },
    ];
    for (const each of unsuitable) kv.vault.add(each);
    expect((await list()).sort()).toEqual([rotated, ...keys.slice(1)].map((key) => keyUri(key)).sort());
    expect(kv.plan.count("GetKeys")).toBeGreaterThan(3);
  });

  it("returns one URI for each algorithm of an RSA key, and only those that were requested", async () => {
    const [ec, rsa] = [kv.vault.add({ curve: "P-521" }), kv.vault.add({ kty: "RSA" })];
    const names = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    expect((await list()).sort()).toEqual([keyUri(ec, "ES512"), ...names.map((name) => keyUri(rsa, name))].sort());
    expect(await list({ algorithm: "PS384" })).toEqual([keyUri(rsa, "PS384")]);
    const [uri = ""] = await list({ algorithm: "PS384" });
    await using signer = provider.open(uri, options());
    await expect(signer.sign(Buffer.from("a"))).resolves.toHaveLength(256);
  });

  it("leaves keys out that the caller may not read, or that were deleted in the meantime", async () => {
    const [first, second, third] = [kv.vault.add(), kv.vault.add(), kv.vault.add()];
    kv.plan.next("GetKey", "denied");
    const uris = await list();
    expect(uris).toHaveLength(2);
    expect([first, second, third].map((key) => keyUri(key))).toEqual(expect.arrayContaining(uris));
  });

  it("reads a few keys at a time", async () => {
    for (let n = 0; n < 30; n++) kv.vault.add();
    kv.plan.latency = 5;
    expect(await list()).toHaveLength(30);
  });

  it.each<[AzureKvOperation, RegExp]>([
    ["GetKeys", /lacks Microsoft\.KeyVault\/vaults\/keys\/read.*permission list/],
    ["GetKey", /lacks Microsoft\.KeyVault\/vaults\/keys\/read.*permission get/],
  ])("names the missing permission for %s", async (operation, pattern) => {
    kv.vault.add();
    kv.plan.always(operation, "denied");
    expect(await errorOf(list())).toMatchObject({ code: "access-denied", message: expect.stringMatching(pattern) });
  });

  it("is repeated after a server error, and aborted by the caller", async () => {
    kv.vault.add();
    kv.plan.next("GetKeys", "5xx", "reset");
    expect(await list()).toHaveLength(1);
    kv.plan.always("GetKeys", "hang");
    const caller = new AbortController();
    const listing = errorOf(list({ signal: caller.signal }));
    await expect.poll(() => kv.plan.count("GetKeys")).toBeGreaterThan(3);
    caller.abort();
    expect(await listing).toMatchObject({ code: "aborted" });
  });

  it("is reached by the scheme", async () => {
    const key = kv.vault.add();
    expect(await listKeys(uriOf(vaultUri), options())).toEqual([keyUri(key)]);
  });
});

describe("describe()", () => {
  const describeKey = async (options: VersionOptions, keys = kv.vault) => {
    await using signer = new AzureKeyVaultSigner(keys.add(options).kid, {
      credential: kv.credential,
      algorithm: undefined,
    });
    return signer.describe();
  };

  it.each<[string, VersionOptions, object]>([
    ["a software key", {}, { protection: "software", exportable: false, evidence: { kty: "EC", hsmPlatform: "0" } }],
    ["an HSM key", { kty: "EC-HSM" }, { protection: "hsm", exportable: false, evidence: { hsmPlatform: "2" } }],
    ["an exportable key", { kty: "EC-HSM", exportable: true }, { protection: "hsm", exportable: true }],
    ["a key without the attribute", { exportable: undefined }, { protection: "software", exportable: "unknown" }],
    [
      "a key of a certificate",
      { managed: true },
      { evidence: { managed: true, recoveryLevel: "Recoverable+Purgeable" } },
    ],
    [
      "a key with a release policy",
      {
        kty: "EC-HSM",
        exportable: true,
        releasePolicy: { contentType: "application/json", immutable: true, data: "e30" },
      },
      { evidence: { releasePolicy: { contentType: "application/json", immutable: true, encodedPolicy: "e30=" } } },
    ],
    [
      "a key that expires",
      { exp: 4_000_000_000, nbf: 1_700_000_000 },
      { evidence: { expires: "2096-10-02T07:06:40.000Z", notBefore: "2023-11-14T22:13:20.000Z" } },
    ],
  ])("describes %s", async (_, options, expected) => {
    expect(await describeKey(options)).toMatchObject(expected);
  });

  it("has the attestation of a managed HSM", async () => {
    const { protection, evidence } = await describeKey({}, kv.hsm);
    expect(protection).toBe("hsm");
    expect(evidence.attestation).toEqual({
      version: "1.0",
      certificatePemFile: expect.stringMatching(/^[A-Za-z0-9+/]+=*$/),
      privateKeyAttestation: Buffer.from("the private key's attestation").toString("base64"),
      publicKeyAttestation: Buffer.from("the public key's attestation").toString("base64"),
    });
    expect(kv.plan.count("GetKeyAttestation")).toBe(1);
  });

  it("says that the attestation is unknown if the service refuses it, but not if it is throttled", async () => {
    kv.plan.next("GetKeyAttestation", "denied");
    expect((await describeKey({}, kv.hsm)).evidence.attestation).toBe("unknown");
    kv.respondWith("GetKeyAttestation", { status: 429, code: "Throttled", message: "Later.", retryAfter: 9_999 });
    expect(await errorOf(describeKey({}, kv.hsm))).toMatchObject({ code: "throttled" });
  });

  it("reports what the service says now, for a key that is cached", async () => {
    const key = kv.vault.add();
    await using signer = new AzureKeyVaultSigner(key.kid, { credential: kv.credential });
    await requireNonExportable(signer);
    key.attributes.exportable = true;
    await expect(requireNonExportable(signer)).rejects.toMatchObject({ code: "wrong-key" });
  });

  it("rejects the description of another version", async () => {
    const key = kv.vault.add();
    await using signer = new AzureKeyVaultSigner(key.kid, { credential: kv.credential });
    await signer.publicJwk();
    kv.plan.next("GetKey", "other-name");
    expect(await errorOf(signer.describe())).toMatchObject({ code: "integrity" });
  });
});

describe("diagnose()", () => {
  const diagnose = async (uri: string, overrides: AzureKeyVaultProviderOptions = {}) => {
    const findings: Finding[] = [];
    for await (const finding of diagnoseKey(uri, options(overrides))) findings.push(finding);
    return findings;
  };
  const uri = (key: KeyVersion) => keyUri(key).replace("?algorithm=ES256&", "?");
  const checks = (findings: readonly Finding[]) => findings.map(({ check, ok }) => `${ok ? "✓" : "✗"} ${check}`);

  it("checks the vault, the clock, the credential, the key and the permissions, and changes nothing", async () => {
    const findings = await diagnose(uri(kv.vault.add()));
    expect(checks(findings)).toEqual([
      "✓ vault",
      "✓ clock",
      "✓ credential",
      "✓ permission to read",
      "✓ key in the vault",
      "✓ permission to sign",
    ]);
    expect(findings[2]?.found).toMatch(/^application 0a7bdc5c-.* of tenant [0-9a-f-]{36}$/);
    expect(findings[4]?.found).toBe("EC P-256, enabled, signs with ES256");
    expect(counts()).toEqual({ GetKey: 1, sign: 1 });
  });

  it("says that it is a managed HSM", async () => {
    const [vault] = await diagnose(uri(kv.hsm.add()));
    expect(vault?.found).toMatch(/^agents\.managedhsm\.localhost:\d+ responds as a managed HSM$/);
  });

  it.each<[string, () => unknown, string[], RegExp]>([
    ["the key can't be read", () => kv.plan.always("GetKey", "denied"), ["✗ permission to read"], /keys\/read/],
    [
      "the key can't sign",
      () => kv.plan.always("sign", "denied"),
      ["✓ permission to read", "✓ key in the vault", "✗ permission to sign"],
      /keys\/sign\/action/,
    ],
    [
      "the key is disabled",
      () => Object.assign(kv.vault.find("dpop").attributes, { enabled: false }),
      ["✓ permission to read", "✗ key in the vault"],
      /disabled/,
    ],
    [
      "the key is expired",
      () => Object.assign(kv.vault.find("dpop").attributes, { exp: 1 }),
      ["✓ permission to read", "✗ key in the vault"],
      /expired at/,
    ],
    [
      "the key is for encryption",
      () => Object.assign(kv.vault.find("dpop"), { keyOps: ["encrypt"] }),
      ["✓ permission to read", "✗ key in the vault"],
      /key_ops/,
    ],
    ["the key doesn't exist", () => kv.vault.all.clear(), ["✗ key in the vault"], /Check the vault, the name/],
  ])("has a remedy if %s", async (_, prepare, expected, remedy) => {
    const key = kv.vault.add({ name: "dpop" });
    prepare();
    const findings = await diagnose(uri(key));
    expect(checks(findings)).toEqual(["✓ vault", "✓ clock", "✓ credential", ...expected]);
    expect(findings.at(-1)?.remedy).toMatch(remedy);
  });

  it("has a remedy if this machine's clock is wrong", async () => {
    kv.clockOffset = -120;
    const [, clock] = await diagnose(uri(kv.vault.add()));
    expect(clock).toMatchObject({
      check: "clock",
      ok: false,
      found: expect.stringMatching(/^1(19|2\d) s ahead of agents/),
    });
  });

  it("ends with the credential if it fails, and shows no secret", async () => {
    const credential = { getToken: async () => Promise.reject(new Error("No token: client_secret=abc123.")) };
    const findings = await diagnose(uri(kv.vault.add()), { credential });
    expect(checks(findings)).toEqual(["✓ vault", "✓ clock", "✗ credential"]);
    expect(JSON.stringify(findings)).not.toContain("abc123");
  });

  it("ends with the vault if another server responds", async () => {
    const server = await stubServer();
    onTestFinished(() => server.close());
    server.respondWith((response) => response.writeHead(200, { "content-type": "text/html" }).end("<h1>Sign in</h1>"));
    const findings = await diagnose(`${server.origin.replace("http:", "azurekms:")}/dpop?plaintext=true`);
    expect(checks(findings)).toEqual(["✗ vault"]);
    expect(findings[0]).toMatchObject({ found: "misconfigured", remedy: expect.stringContaining("isn't a Key Vault") });
  });

  it("ends with the vault if it can't be reached", async () => {
    const closed = await azureKeyVaultEmulator();
    const { kid } = closed.vault.add();
    await closed.close();
    const findings = await diagnose(`${kid.replace("http:", "azurekms:").replace("/keys", "")}?plaintext=true`, {
      timeout: 2_000,
    });
    expect(checks(findings)).toEqual(["✗ vault"]);
    expect(findings[0]?.remedy).toMatch(/Check that this host can reach the vault/);
  });

  it("tries an RSA key without an algorithm with its first one", async () => {
    const findings = await diagnose(uri(kv.vault.add({ kty: "RSA" })));
    expect(findings.at(-1)).toMatchObject({ ok: true, found: "signed a random digest with RS256" });
  });

  it("says that a key doesn't fit the algorithm", async () => {
    const findings = await diagnose(keyUri(kv.vault.add(), "PS256"));
    expect(findings.at(-1)).toMatchObject({ check: "key in the vault", ok: false });
  });

  it("shows no token, even one with strange claims", async () => {
    const { token } = kv.tokens.issue("https://vault.localhost");
    const findings = await diagnose(uri(kv.vault.add()), {
      credential: { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) },
    });
    expect(JSON.stringify(findings)).not.toContain(token.split(".")[2]);
  });
});
