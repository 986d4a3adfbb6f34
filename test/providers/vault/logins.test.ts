/** Tokens of VaultSigner: the caller's, and those of logins by AppRole and Kubernetes; renewal, revocation, and secrets. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import type { SignerError } from "hardproof";
import { VaultSigner, type VaultSignerOptions } from "hardproof/vault";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { vaultEmulator } from "../../../testing/emulators/vault.js";
import type { VaultFault } from "../../../testing/emulators/vault-faults.js";

const server = await vaultEmulator();
const { plan, tokens, address, deniedPaths } = server;
server.addKey("dpop");
server.addKey("other");
const directory = mkdtempSync(join(tmpdir(), "hardproof-vault-"));
const file = join(directory, "secret");
const message = Buffer.from("message to sign");
const denied = { status: 403, errors: ["permission denied"] };
const NEVER = { ttl: 0, renewable: false, maxTtl: 0 };

let secretId: string;
let appRole: { roleId: string; secretId: string };
beforeEach(() => {
  tokens.terms = { ttl: 3600, renewable: true, maxTtl: 0 };
  secretId = tokens.addSecretId();
  appRole = { roleId: tokens.appRole.secret, secretId };
});
afterEach(() => {
  vi.restoreAllMocks();
  plan.clear();
  deniedPaths.clear();
  vi.unstubAllEnvs();
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await server.close();
});

const newSigner = (options: VaultSignerOptions, name = "dpop") => new VaultSigner(name, { address, ...options });
const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const firstError = async (options: VaultSignerOptions) => {
  await using signer = newSigner(options);
  return errorOf(signer.sign(message));
};
const lastToken = () =>
  String(plan.calls.findLast(({ operation }) => operation === "sign")?.input.headers["x-vault-token"]);
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe("a login", () => {
  it("is shared by all signers of one server and login, concurrent first uses included", async () => {
    const signers = [newSigner({ appRole }), newSigner({ appRole }, "other"), newSigner({ appRole: { ...appRole } })];
    await Promise.all(Array.from({ length: 60 }, (_, n) => signers[n % signers.length]?.sign(message)));
    expect(plan.count("login")).toBe(1);
    await signers[0]?.close();
    await signers[1]?.sign(message);
    expect(plan.count("revoke")).toBe(0);
    await Promise.all(signers.map((signer) => signer.close()));
    expect(plan.count("revoke")).toBe(1);
    expect(tokens.isValid(lastToken())).toBe(false);
  });

  it("is not shared with another role, server or namespace", async () => {
    server.namespaces.add("team");
    const other = { ...appRole, secretId: tokens.addSecretId() };
    await using one = newSigner({ appRole });
    await using two = newSigner({ appRole: other });
    await using three = newSigner({ appRole, namespace: "team" });
    await Promise.all([one.sign(message), two.sign(message), three.sign(message)]);
    expect(plan.count("login")).toBe(3);
  });

  it("of a service account reads its token each time", async () => {
    writeFileSync(file, `${tokens.kubernetes.secret}\n`);
    await using signer = newSigner({ kubernetes: { role: "agent", jwt: { file } } });
    await signer.sign(message);
    expect(plan.calls.find(({ operation }) => operation === "login")?.input).toMatchObject({
      url: "/v1/auth/kubernetes/login",
      body: { role: "agent", jwt: tokens.kubernetes.secret },
    });
    tokens.revoke(lastToken());
    writeFileSync(file, "eyJhbGciOiJSUzI1NiJ9.another-s3cr3t.AA");
    const error = await errorOf(signer.sign(message));
    expect(error).toMatchObject({ code: "access-denied", message: expect.stringContaining("auth/kubernetes/login") });
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("s3cr3t");
    writeFileSync(file, tokens.kubernetes.secret);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it("of a service account reads the file of Kubernetes by default", async () => {
    const error = await firstError({ kubernetes: { role: "agent" } });
    expect(error).toMatchObject({ code: "pin-required" });
    expect(error.message).toContain("/var/run/secrets/kubernetes.io/serviceaccount/token");
    expect(plan.count("login")).toBe(0);
  });

  it("has its own mount and namespace, which its renewal and its revocation have as well", async () => {
    server.namespaces.add("team").add("logins");
    const own = { ...appRole, mount: "ci/agents", namespace: "logins" };
    const error = await firstError({ namespace: "team", appRole: own });
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("auth/ci/agents/login") });
    expect(plan.calls[0]?.input).toMatchObject({ headers: { "x-vault-namespace": "logins" } });
    await (async () => {
      await using signer = newSigner({ namespace: "team", appRole: { ...appRole, namespace: "logins" } });
      await signer.sign(message);
    })();
    const namespaces = plan.calls.map(({ operation, input }) => [operation, input.headers["x-vault-namespace"]]);
    expect(namespaces).toContainEqual(["sign", "team"]);
    expect(namespaces).toContainEqual(["revoke", "logins"]);
  });

  it("continues for the other callers when one of them aborts", async () => {
    await using signer = newSigner({ appRole });
    plan.latency = 200;
    const controller = new AbortController();
    const aborted = errorOf(signer.sign(message, { signal: controller.signal }));
    const others = Promise.all([signer.sign(message), signer.sign(message)]);
    await vi.waitFor(() => expect(plan.count("login")).toBe(1));
    controller.abort();
    expect(await aborted).toMatchObject({ code: "aborted" });
    await others;
    expect(plan.count("login")).toBe(1);
  });

  const responses: [string, VaultFault, string][] = [
    ["500", { status: 500, errors: ["could not load backend configuration"] }, "unavailable"],
    ["503, sealed", { status: 503, errors: ["Vault is sealed"] }, "unavailable"],
    ["429", { status: 429, errors: ["rate limit quota exceeded"] }, "throttled"],
    ["403", denied, "access-denied"],
    ["400", { status: 400, errors: ["missing secret_id"] }, "access-denied"],
    ["401", { status: 401, errors: ["unauthorized"] }, "access-denied"],
    ["a page of a proxy", { status: 200, html: "<html>" }, "unavailable"],
    ["a redirect", { status: 302, html: "", headers: { location: "http://127.0.0.1:1/" } }, "misconfigured"],
    ["a reset", "reset", "unavailable"],
    ["an echo of the request", "echo", "access-denied"],
    ["no token", { status: 200, html: '{"auth":null}' }, "access-denied"],
    ["a second factor", { status: 200, html: '{"auth":{"client_token":"","mfa_requirement":{}}}' }, "access-denied"],
  ];
  it.each(responses)("that gets %s fails, is not repeated, and shows no secret", async (_, fault, code) => {
    plan.always("login", fault);
    await using signer = newSigner({ appRole });
    const error = await errorOf(signer.sign(message));
    expect(error).toMatchObject({ code, uri: signer.uri });
    expect(plan.count("login")).toBe(1);
    expect(inspect([error, signer], { depth: 9, showHidden: true })).not.toContain(secretId);
    plan.always("login", undefined);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it("that hangs ends with the time of its caller", async () => {
    plan.next("login", "hang");
    expect(await firstError({ appRole, timeout: 300 })).toMatchObject({ code: "timeout" });
  });

  it("with a secret id that the server quotes in its error doesn't show it", async () => {
    const used = tokens.addSecretId(0);
    const error = await firstError({ appRole: { ...appRole, secretId: used } });
    expect(error).toMatchObject({ code: "access-denied", message: expect.stringContaining("invalid secret_id") });
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(used);
  });

  it("with a rejected secret id is not repeated until the secret id changes, since that could lock the role out", async () => {
    writeFileSync(file, "wrong-secret-id");
    await using signer = newSigner({ appRole: { ...appRole, secretId: { file } } });
    for (let used = 0; used < 5; used += 1)
      expect(await errorOf(signer.sign(message))).toMatchObject({ code: "access-denied" });
    expect(await firstError({ appRole: { ...appRole, secretId: { file } } })).toMatchObject({
      message: expect.stringContaining("isn't sent again for 5 minutes"),
    });
    expect(plan.count("login")).toBe(1);
    writeFileSync(file, secretId);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });
});

describe("a token of a login", () => {
  it("is used again after the key could not be opened: the secret id may be valid only once", async () => {
    await using signer = newSigner({ appRole: { ...appRole, secretId: tokens.addSecretId(1) } });
    plan.next("read", { status: 404, errors: [] });
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "key-not-found" });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect([plan.count("login"), plan.count("revoke")]).toEqual([1, 0]);
  });

  it("that was revoked is replaced once for all concurrent callers", async () => {
    await using signer = newSigner({ appRole });
    await signer.sign(message);
    tokens.revoke(lastToken());
    await Promise.all(Array.from({ length: 20 }, () => signer.sign(message)));
    expect(plan.count("login")).toBe(2);
  });

  it("that the policies don't allow to sign isn't replaced: the secret id may be valid only once", async () => {
    deniedPaths.add("transit/sign/dpop/sha2-256").add("transit/keys/dpop");
    const once = { ...appRole, secretId: tokens.addSecretId(1) };
    const error = await firstError({ appRole: once });
    expect(error).toMatchObject({
      code: "access-denied",
      message: expect.stringContaining("`read` on transit/keys/dpop"),
    });
    expect(plan.count("login")).toBe(1);
  });

  it("isn't replaced again and again because of one path that is denied while others are allowed", async () => {
    await using allowed = newSigner({ appRole }, "other");
    await using signer = newSigner({ appRole });
    await Promise.all([allowed.sign(message), signer.publicJwk()]);
    deniedPaths.add("transit/sign/dpop/sha2-256");
    for (let used = 0; used < 5; used += 1) {
      expect(await errorOf(signer.sign(message))).toMatchObject({ code: "access-denied" });
      await allowed.sign(message);
    }
    expect(plan.count("login")).toBe(2);
  });

  it("is replaced again a minute later: the role may have got another policy, which only new tokens have", async () => {
    await using signer = newSigner({ appRole });
    await signer.publicJwk();
    deniedPaths.add("transit/sign/dpop/sha2-256");
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "access-denied" });
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + 61_000);
    const before = plan.count("login");
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "access-denied" });
    deniedPaths.clear();
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(plan.count("login")).toBe(before + 1);
  });

  it("stays in use if the secret id isn't valid for another login, and the error names both reasons", async () => {
    const once = { ...appRole, secretId: tokens.addSecretId(1) };
    await using allowed = newSigner({ appRole: once }, "other");
    await using signer = newSigner({ appRole: once });
    await Promise.all([allowed.sign(message), signer.publicJwk()]);
    deniedPaths.add("transit/sign/dpop/sha2-256");
    const error = await errorOf(signer.sign(message));
    expect(error).toMatchObject({
      code: "access-denied",
      message: expect.stringMatching(/policies.*another login failed/),
    });
    expect(inspect(error, { depth: 9 })).not.toContain(once.secretId);
    await expect(allowed.sign(message)).resolves.toHaveLength(64);
  });

  it("that always is denied in the middle ends after one more login", async () => {
    await using signer = newSigner({ appRole });
    await signer.sign(message);
    plan.always("sign", denied);
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "access-denied" });
    expect([plan.count("login"), plan.count("sign")]).toEqual([2, 3]);
  });

  it("is renewed before it expires, and replaced by a login when its maximum time is reached", async () => {
    tokens.terms = { ttl: 2, renewable: true, maxTtl: 4 };
    await using signer = newSigner({ appRole });
    for (let used = 0; used < 12; used += 1) {
      await signer.sign(message);
      await pause(500);
    }
    expect(plan.count("renew")).toBeGreaterThan(0);
    expect(plan.count("login")).toBeGreaterThan(1);
    expect(plan.count("login")).toBeLessThan(6);
  });

  it("that isn't renewable is replaced by a login when it expires", async () => {
    tokens.terms = { ttl: 1, renewable: false, maxTtl: 0 };
    await using signer = newSigner({ appRole });
    await signer.sign(message);
    await pause(1200);
    await signer.sign(message);
    expect([plan.count("login"), plan.count("renew")]).toEqual([2, 0]);
  });

  it.each<VaultFault>([{ status: 500, errors: ["no"] }, "reset", { status: 503, errors: ["Vault is sealed"] }])(
    "is renewed later if the server fails: %j",
    async (fault) => {
      tokens.terms = { ttl: 3, renewable: true, maxTtl: 0 };
      await using signer = newSigner({ appRole });
      await signer.sign(message);
      plan.next("renew", fault);
      await vi.waitFor(() => expect(plan.count("renew")).toBeGreaterThan(1), { timeout: 10_000, interval: 50 });
      await signer.sign(message);
    },
  );

  it("doesn't keep close() waiting if it can't be revoked", async () => {
    const signer = newSigner({ appRole });
    await signer.sign(message);
    plan.always("revoke", "hang");
    await signer.close();
    expect(plan.count("revoke")).toBe(1);
  });
});

describe("the caller's token", () => {
  it.each(["VAULT_TOKEN", "BAO_TOKEN"])("is in %s by default", async (name) => {
    vi.stubEnv(name, tokens.root);
    await using signer = newSigner({});
    await signer.sign(message);
    expect(lastToken()).toBe(tokens.root);
  });

  it("is in ~/.vault-token if no variable is set", async () => {
    vi.stubEnv("HOME", directory);
    const error = await firstError({});
    expect(error).toMatchObject({
      code: "pin-required",
      message: expect.stringContaining(join(directory, ".vault-token")),
    });
    writeFileSync(join(directory, ".vault-token"), tokens.root);
    await using signer = newSigner({});
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it("isn't sent to another server than that of VAULT_ADDR if it is the default one", async () => {
    vi.stubEnv("VAULT_TOKEN", tokens.root);
    vi.stubEnv("VAULT_ADDR", "https://vault.example.com:8200");
    const error = await firstError({});
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("VAULT_ADDR") });
    expect(plan.calls).toEqual([]);
    await using signer = newSigner({ token: { env: "VAULT_TOKEN" } });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it("isn't guessed if VAULT_TOKEN and BAO_TOKEN differ", async () => {
    vi.stubEnv("VAULT_TOKEN", tokens.root);
    vi.stubEnv("BAO_TOKEN", "s.another");
    const error = await firstError({});
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringMatching(/BAO_TOKEN and VAULT_TOKEN/) });
  });

  it("is read for each request, so that an agent can replace the file", async () => {
    const [first, second] = [tokens.issue(NEVER), tokens.issue(NEVER)];
    writeFileSync(file, `${first}\n`);
    await using signer = newSigner({ token: { file } });
    await signer.sign(message);
    writeFileSync(file, second);
    await signer.sign(message);
    expect(lastToken()).toBe(second);
    expect([plan.count("lookup"), plan.count("renew"), plan.count("revoke")]).toEqual([0, 0, 0]);
  });

  it("that was replaced while the request was denied is used for one more request", async () => {
    const answers = [tokens.root, "hvs.expired", tokens.root];
    await using signer = newSigner({ token: () => answers.shift() ?? tokens.root });
    await signer.publicJwk();
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(plan.count("sign")).toBe(2);
  });

  it.each([
    ["a variable that isn't set", { env: "HARDPROOF_NO_TOKEN" }],
    ["a file that doesn't exist", { file: "/no/such/token" }],
    ["characters that a header can't have", "s3cr3t\u0001token"],
    ["an empty function", () => ""],
  ])("from %s is missing: nothing is sent", async (_, token) => {
    const error = await firstError({ token });
    expect(error).toMatchObject({ code: "pin-required", message: expect.stringContaining("Nothing was sent") });
    expect(inspect(error)).not.toContain("s3cr3t");
    expect(plan.calls).toEqual([]);
  });

  it("from an option is renewed again and again, as long as the server allows", async () => {
    const token = tokens.issue({ ttl: 2, renewable: true, maxTtl: 0 });
    await using signer = newSigner({ token });
    await signer.sign(message);
    await vi.waitFor(() => expect(plan.count("renew")).toBeGreaterThan(2), { timeout: 20_000, interval: 50 });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it("that isn't renewable and has expired is an error that names the reason", async () => {
    const token = tokens.issue({ ttl: 1, renewable: false, maxTtl: 0 });
    await using signer = newSigner({ token });
    await signer.sign(message);
    await vi.waitFor(() => expect(plan.count("lookup")).toBe(1));
    await pause(1200);
    const error = await errorOf(signer.sign(message));
    expect(error).toMatchObject({
      code: "access-denied",
      message: expect.stringMatching(/has expired. It isn't renewable/),
    });
    expect(plan.count("sign")).toBe(2);
  });

  it("that may not look itself up signs all the same", async () => {
    plan.always("lookup", denied);
    await using signer = newSigner({ token: tokens.issue(NEVER) });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it("is never revoked", async () => {
    const token = tokens.issue(NEVER);
    const signer = newSigner({ token });
    await signer.sign(message);
    await signer.close();
    expect(plan.count("revoke")).toBe(0);
    expect(tokens.isValid(token)).toBe(true);
  });
});
