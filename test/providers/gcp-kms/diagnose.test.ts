/** `provider.diagnose` and `hardproof doctor` for a key in Cloud KMS, with one defect at a time. */
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { inspect } from "node:util";
import type { Finding } from "hardproof";
import { type GcpKmsProviderOptions, provider } from "hardproof/gcp-kms";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { gcpKmsEmulator } from "../../../testing/emulators/gcp-kms.js";
import type { KeyOptions } from "../../../testing/emulators/gcp-kms-store.js";
import { run } from "../../src/cli/run.js";

/** gRPC reads the trusted certificates from this file when it is loaded. */
const { certificate, directory } = await vi.hoisted(async () => {
  const { mkdtempSync, writeFileSync } = await import("node:fs");
  const { tmpdir } = await import("node:os");
  const { newCertificate } = await import("../../servers/mutual-tls.js");
  const certificate = newCertificate("localhost");
  const directory = mkdtempSync(`${tmpdir()}/hardproof-gcp-`);
  writeFileSync(`${directory}/roots.pem`, certificate.cert);
  process.env.GRPC_DEFAULT_SSL_ROOTS_FILE_PATH = `${directory}/roots.pem`;
  return { certificate, directory };
});

const ACCOUNT = "agent@my-project.iam.gserviceaccount.com";
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" });
const file = `${directory}/credentials.json`;
const plain = await gcpKmsEmulator();
const tls = await gcpKmsEmulator(certificate);

beforeEach(() => {
  for (const { store, plan } of [plain, tls]) {
    store.withheld.clear();
    plan.clear();
  }
  plain.date = undefined;
  const account = { type: "service_account", client_email: ACCOUNT, private_key: key, project_id: "my-project" };
  writeFileSync(file, JSON.stringify(account));
  chmodSync(file, 0o600);
  vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", file);
});
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  await Promise.all([plain.close(), tls.close()]);
  rmSync(directory, { recursive: true });
});

const versionUri = (options: KeyOptions = {}) =>
  `gcpkms://${plain.store.addKey(options).fields.name}/cryptoKeyVersions/1?endpoint=${plain.endpoint}`;

async function findingsOf(uri: string, options: GcpKmsProviderOptions = {}): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const finding of provider.diagnose(uri, options)) findings.push(finding);
  expect(inspect(findings)).not.toContain(String(key).split("\n")[1]);
  return findings;
}

const overTls = (options: KeyOptions = {}) =>
  findingsOf(`gcpkms://${tls.store.addKey(options).fields.name}/cryptoKeyVersions/1`, {
    clientConfig: { servicePath: "localhost", port: tls.port },
  });
const marks = (findings: Finding[]) => findings.map(({ check, ok }) => `${check}: ${ok}`);
const finding = (findings: Finding[], check: string) => findings.find((each) => each.check === check);

describe("a healthy key", () => {
  it("passes every check, with the account and where its credentials come from", async () => {
    const findings = await overTls();
    expect(marks(findings)).toEqual([
      "endpoint: true",
      "credentials: true",
      "credentials file: true",
      "clock: true",
      "permissions: true",
      "key version: true",
    ]);
    expect(finding(findings, "endpoint")?.found).toBe("localhost; project my-project, location europe-west3");
    expect(finding(findings, "credentials")?.found).toBe(
      `service_account, ${ACCOUNT}, project my-project; from ${file} (GOOGLE_APPLICATION_CREDENTIALS)`,
    );
    expect(finding(findings, "key version")?.found).toMatch(
      /cryptoKeyVersions\/1 is ENABLED, EC_SIGN_P256_SHA256, SOFTWARE$/,
    );
    expect(tls.plan.count("AsymmetricSign")).toBe(0);
  });

  it("passes `hardproof doctor`, which then signs", async () => {
    const { code, out } = await run(["doctor", versionUri()]);
    expect(out).toMatch(/^✓ permissions +cloudkms\.cryptoKeyVersions\.useToSign/m);
    expect(out).toMatch(/^– credentials +not needed/m);
    expect(out).toMatch(/^✓ signature/m);
    expect(code).toBe(0);
  });

  it("names the version that a key without one stands for", async () => {
    const stored = plain.store.addKey();
    plain.store.addVersion(stored);
    const findings = await findingsOf(`gcpkms://${stored.fields.name}?endpoint=${plain.endpoint}`);
    expect(finding(findings, "key version")?.found).toContain("cryptoKeyVersions/2 is ENABLED");
    expect(finding(findings, "permissions")?.found).toContain("cloudkms.cryptoKeyVersions.list");
  });
});

