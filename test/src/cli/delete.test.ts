/** `hardproof delete` with a key of each store, and what it asks before. */
import { existsSync, linkSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { stripVTControlCharacters } from "node:util";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { awsKmsEmulator, azureKeyVaultEmulator, gcpKmsEmulator, vaultEmulator } from "hardproof/testing";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { hardproof } from "../../../src/cli/hardproof.js";
import { nameOfKey } from "../../../src/cli/key-name.js";
import { isOneLine, run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-delete-"));
afterAll(() => rmSync(directory, { recursive: true }));

const DAY = 86_400_000;
const remove = async (uri: string, ...options: string[]) => {
  const { code, out } = await run(["delete", uri, "--yes", "--json", ...options]);
  return { code, ...JSON.parse(out) };
};

describe("a key in a file", () => {
  const path = join(directory, "dpop.pem");
  const uri = `file://${path}`;
  const create = async () => expect(await run(["keygen", uri])).toMatchObject({ code: 0 });

  it("is deleted, and can't be opened any more", async () => {
    await create();
    const { code, out, err } = await run(["delete", uri, "--yes"]);
    expect({ code, out }).toEqual({ code: 0, out: `${uri}\n` });
    expect(err).toBe(
      "The key is deleted.\nThe file was deleted, but not overwritten. Backups, and the disk, may still have it.\n",
    );
    expect(existsSync(path)).toBe(false);
    expect(await run(["delete", uri, "--yes"])).toMatchObject({ code: 3, err: expect.stringContaining("ENOENT") });
  });

  it("isn't deleted through a symbolic link, or if it has a second name", async () => {
    await create();
    const other = join(directory, "other.pem");
    for (const [link, problem] of [
      [symlinkSync, "symbolic link"],
      [linkSync, "hard link"],
    ] as const) {
      link(path, other);
      expect(await run(["delete", `file://${other}`, "--yes"])).toMatchObject({
        code: 2,
        err: expect.stringContaining(problem),
      });
      expect([path, other].every((each) => existsSync(each))).toBe(true);
      rmSync(other);
    }
  });

  it.each([
    ["a text", "do not delete me"],
    ["nothing", ""],
    ["a public key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"],
    [
      "a key and a certificate",
      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n",
    ],
    ["two keys", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".repeat(2)],
  ])("isn't deleted if the file has %s", async (_, content) => {
    const file = join(directory, "valuable");
    writeFileSync(file, content);
    const { code, err } = await run(["delete", `file://${file}`, "--yes"]);
    expect(code).toBe(3);
    expect(err).toMatch(/one private key and nothing else.*wasn't deleted/);
    expect(readFileSync(file, "utf8")).toBe(content);
  });

  it("isn't deleted if it is a directory", async () => {
    expect(await run(["delete", `file://${directory}`, "--yes"])).toMatchObject({ code: 2 });
    expect(existsSync(directory)).toBe(true);
  });

  it("is deleted if it is encrypted, without its passphrase", async () => {
    process.env.DELETE_PASSPHRASE = "correct horse";
    expect(await run(["keygen", `${uri}?passphrase-source=env:DELETE_PASSPHRASE`])).toMatchObject({ code: 2 });
    expect(await remove(uri)).toMatchObject({ code: 0, uri });
    expect(await run(["keygen", `${uri}?passphrase-source=env:DELETE_PASSPHRASE`])).toMatchObject({ code: 0 });
    expect(await remove(uri)).toMatchObject({ code: 0, deleted: true, destroyedAt: null });
  });
});

describe("a key in SoftHSM", () => {
  let hsm: SoftHsm;
  const uriOf = (key: string, pin = "&pin-source=env:DELETE_PIN") =>
    `pkcs11:token=delete${key && `;${key}`}?module-path=${hsm.module}${pin}`;
  beforeAll(async () => {
    hsm = await softHsm({ label: "delete" });
    process.env.DELETE_PIN = hsm.pin;
  });
  afterAll(() => hsm.close());

  it("is deleted by its label, and no other key", async () => {
    await run(["keygen", uriOf("object=doomed")]);
    const before = await run(["keys", uriOf("")]);
    expect(before.out).toContain("object=doomed");
    const result = await remove(uriOf("object=doomed"));
    expect(result).toMatchObject({ code: 0, deleted: true, uri: expect.stringMatching(/;object=doomed;id=%/) });
    expect(JSON.stringify(result)).not.toContain(hsm.pin);
    const after = (await run(["keys", uriOf("")])).out;
    expect(after).toBe(before.out.replace(/^.*object=doomed.*\n/m, ""));
    expect(await run(["keygen", uriOf("object=doomed")])).toMatchObject({ code: 0 });
  });

  it("isn't deleted if several keys match, or none", async () => {
    await hsm.addKey({ label: "twin", id: "a1" });
    await hsm.addKey({ label: "twin", id: "a2" });
    const { code, error } = await remove(uriOf("object=twin"));
    expect({ code, error }).toMatchObject({ code: 3, error: { code: "ambiguous-key" } });
    expect((await run(["keys", uriOf("object=twin")])).out.trimEnd().split("\n")).toHaveLength(2);
    expect(await remove(uriOf("object=twin;id=%A2"))).toMatchObject({ code: 0 });
    expect((await run(["keys", uriOf("object=twin")])).out).toMatch(/^\S+id=%A1\S+\n$/);
    expect(await remove(uriOf("object=nothing"))).toMatchObject({ code: 3, error: { code: "key-not-found" } });
  });

  it("isn't deleted without its PIN, and no key is named without a token or an object", async () => {
    expect(await remove(uriOf("object=dpop", ""))).toMatchObject({ code: 3, error: { code: "pin-required" } });
    expect(await run(["delete", uriOf("type=private"), "--yes"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("The key isn't named: set the URI's object or id."),
    });
    expect((await run(["keys", uriOf("")])).out).toContain("object=dpop");
  });
});

describe("a key in a service", () => {
  afterAll(() => vi.unstubAllEnvs());
  const useEnvironment = (environment: Readonly<Record<string, string>>) => {
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  };

  it("of AWS is scheduled for deletion, by its alias and for the days that were chosen", async () => {
    await using aws = await awsKmsEmulator();
    useEnvironment(aws.environment);
    const key = aws.keys.add();
    aws.keys.alias("alias/doomed", key);
    const uri = `awskms:///alias/doomed?region=${aws.region}&endpoint=${aws.endpoint}`;
    expect(await run(["delete", uri, "--yes", "--days", "6"])).toMatchObject({ code: 2 });
    const { destroyedAt, ...result } = await remove(uri, "--days", "7");
    expect(result).toMatchObject({ code: 0, deleted: false, uri: expect.stringContaining(key.arn) });
    expect(Math.round((Date.parse(destroyedAt) - Date.now()) / DAY)).toBe(7);
    expect(key.state).toBe("PendingDeletion");
    expect(aws.plan.inputs("ScheduleKeyDeletion")).toEqual([{ KeyId: key.arn, PendingWindowInDays: 7 }]);
    const again = await remove(uri);
    expect(again).toMatchObject({ code: 2, error: { message: expect.stringMatching(/already, on 20\d\d-/) } });
  });

  it("of AWS isn't scheduled if it doesn't sign, and has 30 days by default", async () => {
    await using aws = await awsKmsEmulator();
    useEnvironment(aws.environment);
    const symmetric = aws.keys.add({ spec: "SYMMETRIC_DEFAULT", usage: "ENCRYPT_DECRYPT" });
    const uriOf = (arn: string) => `awskms:///${arn}?endpoint=${aws.endpoint}`;
    expect(await remove(uriOf(symmetric.arn))).toMatchObject({ code: 3, error: { code: "wrong-key" } });
    expect(symmetric.state).toBe("Enabled");
    const disabled = aws.keys.add();
    disabled.state = "Disabled";
    const { destroyedAt } = await remove(uriOf(disabled.arn));
    expect(Math.round((Date.parse(destroyedAt) - Date.now()) / DAY)).toBe(30);
    expect(aws.plan.inputs("ScheduleKeyDeletion").map(({ KeyId }) => KeyId)).toEqual([disabled.arn]);
  });

  it("of Google is a version, which is scheduled for destruction if it is the only one or is named", async () => {
    await using gcp = await gcpKmsEmulator();
    const key = gcp.store.addKey({ id: "doomed" });
    const second = gcp.store.addVersion(key);
    const uriOf = (name: string) => `gcpkms://${name}?endpoint=${gcp.endpoint}`;
    const ambiguous = await remove(uriOf(key.fields.name));
    expect(ambiguous).toMatchObject({ code: 3, error: { code: "ambiguous-key" } });
    const { destroyedAt, ...result } = await remove(uriOf(second.fields.name));
    expect(result).toMatchObject({ code: 0, deleted: false, uri: uriOf(second.fields.name) });
    expect(Math.round((Date.parse(destroyedAt) - Date.now()) / DAY)).toBe(30);
    expect(key.versions.map(({ fields }) => fields.state)).toEqual(["ENABLED", "DESTROY_SCHEDULED"]);
    expect(await remove(uriOf(second.fields.name))).toMatchObject({ code: 2 });
    expect(await remove(uriOf(key.fields.name))).toMatchObject({
      code: 0,
      uri: expect.stringMatching(/Versions\/1\?/),
    });
    expect(await remove(uriOf(key.fields.name))).toMatchObject({ code: 3, error: { code: "key-not-found" } });
    const symmetric = gcp.store.addKey({
      id: "valuable",
      purpose: "ENCRYPT_DECRYPT",
      algorithm: "GOOGLE_SYMMETRIC_ENCRYPTION",
    });
    expect(await remove(uriOf(symmetric.fields.name))).toMatchObject({ code: 3, error: { code: "wrong-key" } });
    expect(symmetric.versions[0]?.fields.state).toBe("ENABLED");
  });

  it("of Google has no invented date if the service doesn't report one", async () => {
    await using gcp = await gcpKmsEmulator();
    const key = gcp.store.addKey({ id: "undated" });
    const uri = `gcpkms://${key.fields.name}?endpoint=${gcp.endpoint}`;
    const version = key.versions[0]?.fields ?? expect.unreachable();
    Object.defineProperty(version, "destroyTime", { get: () => undefined, set: () => undefined, enumerable: true });
    const { code, out, err } = await run(["delete", uri, "--yes"]);
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining("/cryptoKeyVersions/1") });
    expect(err).toContain("The key can't sign any more. The store doesn't report when it will be destroyed.");
    version.state = "ENABLED";
    expect(await remove(uri)).toMatchObject({ code: 0, deleted: false, destroyedAt: "unknown" });
    const again = await remove(`gcpkms://${version.name}?endpoint=${gcp.endpoint}`);
    expect(again.error.message).toMatch(/scheduled for destruction already\.$/);
  });

  it("of Azure is deleted with all its versions, and can be recovered", async () => {
    await using kv = await azureKeyVaultEmulator();
    useEnvironment(kv.environment);
    const { version } = kv.vault.add({ name: "doomed" });
    const uriOf = (path: string) => `${kv.vaultUrl.replace("http:", "azurekms:")}/${path}?plaintext=true`;
    const pinned = await remove(uriOf(`doomed/${version}`));
    expect(pinned).toMatchObject({
      code: 3,
      error: { code: "ambiguous-key", message: expect.stringContaining("all its versions") },
    });
    const { destroyedAt, ...result } = await remove(uriOf("doomed"));
    expect(result).toMatchObject({ code: 0, deleted: false, uri: uriOf("doomed") });
    expect(Math.round((Date.parse(destroyedAt) - Date.now()) / DAY)).toBe(90);
    expect([...kv.vault.deleted.keys()]).toEqual(["doomed"]);
    expect(await remove(uriOf("doomed"))).toMatchObject({ code: 3, error: { code: "key-not-found" } });
    kv.vault.add({ name: "valuable", kty: "oct", keyOps: ["encrypt"] });
    kv.vault.add({ name: "certificate", managed: true });
    expect(await remove(uriOf("valuable"))).toMatchObject({ code: 3, error: { code: "wrong-key" } });
    expect(await remove(uriOf("certificate"))).toMatchObject({ code: 2 });
    expect(kv.vault.all.size).toBe(2);
  });

  it("of Vault is deleted if its settings allow it", async () => {
    await using vault = await vaultEmulator();
    useEnvironment({ VAULT_TOKEN: vault.tokens.root });
    const key = vault.addKey("doomed");
    const refused = await remove(vault.uriOf("doomed"));
    expect(refused).toMatchObject({ code: 3, error: { code: "access-denied" } });
    expect(refused.error.message).toContain("vault write transit/keys/doomed/config deletion_allowed=true");
    key.settings.deletion_allowed = true;
    vault.rotate("doomed");
    expect(await remove(vault.uriOf("doomed", "&version=1"))).toMatchObject({ error: { code: "ambiguous-key" } });
    expect(vault.keys.has("doomed")).toBe(true);
    expect(await remove(vault.uriOf("doomed"))).toMatchObject({ code: 0, deleted: true, uri: vault.uriOf("doomed") });
    expect(vault.keys.has("doomed")).toBe(false);
    vault.addKey("valuable", "aes256-gcm96", { deletion_allowed: true });
    expect(await remove(vault.uriOf("valuable"))).toMatchObject({ code: 3, error: { code: "wrong-key" } });
    expect(vault.keys.has("valuable")).toBe(true);
  });
});

it.each([
  ["memory:", /lost when its process ends/],
  ["ssh-agent:?comment=a", /ssh-add -d FILE/],
  ["openssl:handle:0x81010001", /can't delete keys.*store's own tool/],
])("says what to do for a store that can't delete a key: %s", async (uri, says) => {
  const { code, err } = await run(["delete", uri, "--yes"]);
  expect(code).toBe(2);
  expect(err).toMatch(says);
  expect(isOneLine(err)).toBe(true);
});

describe("the confirmation", () => {
  const path = join(directory, "agent 7.pem");
  const uri = `file://${directory}/agent%207.pem`;
  beforeAll(() => run(["keygen", uri]));

  /** Types a line at a terminal. */
  const typed = async (line: string | undefined, args: readonly string[] = ["delete", uri], signal?: AbortSignal) => {
    const terminal = () => Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
    const [stdin, stdout, stderr] = [terminal(), terminal(), terminal()];
    if (line !== undefined) stdin.end(line);
    const end = () => undefined;
    const io = { stdin, stdout, stderr, env: {}, signal: signal ?? new AbortController().signal, end };
    const code = await hardproof(args, io);
    for (const stream of [stdout, stderr]) stream.end();
    return { code, out: await text(stdout), err: stripVTControlCharacters(await text(stderr)) };
  };

  it.each(["", "\n", "agent 8.pem\n", "y\n", "agent%207.pem\n"])("rejects %j", async (line) => {
    const { code, err } = await typed(line);
    expect(code).toBe(2);
    expect(err).toMatch(/Type its name to confirm: agent 7\.pem/);
    expect(err).toMatch(/That isn't the name of the key\. Nothing was deleted\./);
    expect(existsSync(path)).toBe(true);
  });

  it("isn't asked for with --json, or without a terminal", async () => {
    for (const result of [await typed(undefined, ["delete", uri, "--json"]), await run(["delete", uri])]) {
      expect(result.code).toBe(2);
      expect(result.out + result.err).toContain("Pass --yes to confirm");
    }
    expect(existsSync(path)).toBe(true);
  });

  it("ends with the interruption on Ctrl-C", async () => {
    const controller = new AbortController();
    const interrupted = typed(undefined, ["delete", uri], controller.signal);
    setTimeout(() => controller.abort(), 20);
    expect(await interrupted).toMatchObject({ code: 130, err: expect.stringContaining("Interrupted.") });
    expect(existsSync(path)).toBe(true);
  });

  it("is given by the name of the key", async () => {
    expect(await typed("agent 7.pem\n")).toMatchObject({ code: 0, out: `${uri}\n` });
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    ["pkcs11:object=my%20key;token=agents;id=%01?module-name=softhsm2&pin-value=hunter2", "my key"],
    ["pkcs11:token=agents;id=%FF?module-name=softhsm2", "%FF"],
    ["pkcs11:token=agents;id=%01?module-name=softhsm2", "%01"],
    ["pkcs11:token=agents;id=A%31?module-name=softhsm2", "%41%31"],
    ["pkcs11:token=agents;object=%00%1B[2J?module-name=softhsm2", "%00%1B%5B2J"],
    ["pkcs11:token=agents;object=a%E2%80%8Bb?module-name=softhsm2", "a%E2%80%8Bb"],
    ["pkcs11:token=agents;object=%20key?module-name=softhsm2", "%20key"],
    ["tpm:object=dpop;token=agents?pin-value=hunter2", "dpop"],
    ["awskms:///alias/agents/dpop?region=eu-central-1", "dpop"],
    ["gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/dpop/cryptoKeyVersions/3", "dpop/cryptoKeyVersions/3"],
    ["azurekms://v.vault.azure.net/dpop", "dpop"],
    ["vault://h:8200/transit/dpop?version=1", "dpop"],
    ["file:///run/keys/dpop.pem?passphrase-source=env:PASSPHRASE", "dpop.pem"],
  ])("is asked for the name in %s", async (uri, name) => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const { code, err } = await typed("another\n", ["delete", uri]);
    warn.mockRestore();
    expect(code).toBe(2);
    expect(err).toContain(`Type its name to confirm: ${name}\n`);
    expect(err).not.toContain("hunter2");
  });

  it.each([
    "pkcs11:token=agents;pin-value=1234?module-name=softhsm2",
    "pkcs11:token=agents?module-name=softhsm2&pin-source=env:PIN",
    "pkcs11:object=k;token=agents;pin-value=1234",
    "tpm:token=agents",
    "awskms:///",
    "gcpkms://projects/p/locations/l/keyRings/r",
    "azurekms://v.vault.azure.net",
    "vault://user:1234@vault.example.com",
    "vault://user:1234@vault.example.com/transit/key",
    "vault://h:8200/transit",
    "file://user:1234@host",
    "file:///",
    "memory:",
    "nowhere:1234",
    "1234",
  ])("isn't asked for if the URI doesn't name a key: %s", async (uri) => {
    const { code, err } = await typed(undefined, ["delete", uri]);
    expect({ code, isOneLine: isOneLine(err) }).toEqual({ code: 2, isOneLine: true });
    expect(err).not.toMatch(/1234|Type its name/);
  });

  it.each([
    ["thirdparty:k", "k"],
    ["thirdparty://user:1234@host", undefined],
    ["thirdparty://user:1234@host/", undefined],
    ["thirdparty:user:1234@host", undefined],
    ["thirdparty:slot=1;pin=1234", undefined],
    ["thirdparty:", undefined],
  ])("has the name in the URI of a third-party key store: %s", (uri, name) => {
    expect(nameOfKey(uri)).toBe(name);
  });

  it("never uses the key of HARDPROOF_KEY", async () => {
    const file = `file://${directory}/environment.pem`;
    await run(["keygen", file]);
    const { code, err } = await run(["delete", "--yes"], { env: { HARDPROOF_KEY: file } });
    expect(code).toBe(2);
    expect(err).toContain("<uri> is missing");
    expect(existsSync(`${directory}/environment.pem`)).toBe(true);
  });
});

it("names only --yes and the URI in its errors, never the PIN", async () => {
  const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  const { err } = await run(["delete", "pkcs11:token=t;object=k?module-path=/nowhere.so&pin-value=hunter2", "--yes"]);
  warn.mockRestore();
  expect(err).not.toContain("hunter2");
});
