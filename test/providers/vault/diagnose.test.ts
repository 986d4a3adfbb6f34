/** What `hardproof doctor` finds out about a key in Vault. */
import { inspect } from "node:util";
import type { Finding } from "hardproof";
import { provider } from "hardproof/vault";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { vaultEmulator } from "../../../testing/emulators/vault.js";
import type { VaultFault } from "../../../testing/emulators/vault-faults.js";

const server = await vaultEmulator();
const { plan, tokens, deniedPaths } = server;
server.addKey("dpop");
afterEach(() => {
  plan.clear();
  deniedPaths.clear();
});
afterAll(() => server.close());

const NEVER = { ttl: 0, renewable: false, maxTtl: 0 };

async function diagnose(options: object = { token: tokens.root }, name = "dpop"): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const finding of provider.diagnose(server.uriOf(name), options)) findings.push(finding);
  expect(inspect(findings)).not.toContain("hvs.");
  return findings;
}

const find = (findings: readonly Finding[], check: string) => findings.find((finding) => finding.check === check);
const health = (status: number, state: object): VaultFault => ({
  status,
  html: JSON.stringify({ sealed: false, ...state }),
});

describe("diagnose()", () => {
  it.each([
    [429, { standby: true }, true, /standby/],
    [472, {}, false, /disaster recovery/],
    [473, { performance_standby: true }, true, /performance standby/],
    [501, { initialized: false }, false, /not initialized/],
    [503, { sealed: true }, false, /sealed/],
  ])("reports the health status %i", async (status, state, ok, found) => {
    plan.always("health", health(status, state));
    const findings = await diagnose();
    expect(find(findings, "server")).toMatchObject({ ok, found: expect.stringMatching(found) });
    if (!ok) expect(find(findings, "server")?.remedy).toMatch(/\.$/);
    expect(find(findings, "token") !== undefined).toBe(ok);
  });

  it("requests the health without a token and a namespace", async () => {
    server.namespaces.add("team");
    await diagnose({ token: tokens.root, namespace: "team" });
    const { headers } = plan.calls.find(({ operation }) => operation === "health")?.input ?? expect.unreachable();
    expect(headers).not.toHaveProperty("x-vault-token");
    expect(headers).not.toHaveProperty("x-vault-namespace");
  });

  it("reports a server that can't be reached, or that isn't Vault, as an error", async () => {
    plan.always("health", { status: 200, html: "<html>" });
    await expect(diagnose()).rejects.toMatchObject({ code: "unavailable" });
    const uri = "vault://127.0.0.1:1/transit/dpop?tls=off";
    await expect(provider.diagnose(uri, { token: "t" }).next()).rejects.toMatchObject({ code: "unavailable", uri });
  });

  it("compares the clocks", async () => {
    const date = new Date(Date.now() - 120_000).toUTCString();
    plan.always("health", { status: 200, html: '{"sealed":false}', headers: { date } });
    expect(find(await diagnose(), "Vault's clock")).toMatchObject({
      ok: null,
      found: expect.stringMatching(/^12\d s behind this machine$/),
    });
  });

  it.each([
    [{ ttl: 600, renewable: true, maxTtl: 0 }, true, "valid for 600 s, renewable"],
    [{ ttl: 600, renewable: false, maxTtl: 0 }, null, "valid for 600 s, not renewable"],
    [NEVER, true, "valid, without an end"],
  ])("reports how long a token is valid: %j", async (terms, ok, found) => {
    expect(find(await diagnose({ token: tokens.issue(terms) }), "token")).toMatchObject({ ok, found });
  });

  it("goes on if the token may not look itself up, and reports an invalid one as an error", async () => {
    plan.always("lookup", { status: 403, errors: ["permission denied"] });
    const findings = await diagnose();
    expect(find(findings, "token")).toMatchObject({ ok: null });
    expect(find(findings, "policy")).toMatchObject({ ok: true });
    await expect(diagnose({ token: "hvs-invalid" })).rejects.toMatchObject({ code: "access-denied" });
  });

  it("reports a policy that doesn't allow to sign, with the path", async () => {
    deniedPaths.add("transit/sign/dpop/sha2-256");
    expect(find(await diagnose({ token: tokens.issue(NEVER) }), "policy")).toMatchObject({
      ok: false,
      remedy: "Allow `update` on transit/sign/dpop/sha2-256 in a policy of the token.",
    });
    plan.always("capabilities", { status: 403, errors: ["permission denied"] });
    expect(find(await diagnose({ token: tokens.issue(NEVER) }), "policy")).toMatchObject({ ok: null });
  });

  it("reports a key that can be copied, and rejects one that can't sign", async () => {
    server.addKey("exportable", "ecdsa-p256", { exportable: true });
    server.addKey("aes", "aes256-gcm96");
    expect(find(await diagnose({ token: tokens.root }, "exportable"), "transit key")).toMatchObject({ ok: null });
    await expect(diagnose({ token: tokens.root }, "aes")).rejects.toMatchObject({ code: "wrong-key" });
    await expect(diagnose({ token: tokens.root }, "none")).rejects.toMatchObject({ code: "key-not-found" });
  });

  it("logs in by Kubernetes, but not by AppRole, whose secret id may be valid only once", async () => {
    const kubernetes = { role: "agent", jwt: tokens.kubernetes.secret };
    expect(find(await diagnose({ kubernetes }), "policy")).toMatchObject({ ok: true });
    const wrong = diagnose({ kubernetes: { role: "other", jwt: tokens.kubernetes.secret } });
    await expect(wrong).rejects.toMatchObject({ code: "access-denied", message: expect.stringContaining("login") });
    plan.clear();
    const appRole = { roleId: tokens.appRole.secret, secretId: tokens.addSecretId(1) };
    expect(find(await diagnose({ appRole }), "token")).toMatchObject({
      ok: null,
      found: expect.stringContaining("AppRole"),
    });
    expect(plan.count("login")).toBe(0);
  });
});