describe("a defect", () => {
  it("of the permissions is named with a role that grants them, and ends `hardproof doctor`", async () => {
    plain.store.withheld.add("cloudkms.cryptoKeyVersions.useToSign");
    const uri = versionUri();
    expect(finding(await findingsOf(uri), "permissions")).toMatchObject({
      ok: false,
      found: "missing: cloudkms.cryptoKeyVersions.useToSign",
      remedy: expect.stringContaining("Grant roles/cloudkms.signerVerifier on projects/my-project"),
    });
    const { code, out } = await run(["doctor", uri]);
    expect(code).toBe(1);
    expect(out).toMatch(/^✗ permissions .*\n +Grant roles/m);
    expect(plain.plan.count("AsymmetricSign")).toBe(0);
  });

  it("isn't the missing permission to read the version, which signing doesn't need", async () => {
    plain.store.withheld.add("cloudkms.cryptoKeyVersions.get");
    plain.plan.always("GetCryptoKeyVersion", "denied");
    const findings = await findingsOf(versionUri());
    expect(finding(findings, "permissions")?.ok).toBe(true);
    expect(finding(findings, "key version")).toMatchObject({ ok: null, found: expect.stringContaining("viewer") });
  });

  it.each<[KeyOptions, string]>([
    [{ state: "DISABLED" }, "Enable it"],
    [{ state: "DESTROYED" }, "Use another version"],
    [{ algorithm: "EC_SIGN_SECP256K1_SHA256" }, "can't sign a JWS"],
  ])("of the version is named with a remedy: %j", async (options, remedy) => {
    expect(finding(await findingsOf(versionUri(options)), "key version")).toMatchObject({
      ok: false,
      remedy: expect.stringContaining(remedy),
    });
  });

  it("of the clock is named", async () => {
    plain.date = new Date(Date.now() - 3_600_000).toUTCString();
    const findings = await findingsOf(versionUri());
    expect(finding(findings, "clock")).toMatchObject({ ok: false, found: expect.stringMatching(/s ahead of 127/) });
  });

  it("of the permissions of the credentials file is named", async () => {
    chmodSync(file, 0o644);
    expect(finding(await overTls(), "credentials file")).toMatchObject({
      ok: false,
      remedy: "Run chmod 600: other users can read the credentials.",
    });
  });

  it("of the credentials ends the checks with the library's own words", async () => {
    writeFileSync(file, "{}");
    await expect(overTls()).rejects.toMatchObject({
      code: "misconfigured",
      uri: expect.stringMatching(/^gcpkms:/),
      message: expect.stringContaining("does not contain a client_email field"),
    });
  });

  it("of the name is named", async () => {
    const uri = `gcpkms://${plain.store.keyRing}/cryptoKeys/missing/cryptoKeyVersions/1?endpoint=${plain.endpoint}`;
    await expect(findingsOf(uri)).rejects.toMatchObject({ code: "key-not-found", uri });
  });

  it("of the connection is named", async () => {
    const uri = versionUri().replace(plain.endpoint, "http://127.0.0.1:1");
    const { code, out } = await run(["doctor", uri]);
    expect(code).toBe(1);
    expect(out).toMatch(/^✗ store +unavailable\n.*ECONNREFUSED 127\.0\.0\.1:1/m);
  });
});
