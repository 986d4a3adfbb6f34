/** The option `--require`: a key that isn't where it must be signs nothing, and isn't created. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKey, registerProvider } from "hardproof";
import { provider as azureProvider } from "hardproof/azure-kv";
import { MemorySigner } from "hardproof/memory";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { awsKmsEmulator, azureKeyVaultEmulator, gcpKmsEmulator } from "hardproof/testing";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { loopbackServer } from "../../servers/loopback-server.js";
import { softTpm } from "../../tokens/index.js";
import { isOneLine, run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-require-"));
let hsm: SoftHsm;
let uri: string;
beforeAll(async () => {
  hsm = await softHsm({ label: "require" });
  process.env.REQUIRE_PIN = hsm.pin;
  uri = `pkcs11:token=require;object=dpop?module-path=${hsm.module}&pin-source=env:REQUIRE_PIN`;
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await hsm.close();
});

describe("a key in SoftHSM", () => {
  const url = "https://api.example.com/";

  it.each([
    ["proof", ["proof", "KEY", "GET", url]],
    ["show", ["show", "KEY"]],
    ["csr", ["csr", "KEY", "--subject", "CN=agent"]],
    ["bench", ["bench", "KEY", "--seconds", "0.1", "--concurrency", "1"]],
    ["demo", ["demo", "KEY"]],
  ])("isn't used by %s if it must be in hardware", async (_, args) => {
    const result = await run([...args.map((arg) => (arg === "KEY" ? uri : arg)), "--require", "hsm,tpm"]);
    expect(result).toMatchObject({ code: 3, out: "" });
    expect(isOneLine(result.err)).toBe(true);
    expect(result.err).toContain("The key's protection is software (SoftHSM); --require asks for hsm or tpm.");
  });

  it.each([
    ["token", []],
    ["fetch", ["URL"]],
    ["register", ["--redirect-uri", "http://127.0.0.1/"]],
    ["introspect", ["--token-env", "TOKEN", "--client-auth", "private_key_jwt"]],
    ["revoke", ["--token-env", "TOKEN", "--client-auth", "private_key_jwt"]],
  ])("isn't used by %s if it must be in hardware, and no server is asked", async (name, args) => {
    const server = await loopbackServer();
    let requests = 0;
    server.http.on("request", () => {
      requests += 1;
    });
    const client = name === "register" ? [] : ["--client-id", "agent"];
    const all = [
      name,
      ...args.map((arg) => (arg === "URL" ? server.origin : arg)),
      "--issuer",
      server.origin,
      ...client,
    ];
    const env = { TOKEN: "token", HARDPROOF_CLIENT_SECRET: "s3cr3t" };
    const result = await run([...all, "--key", uri, "--require", "hsm"], { env });
    await server.close();
    expect(result).toMatchObject({ code: 3, err: expect.stringContaining("--require asks for hsm.") });
    expect(requests).toBe(0);
  });

  const secretPost = ["--client-auth", "client_secret_post"];
  it.each([
    ["register", ["--client-auth", "client_secret_basic", "--output", "OUT", "--key", "memory:", "--require", "hsm"]],
    ["register", ["--client-auth", "none", "--key", "memory:", "--public-key", "key.pem"]],
    ["introspect", ["--client-id", "a", "--token-env", "TOKEN", ...secretPost, "--require", "hsm"]],
    ["introspect", ["--client-id", "a", "--token-env", "TOKEN", ...secretPost, "--public-key", "key.pem"]],
    ["introspect", ["--client-id", "a", "--token-env", "TOKEN", "--client-key", "memory:", "--public-key", "key.pem"]],
    ["revoke", ["--client-id", "a", "--token-env", "TOKEN", ...secretPost, "--require", "hsm"]],
    ["revoke", ["--client-id", "a", "--token-env", "TOKEN", "--client-public-key", "key.pem"]],
    ["token", ["--client-id", "a", "--key", "memory:", "--client-public-key", "key.pem"]],
  ])("is required by an option that %s doesn't ignore, and no server is asked: %j", async (name, args) => {
    const server = await loopbackServer();
    let requests = 0;
    server.http.on("request", (_, response) => {
      requests += 1;
      response.end("{}");
    });
    const env = { TOKEN: "token", HARDPROOF_CLIENT_SECRET: "s3cr3t", HARDPROOF_KEY: uri };
    const paths = args.map((arg) => (arg === "OUT" ? join(directory, "registration.json") : arg));
    const result = await run([name, "--issuer", server.origin, ...paths], { env });
    await server.close();
    expect(result).toMatchObject({ code: 2, err: expect.stringMatching(/--(require|(client-)?public-key) needs /) });
    expect(requests).toBe(0);
  });

  it("isn't used as the client's key either", async () => {
    const server = await loopbackServer();
    const client = ["--issuer", server.origin, "--client-id", "a", "--client-auth", "private_key_jwt"];
    const result = await run(["token", "--key", uri, "--client-key", "memory:", ...client, "--require", "software"]);
    await server.close();
    expect(result).toMatchObject({
      code: 3,
      err: expect.stringContaining("memory:: The key can be exported; --require asks for software, not exportable."),
    });
  });

  it("isn't used if one of its replicas doesn't meet the requirement", async () => {
    const args = ["proof", "GET", url, "--key", uri, "--key", "memory:", "--require", "software"];
    expect(await run(args)).toMatchObject({
      code: 3,
      err: expect.stringContaining("The key can be exported; --require asks for software, not exportable."),
    });
  });

  it("is used if software is allowed", async () => {
    // The key that the set-up imported may be exportable, as far as SoftHSM can tell.
    const made = uri.replace("dpop", "allowed");
    expect(await run(["keygen", made, "--require", "hsm,software"])).toMatchObject({ code: 0 });
    expect(await run(["proof", made, "GET", url, "--require", "software"])).toMatchObject({ code: 0 });
  });
});

describe("doctor", () => {
  it("fails for a key that isn't where it must be, and for an exportable one", async () => {
    const made = uri.replace("dpop", "doctor");
    await run(["keygen", made]);
    const { code, out } = await run(["doctor", made, "--require", "hsm,tpm"]);
    expect(code).toBe(1);
    expect(out).toMatch(/^– hardware +none: the token is SoftHSM$/m);
    expect(out).toMatch(/^✗ requirement +not met: hsm or tpm, not exportable$/m);
    expect(out).toContain("protection is software (SoftHSM); --require asks for hsm or tpm");
    const passed = await run(["doctor", made, "--require", "software"]);
    expect(passed).toMatchObject({ code: 0, out: expect.stringMatching(/^✓ requirement +software, not exportable$/m) });
    expect(await run(["doctor", "memory:", "--require", "software"])).toMatchObject({ code: 1 });
  });

  it.each([
    [["--no-login", "memory:", "--require", "hsm"]],
    [["--require", "hsm"]],
    [["--no-login", "memory:", "--public-key", "key.pem"]],
    [["--public-key", "key.pem"]],
  ])("refuses a requirement that it can't check: %j", async (args) => {
    const result = await run(["doctor", ...args]);
    expect(result).toMatchObject({ code: 2, out: "" });
    expect(result.err).toMatch(/^hardproof: --(require|public-key) needs /);
  });
});

describe("keygen", () => {
  it("doesn't create a key in a file, or on a token that isn't hardware", async () => {
    const file = await run(["keygen", `file://${directory}/no.pem`, "--require", "hsm"]);
    expect(file).toMatchObject({
      code: 3,
      err: expect.stringContaining(
        "file: No key was created. The key can be exported; --require asks for hsm, not exportable.",
      ),
    });
    expect(existsSync(join(directory, "no.pem"))).toBe(false);
    const calls = () => run(["keys", uri.replace(";object=dpop", "")]);
    const before = (await calls()).out;
    const token = await run(["keygen", uri.replace("dpop", "refused"), "--require", "hsm,tpm"]);
    expect(token.err).toContain(
      "No key was created. The key's protection is software (SoftHSM); --require asks for hsm or tpm.",
    );
    expect(token.code).toBe(3);
    expect((await calls()).out).toBe(before);
  });

  it("doesn't ask Google for a key in software, and creates one in an HSM", async () => {
    await using gcp = await gcpKmsEmulator();
    const key = `gcpkms://${gcp.store.keyRing}/cryptoKeys/made?endpoint=${gcp.endpoint}`;
    expect(await run(["keygen", key, "--require", "software"])).toMatchObject({ code: 3 });
    expect(gcp.plan.inputs("CreateCryptoKey")).toEqual([]);
    expect(await run(["keygen", key, "--require", "hsm"])).toMatchObject({ code: 0 });
  });

  it("says that the new key exists if it can only be known afterwards, and can't be deleted", async () => {
    await using aws = await awsKmsEmulator();
    for (const [name, value] of Object.entries(aws.environment)) vi.stubEnv(name, value);
    aws.plan.always("DescribeKey", "denied");
    const result = await run([
      "keygen",
      `awskms:///?region=${aws.region}&endpoint=${aws.endpoint}`,
      "--require",
      "hsm",
    ]);
    vi.unstubAllEnvs();
    expect(result.code).toBe(3);
    const [[arn] = []] = [...aws.keys.all];
    expect(result.err).toContain(`The new key awskms:///${arn}`);
    expect(result.err).toMatch(/exists, and could not be deleted: .*AccessDenied/);
  });

  it("deletes the new key again if it can't be described once, by its ARN instead of its alias", async () => {
    await using aws = await awsKmsEmulator();
    for (const [name, value] of Object.entries(aws.environment)) vi.stubEnv(name, value);
    for (const alias of ["", "alias/agent"]) {
      aws.plan.next("DescribeKey", "denied");
      const uri = `awskms:///${alias}?region=${aws.region}&endpoint=${aws.endpoint}`;
      const { code, err } = await run(["keygen", uri, "--require", "hsm"]);
      const [arn = "", key] = [...aws.keys.all].at(-1) ?? [];
      expect(code).toBe(3);
      expect(err).toMatch(/The new key will be destroyed on 20/);
      expect(err).toContain(arn);
      expect(key?.state).toBe("PendingDeletion");
      expect(aws.plan.inputs("ScheduleKeyDeletion").at(-1)?.KeyId).toBe(arn);
      expect(aws.plan.inputs("DescribeKey").at(-1)?.KeyId).toBe(arn);
    }
    vi.unstubAllEnvs();
  });

  it("deletes a new key with a version again, unless it has another version by then", async () => {
    await using kv = await azureKeyVaultEmulator();
    for (const [name, value] of Object.entries(kv.environment)) vi.stubEnv(name, value);
    const uri = `${kv.vaultUrl.replace("http:", "azurekms:")}/agent?plaintext=true`;
    const signer = await createKey(uri);
    const created = signer.uri ?? "";
    await signer.close();
    const { version } = kv.vault.add({ name: "agent" });
    await expect(azureProvider.deleteCreated(created)).rejects.toMatchObject({ code: "ambiguous-key" });
    expect([...kv.vault.all.keys()]).toEqual(["agent"]);
    const result = await azureProvider.deleteCreated(created.replace(/[0-9a-f]{32}/, version));
    expect(result).toMatchObject({ uri, destroyedAt: expect.any(Date) });
    expect([...kv.vault.deleted.keys()]).toEqual(["agent"]);
    vi.unstubAllEnvs();
  });

  it("deletes the new key again if it turns out not to meet the requirement", async () => {
    const deleted: string[] = [];
    const signer = MemorySigner.generate();
    const uri = "requiretest:new";
    registerProvider({
      scheme: "requiretest",
      open: () => signer,
      create: async () => Object.defineProperty(signer, "uri", { value: uri }),
      delete: async (uri) => {
        deleted.push(uri);
        return { uri, destroyedAt: null };
      },
    });
    const result = await run(["keygen", "requiretest:k", "--require", "hsm"]);
    expect(result).toMatchObject({ code: 3, err: expect.stringContaining("The new key was deleted again.") });
    expect(deleted).toEqual([uri]);
  });

  it("refuses a key in memory, which would be lost", async () => {
    const result = await run(["keygen", "memory:"]);
    expect(result).toMatchObject({ code: 2, out: "", err: expect.stringContaining("ends with this command") });
  });
});

const unavailable = inject("unavailable").TPM;
describe.skipIf(unavailable)(`a TPM in software${unavailable ? ` (skipped. ${unavailable})` : ""}`, () => {
  it("is neither a TPM nor an HSM, its token is listed, and its keys can be deleted", async () => {
    const tpm = await softTpm({ label: "require" });
    process.env.REQUIRE_TPM_PIN = tpm.pin;
    const store = `store=${tpm.store}&tcti=${encodeURIComponent(tpm.tcti)}`;
    const key = (name: string) => `tpm:token=require;object=${name}?${store}&pin-source=env:REQUIRE_TPM_PIN`;
    const { code, out } = await run(["doctor", key(tpm.key.label), "--require", "tpm,hsm"]);
    expect(code).toBe(1);
    expect(out).toMatch(/^– hardware +none: the token is software TPM \(IBM SW TPM/m);
    expect(out).toContain(
      "protection is software (software TPM (IBM SW TPM, such as swtpm)); --require asks for hsm or tpm",
    );
    expect(await run(["keygen", key("refused"), "--require", "tpm"])).toMatchObject({ code: 3 });
    const { tokens } = JSON.parse((await run(["keys", "--tokens", `tpm:?${store}`, "--json"])).out);
    expect(tokens).toContainEqual(
      expect.objectContaining({ label: "require", model: "SW   TPM", protection: "software" }),
    );
    expect(await run(["keygen", key("doomed"), "--require", "software"])).toMatchObject({ code: 0 });
    expect(await run(["delete", key("doomed"), "--yes"])).toMatchObject({ code: 0 });
    expect(await run(["show", key("doomed")])).toMatchObject({
      code: 3,
      err: expect.stringContaining("no private key"),
    });
    expect(await run(["show", key(tpm.key.label)])).toMatchObject({ code: 0 });
    await tpm.close();
  });
});
