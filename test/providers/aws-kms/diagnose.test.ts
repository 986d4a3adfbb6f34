/** `hardproof doctor` for keys in AWS KMS: what each check finds on a healthy host, and with one defect at a time. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { KMSClient, type KMSClientConfig } from "@aws-sdk/client-kms";
import { type KmsProviderOptions, KmsSigner, provider } from "hardproof/aws-kms";
import type { Finding } from "hardproof/provider";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type AwsKmsEmulator, awsKmsEmulator, EXPIRED_TOKEN, type KmsKey } from "../../../testing/emulators/aws-kms.js";
import { stubServer } from "../../servers/stub-server.js";
import { run } from "../../src/cli/run.js";

let kms: AwsKmsEmulator;
let key: KmsKey;
let home: string;
beforeAll(async () => {
  kms = await awsKmsEmulator();
  home = await mkdtemp(join(tmpdir(), "hardproof-aws-doctor-"));
});
beforeEach(() => {
  key = kms.keys.add();
  for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) vi.stubEnv(name, undefined);
  vi.stubEnv("AWS_CONFIG_FILE", join(home, "config"));
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(home, "credentials"));
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
});
afterEach(() => {
  kms.plan.clear();
  kms.setClock(0);
  vi.unstubAllEnvs();
});
afterAll(async () => {
  await kms.close();
  await rm(home, { recursive: true });
});

const config = (overrides: KMSClientConfig = {}): KMSClientConfig => ({
  endpoint: kms.endpoint,
  credentials: kms.credentials,
  maxAttempts: 1,
  ...overrides,
});
async function diagnose(uri = `awskms:///${key.arn}`, options: KmsProviderOptions = {}): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const finding of provider.diagnose?.(uri, { clientConfig: config(), ...options }) ?? [])
    findings.push(finding);
  const shown = inspect(findings, { depth: null });
  for (const secret of [kms.credentials.secretAccessKey, kms.credentials.sessionToken, "hunter2"])
    expect(shown).not.toContain(secret);
  return findings;
}
const marks = (findings: Finding[]) => findings.map(({ check, ok }) => `${check}: ${ok}`);
const found = (findings: Finding[], name: string) => findings.find(({ check }) => check === name)?.found;

describe("a healthy key", () => {
  it("passes every check, without a signature", async () => {
    const findings = await diagnose();
    expect(findings).toEqual([
      { check: "region", ok: true, found: "eu-central-1, from the ARN" },
      { check: "credentials", ok: true, found: "AKIA…MPLE from the configuration of the client" },
      { check: "endpoint", ok: true, found: kms.endpoint },
      { check: "clock", ok: true, found: expect.stringMatching(/^\d+ s (ahead of|behind) AWS KMS$/) },
      { check: "GetPublicKey", ok: true, found: "allowed: ECC_NIST_P256 for SIGN_VERIFY, account 111122223333" },
      { check: "key state", ok: true, found: "Enabled, origin AWS_KMS" },
      { check: "Sign", ok: true, found: "allowed with ES256 (dry run)" },
    ]);
    expect(kms.plan.calls.at(-1)).toMatchObject({ operation: "Sign", input: { DryRun: true } });
  });

  it.each(["ECC_NIST_P521", "ECC_NIST_EDWARDS25519", "RSA_2048"] as const)("can have the spec %s", async (spec) => {
    const { arn } = kms.keys.add({ spec });
    const uri = spec === "RSA_2048" ? `awskms:///${arn}?algorithm=PS256` : `awskms:///${arn}`;
    expect(marks(await diagnose(uri)).at(-1)).toBe("Sign: true");
  });

  it("shows what an alias names", async () => {
    kms.keys.alias("alias/Agents", key);
    const findings = await diagnose(`awskms:///alias/Agents?region=${kms.region}`);
    expect(found(findings, "region")).toBe("eu-central-1, from the URI or an option");
    expect(found(findings, "GetPublicKey")).toContain(`alias/Agents names ${key.arn}, `);
  });

  it("is checked with the caller's client, which stays as it is", async () => {
    const client = new KMSClient({ ...config(), region: kms.region });
    const before = client.middlewareStack.identify();
    const findings = await diagnose(undefined, { client, clientConfig: undefined });
    expect(marks(findings)).toEqual([
      "region: true",
      "credentials: true",
      "GetPublicKey: true",
      "key state: true",
      "Sign: true",
    ]);
    expect(client.middlewareStack.identify()).toEqual(before);
    client.destroy();
  });

  it("is checked again, although its public key is cached", async () => {
    await using signer = new KmsSigner(key.arn, { clientConfig: config() });
    await signer.publicJwk();
    key.state = "Disabled";
    expect((await diagnose()).at(-1)).toMatchObject({ check: "GetPublicKey", ok: false });
  });
});

describe("the credentials' source", () => {
  const static_ = { AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE", AWS_SECRET_ACCESS_KEY: "hunter2" };
  let files = 0;
  const sourceOf = async (environment: Record<string, string>, profile = "") => {
    // The SDK reads each file only once.
    const file = join(home, `config-${files++}`);
    await writeFile(file, profile);
    for (const [name, value] of Object.entries({ ...environment, AWS_CONFIG_FILE: file })) vi.stubEnv(name, value);
    return found(await diagnose(undefined, { clientConfig: { endpoint: kms.endpoint } }), "credentials");
  };

  it("can be the environment", async () => {
    expect(await sourceOf(static_)).toBe("AKIA…MPLE from the environment (AWS_ACCESS_KEY_ID)");
  });

  it("can be a profile, whose name is shown", async () => {
    const keys = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = hunter2";
    const source = await sourceOf({ AWS_PROFILE: "agents" }, `[profile agents]\n${keys}\n`);
    expect(source).toBe('AKIA…MPLE from the profile "agents"');
  });

  it("can be a credential process", async () => {
    const account = "444455556666";
    const printed = { Version: 1, AccessKeyId: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "hunter2", AccountId: account };
    const profile = `[profile agents]\ncredential_process = echo '${JSON.stringify(printed)}'\n`;
    const source = await sourceOf({ AWS_PROFILE: "agents" }, profile);
    expect(source).toBe(`AKIA…MPLE from a credential_process, the profile "agents", account ${account}`);
  });

  it("can be the credential server of a container, with the time that they are valid", async () => {
    const server = await stubServer();
    const body = {
      AccessKeyId: "ASIAIOSFODNN7EXAMPLE",
      SecretAccessKey: "hunter2",
      Token: "hunter2",
      Expiration: "2099-01-01T00:00:00Z",
    };
    server.respondWith((response) =>
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body)),
    );
    expect(await sourceOf({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.origin}/` })).toBe(
      "ASIA…MPLE from the credential server of the container, until 2099-01-01T00:00:00.000Z",
    );
    await server.close();
  });

  it("can be missing, with what each source reported as the remedy", async () => {
    vi.stubEnv("AWS_PROFILE", "missing");
    const findings = await diagnose(undefined, { clientConfig: { endpoint: kms.endpoint } });
    expect(marks(findings)).toEqual(["region: true", "credentials: false"]);
    expect(findings[1]).toMatchObject({
      found: "access-denied",
      remedy: expect.stringContaining("Profile missing could"),
    });
    expect(kms.plan.calls).toEqual([]);
  });

  it("doesn't show a text that isn't an access key id", async () => {
    const findings = await diagnose(undefined, {
      clientConfig: config({ credentials: { accessKeyId: "hunter2", secretAccessKey: "hunter2" } }),
    });
    expect(found(findings, "credentials")).toBe("… from the configuration of the client");
  });

  it("is compared with the account of the key", async () => {
    const clientConfig = config({ credentials: { ...kms.credentials, accountId: "444455556666" } });
    const findings = await diagnose(undefined, { clientConfig });
    expect(found(findings, "GetPublicKey")).toContain("account 111122223333 (the credentials' is 444455556666)");
  });
});

describe("a defect", () => {
  it("can be a missing region", async () => {
    const findings = await diagnose("awskms:///alias/Agents");
    expect(findings).toMatchObject([{ check: "region", ok: false, remedy: expect.stringContaining("set AWS_REGION") }]);
  });

  it("can be expired credentials", async () => {
    const credentials = { ...kms.credentials, expiration: new Date("2020-01-01") };
    const findings = await diagnose(undefined, { clientConfig: config({ credentials }) });
    expect(findings[1]).toMatchObject({ ok: false, found: expect.stringMatching(/^expired: .* until 2020-01-01/) });
  });

  it("can be a session token that the service rejects", async () => {
    const clientConfig = config({ credentials: { ...kms.credentials, sessionToken: EXPIRED_TOKEN } });
    expect((await diagnose(undefined, { clientConfig })).at(-1)).toMatchObject({
      check: "GetPublicKey",
      ok: false,
      remedy: expect.stringContaining("The security token included in the request is expired. The session token"),
    });
  });

  it.each([
    [400, "400 s behind"],
    [-100, "100 s ahead of"],
  ])("can be the clock, also if the SDK corrects it: the service is %d s ahead", async (seconds, text) => {
    kms.setClock(seconds * 1000);
    const findings = await diagnose(undefined, { clientConfig: config({ maxAttempts: 3 }) });
    const clock = findings.find(({ check }) => check === "clock");
    expect(clock).toMatchObject({ ok: false, remedy: expect.stringContaining("NTP") });
    expect(Math.abs(Number.parseInt(clock?.found ?? "", 10) - Math.abs(seconds))).toBeLessThan(60);
    expect(clock?.found).toContain(text.replace(/^\d+/, ""));
  });

  it("can be the clock, named by the error if the SDK doesn't try again", async () => {
    kms.setClock(-3_600_000);
    const remedy = (await diagnose()).find(({ check }) => check === "GetPublicKey")?.remedy;
    expect(remedy).toMatch(/Signature not yet current: .* is still later than .* \(.* \+ 5 min\.\).* Set the clock/);
  });

  it.each(["GetPublicKey", "Sign"] as const)("can be the missing permission kms:%s", async (operation) => {
    kms.plan.next(operation, "denied");
    expect((await diagnose()).at(-1)).toMatchObject({
      check: operation,
      ok: false,
      found: "access-denied",
      remedy: expect.stringContaining(`lacks kms:${operation}. Allow it`),
    });
  });

  it("isn't the missing permission kms:DescribeKey, since signing doesn't need it", async () => {
    kms.plan.next("DescribeKey", "denied");
    const findings = await diagnose();
    expect(marks(findings).slice(-3)).toEqual(["GetPublicKey: true", "key state: null", "Sign: true"]);
    expect(findings.at(-2)?.remedy).toContain("lacks kms:DescribeKey.");
  });

  it.each<[string, () => unknown, string]>([
    ["disabled", () => (key.state = "Disabled"), "Enable the key."],
    ["pending deletion", () => (key.state = "PendingDeletion"), "Cancel the deletion of the key."],
    ["without its material", () => (key.state = "PendingImport"), "Import the key material."],
    ["deleted", () => kms.keys.all.delete(key.arn), "does not exist."],
    ["for another purpose", () => Object.assign(key, { usage: "KEY_AGREEMENT" }), "needed"],
  ])("can be a key that is %s", async (_, damage, remedy) => {
    damage();
    const finding = (await diagnose()).at(-1);
    expect(finding).toMatchObject({ check: "GetPublicKey", ok: false });
    expect(finding?.remedy).toContain(remedy === "needed" ? "Use a key for SIGN_VERIFY" : remedy);
  });

  it("can be an endpoint that can't be reached, which is named before", async () => {
    const findings = await diagnose(undefined, { clientConfig: config({ endpoint: "http://127.0.0.1:9" }) });
    expect(marks(findings)).toEqual(["region: true", "credentials: true", "endpoint: true", "GetPublicKey: false"]);
    expect(findings.at(-1)).toMatchObject({ found: "unavailable", remedy: expect.stringContaining("ECONNREFUSED") });
  });

  it("can be an endpoint that doesn't respond", async () => {
    kms.plan.always("GetPublicKey", "hang");
    expect((await diagnose(undefined, { timeout: 500 })).at(-1)).toMatchObject({ ok: false, found: "timeout" });
  });
});

it("is shown by the command", async () => {
  for (const [name, value] of Object.entries(kms.environment)) vi.stubEnv(name, value);
  const { code, out } = await run(["doctor", `awskms:///${key.arn}`]);
  expect(out).toMatch(/credentials\s+AKIA…MPLE from the environment/);
  expect(out).toMatch(/Sign\s+allowed with ES256 \(dry run\)/);
  expect(code).toBe(0);
});

it("throws an error for a malformed URI or option, and closes its connections", async () => {
  await expect(diagnose("awskms:///nonsense")).rejects.toMatchObject({ code: "misconfigured" });
  await expect(diagnose(undefined, { timeout: 0 })).rejects.toMatchObject({ code: "misconfigured" });
  await diagnose();
  await expect.poll(kms.openConnections).toBe(0);
});
