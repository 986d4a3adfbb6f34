/** The commands with the option `--key` repeated: the same key on two SoftHSM tokens, of which one is taken away or wrong. */
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { authorizationServer } from "../../servers/authorization-server.js";
import { resourceServer } from "../../servers/resource-server.js";
import { replicatedTokens } from "../../shim/replicated-tokens.js";
import { isOneLine, run } from "./run.js";

const { hsm, a, b } = await replicatedTokens();
const as = await authorizationServer();
const rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
const keys = ["--key", a.uri, "--key", b.uri];
const other = `pkcs11:token=site-a;object=${hsm.key.label}?module-path=${hsm.module}&pin-source=env:REPLICA_PIN`;
const client = ["--issuer", as.issuer, "--client-id", as.client.clientId, "--no-state"];
const env = { HARDPROOF_CLIENT_SECRET: as.client.clientSecret };

beforeAll(() => {
  process.env.REPLICA_PIN = hsm.pin;
});
afterAll(async () => {
  delete process.env.REPLICA_PIN;
  await Promise.all([as.close(), rs.close()]);
  await hsm.close();
});

const jktOf = async (uri: string) => (await run(["show", uri, "--only", "jkt"])).out.trim();

describe("with both tokens", () => {
  it("show describes each replica", async () => {
    const { code, out } = await run(["show", ...keys]);
    expect(code).toBe(0);
    expect(out).toMatch(/^replica +pkcs11:token=site-a\S+: software, exportable: unknown$/m);
    expect(out).toMatch(/^replica +pkcs11:token=site-b\S+: software, exportable: unknown$/m);
    expect(out).toContain("The 2 replicas have the same key.");
    const { replicas, jkt } = JSON.parse((await run(["show", "--json", ...keys])).out);
    expect(replicas).toMatchObject([{ jkt }, { jkt }]);
    expect(out).not.toContain(hsm.pin);
  });

  it("doctor checks each replica, and then compares their keys", async () => {
    const { code, out } = await run(["doctor", "--json", ...keys]);
    expect(code).toBe(0);
    const checks = JSON.parse(out).findings.map(({ check }: { check: string }) => check);
    expect(checks.filter((check: string) => /replica|key|signature/.test(check))).toEqual([
      "replica 1",
      "key",
      "signature",
      "replica 2",
      "key",
      "signature",
      "same key",
    ]);
  });

  it.each([["show"], ["proof"], ["token"], ["doctor"]])(
    "%s says in its help that --key can be repeated",
    async (name) => {
      expect((await run([name, "--help"])).out.replace(/\s+/g, " ")).toContain(
        "repeated: of the same key in other stores",
      );
    },
  );
});

it("different keys are an error with both thumbprints", async () => {
  const [one, another] = [await jktOf(a.uri), await jktOf(other)];
  const { code, err } = await run(["proof", "--key", a.uri, "--key", other, "GET", "https://api.example.com/"]);
  expect(code).toBe(3);
  expect(isOneLine(err)).toBe(true);
  for (const jkt of [one, another]) expect(err).toContain(jkt);
  const { out } = await run(["doctor", "--json", "--key", a.uri, "--key", other]);
  expect(JSON.parse(out).findings.at(-1)).toMatchObject({ check: "same key", ok: false, found: "wrong-key" });
});

it("a URI as an argument beside --key is an error", async () => {
  const { code, err } = await run(["show", a.uri, "--key", b.uri]);
  expect(code).toBe(2);
  expect(err).toContain("either as an argument or with --key");
});

describe("while the first replica can't be reached", () => {
  // Nothing listens on this port.
  const away = "awskms:///1234abcd-12ab-34cd-56ef-1234567890ab?region=eu-central-1&endpoint=http://127.0.0.1:1";
  const replicas = ["--key", away, "--key", b.uri];
  beforeAll(() => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: "none", AWS_SECRET_ACCESS_KEY: "none" });
  });

  it("proof is made by the second one, and a note names the first", async () => {
    const { code, out, err } = await run(["proof", ...replicas, "GET", "https://api.example.com/"]);
    expect(code).toBe(0);
    expect(decodeJwt(out)).toMatchObject({ htm: "GET" });
    expect(err).toMatch(/^A replica failed: awskms:/);
    expect(err).not.toContain(hsm.pin);
  });

  it("token and fetch work with the second one", async () => {
    const { out, err } = await run(["token", ...replicas, ...client], { env });
    expect(decodeJwt(out)).toMatchObject({ cnf: { jkt: await jktOf(b.uri) } });
    expect(err).toContain("A replica failed: awskms:");
    const response = await run(["fetch", ...replicas, ...client, rs.url], { env });
    expect(JSON.parse(response.out)).toMatchObject({ jkt: await jktOf(b.uri) });
  });

  it("doctor reports the first one, and doesn't compare the keys", async () => {
    const { code, out } = await run(["doctor", "--json", ...replicas]);
    const { findings } = JSON.parse(out);
    expect(code).toBe(1);
    expect(findings.at(-1)).toMatchObject({ check: "same key", ok: null });
    expect(findings.filter(({ ok }: { ok: boolean }) => ok === false)).toHaveLength(1);
  });
});
