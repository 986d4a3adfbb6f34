/** `hardproof csr` with keys in SoftHSM and in memory. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isOneLine, run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-csr-"));
const path = (name: string) => join(directory, name);
let hsm: SoftHsm;
let key: string;
beforeAll(async () => {
  hsm = await softHsm({ label: "csr" });
  process.env.CSR_PIN = hsm.pin;
  key = `pkcs11:token=csr;object=dpop?module-path=${hsm.module}&pin-source=env:CSR_PIN`;
});
afterAll(async () => {
  await hsm.close();
  rmSync(directory, { recursive: true });
});

const openssl = (pem: string) =>
  execFileSync("openssl", ["req", "-verify", "-noout", "-text", "-subject", "-nameopt", "RFC2253"], {
    input: pem,
    encoding: "utf8",
    stdio: ["pipe", "pipe", "pipe"],
  });
const names = ["--dns", "a.example", "--dns", "b.example", "--uri", "spiffe://example.com/agent-7"];
const moreNames = ["--email", "a@b.example", "--ip", "192.0.2.1"];

describe("hardproof csr", () => {
  it("prints only the request on standard output, and OpenSSL verifies it", async () => {
    const args = ["csr", key, "--subject", "CN=agent-7,O=Acme\\, Inc.", ...names, ...moreNames];
    const { code, out, err } = await run(args);
    expect(code).toBe(0);
    expect(out).toMatch(/^-----BEGIN CERTIFICATE REQUEST-----\n[\w+/=\n]+-----END CERTIFICATE REQUEST-----\n$/);
    const text = openssl(out);
    expect(text).toContain("subject=CN=agent-7,O=Acme\\, Inc.\n");
    expect(text).toContain("TLS Web Client Authentication");
    const uris = "URI:spiffe://example.com/agent-7";
    expect(text).toContain(`DNS:a.example, DNS:b.example, ${uris}, email:a@b.example, IP Address:192.0.2.1`);
    expect(err).toMatch(/^thumbprint [\w-]{43}\n$/);
  });

  it("takes the key from HARDPROOF_KEY and the purposes from --usage", async () => {
    const args = ["csr", "--subject", "CN=a", "--usage", "serverAuth", "--usage", "clientAuth"];
    const { out } = await run(args, { env: { HARDPROOF_KEY: "memory:?algorithm=PS256" } });
    expect(openssl(out)).toContain("TLS Web Server Authentication, TLS Web Client Authentication");
  });

  it("prints one JSON document with --json", async () => {
    const { out, err } = await run(["csr", "memory:", "--subject", "CN=a", "--json"]);
    expect(JSON.parse(out)).toEqual({
      csr: expect.stringContaining("BEGIN"),
      jkt: expect.stringMatching(/^[\w-]{43}$/),
    });
    expect(err).toBe("");
  });

  it("writes a new file with --out", async () => {
    const file = path("new.csr");
    const { code, out } = await run(["csr", "memory:", "--subject", "CN=a", "--out", file]);
    expect({ code, out }).toEqual({ code: 0, out: "" });
    expect(openssl(readFileSync(file, "utf8"))).toContain("subject=CN=a");
  });

  it("doesn't overwrite a file", async () => {
    const file = path("existing.csr");
    writeFileSync(file, "precious");
    const { code, err } = await run(["csr", "memory:", "--subject", "CN=a", "--out", file]);
    expect({ code, err }).toEqual({
      code: 2,
      err: "hardproof: --out: the file exists. Choose a new one, or remove it.\n",
    });
    expect(readFileSync(file, "utf8")).toBe("precious");
  });

  it("reports a file that can't be written, without its path", async () => {
    const { code, err } = await run(["csr", "memory:", "--subject", "CN=a", "--out", path("missing/a.csr")]);
    expect({ code, err }).toEqual({ code: 2, err: "hardproof: --out: the file can't be written (ENOENT).\n" });
    expect(() => statSync(path("missing"))).toThrow();
  });

  it.each([
    [["--subject", "agent-7"], "--subject: Expected an attribute, such as CN=agent-7 (at character 1)."],
    [["--subject", "CM=agent-7"], "--subject: The type of an attribute isn't known. Use one of CN, "],
    [["--subject", "CN=a", "--dns", "a b"], "--dns: Expected a host name in ASCII."],
    [["--subject", "CN=a", "--uri", "agent-7"], "--uri: Expected an absolute URI in ASCII."],
    [["--subject", "CN=a", "--email", "agent-7"], "--email: Expected an email address in ASCII."],
    [["--subject", "CN=a", "--ip", "1.2.3"], "--ip: Expected an IPv4 or IPv6 address without a zone."],
    [["--subject", "CN=a", "--usage", "tls"], "--usage: Expected one of clientAuth, "],
    [[], "The option --subject <name> is missing."],
  ])("reports %j in words of the command line", async (options, message) => {
    const { code, err } = await run(["csr", "memory:", ...options]);
    expect(code).toBe(2);
    expect(err).toSatisfy(isOneLine);
    expect(err).toContain(`hardproof: ${message}`);
  });

  it("reports an error of the key with its own code", async () => {
    const { code, out } = await run(["csr", key.replace("dpop", "missing"), "--subject", "CN=a", "--json"]);
    expect(code).toBe(3);
    expect(JSON.parse(out).error.code).toBe("key-not-found");
  });
});
