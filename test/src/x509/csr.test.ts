/** Certificate requests and self-signed certificates, verified by OpenSSL, by @peculiar/x509 and by node:crypto. */
import "reflect-metadata";
import { execFileSync, spawnSync } from "node:child_process";
import { createPublicKey, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pkcs10CertificateRequest } from "@peculiar/x509";
import { KeySigner, type Signer } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { type CsrOptions, createCsr, selfSignedCertificate } from "hardproof/x509";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testedAlgorithms } from "../../tested-algorithms.js";

const subject = "CN=agent-7,O=Acme\\, Inc.,C=DE";
const misconfigured = expect.objectContaining({ name: "SignerError", code: "misconfigured" });

let hsm: SoftHsm;
beforeAll(async () => {
  hsm = await softHsm({ label: "x509" });
  await hsm.addKey({ label: "rsa", id: "02", algorithm: "RS256" });
  await hsm.addKey({ label: "ed25519", id: "03", algorithm: "Ed25519" });
});
afterAll(() => hsm.close());

/** What OpenSSL says of a request: its text on standard output, the verification on standard error. */
function openssl(pem: string): string {
  const args = ["req", "-verify", "-noout", "-text", "-subject", "-nameopt", "RFC2253,utf8"];
  const { stdout, stderr } = spawnSync("openssl", args, { input: pem, encoding: "utf8" });
  return stdout + stderr;
}

async function expectPublicKey(signer: Signer, key: ReturnType<typeof createPublicKey>): Promise<void> {
  expect(key.equals(createPublicKey({ key: { ...(await signer.publicJwk()) }, format: "jwk" }))).toBe(true);
}

async function expectVerified(signer: Signer): Promise<void> {
  const { pem, der } = await createCsr(signer, { subject });
  const request = new Pkcs10CertificateRequest(pem);
  expect(Buffer.from(request.rawData).equals(Buffer.from(der))).toBe(true);
  expect(await request.verify()).toBe(true);
  const spki = Buffer.from(request.publicKey.rawData);
  await expectPublicKey(signer, createPublicKey({ key: spki, format: "der", type: "spki" }));
}

describe("a certificate request by a key in SoftHSM", () => {
  const newSigner = (key: string, algorithm?: "PS256" | "RS256") =>
    new Pkcs11Signer({ module: hsm.module, token: hsm.token, key, pin: hsm.pin, algorithm });

  it.each([
    ["dpop", undefined, "ecdsa-with-SHA256"],
    ["rsa", "PS256", "rsassaPss"],
    ["rsa", "RS256", "sha256WithRSAEncryption"],
    ["ed25519", undefined, "ED25519"],
  ] as const)("is verified by OpenSSL and @peculiar/x509: %s %s", async (key, algorithm, name) => {
    await using signer = newSigner(key, algorithm);
    const { pem } = await createCsr(signer, { subject });
    const text = openssl(pem);
    expect(text).toContain("Certificate request self-signature verify OK");
    expect(text).toContain(`Signature Algorithm: ${name}`);
    expect(text).toContain("subject=CN=agent-7,O=Acme\\, Inc.,C=DE");
    expect(text).toContain("TLS Web Client Authentication");
    expect(text).not.toContain("Alternative");
    await expectVerified(signer);
  });
});

describe.each(testedAlgorithms("memory"))("a certificate request by a key in memory for %s", (alg) => {
  it("is verified by @peculiar/x509", async () => {
    await expectVerified(await MemorySigner.generate({ algorithm: alg }));
  });
});

describe("the options of a certificate request", () => {
  const request = async (options: Partial<CsrOptions>) =>
    openssl((await createCsr(MemorySigner.generate(), { subject: "CN=a", ...options })).pem);

  it("contain alternative names of each kind", async () => {
    const text = await request({
      subjectAltNames: {
        dns: ["agent-7.example.com", "*.example.com", "_service.example"],
        uri: ["spiffe://example.com/agent-7"],
        email: ["agent@example.com"],
        ip: ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"],
      },
    });
    expect(text).toContain(
      [
        "DNS:agent-7.example.com",
        "DNS:*.example.com",
        "DNS:_service.example",
        "URI:spiffe://example.com/agent-7",
        "email:agent@example.com",
        "IP Address:192.0.2.1",
        "IP Address:2001:DB8:0:0:0:0:0:1",
        "IP Address:0:0:0:0:0:FFFF:C000:201",
      ].join(", "),
    );
  });

  it("can name other purposes, or none", async () => {
    expect(await request({ extendedKeyUsage: ["serverAuth", "1.3.6.1.5.2.3.4"] })).toMatch(
      /Extended Key Usage: *\n *TLS Web Server Authentication, Signing KDC Response|TLS Web Server Authentication, PKINIT Client Auth/,
    );
    expect(await request({ extendedKeyUsage: [] })).not.toContain("Extended Key Usage");
  });

  it("with a subject as an object can't add an attribute, whatever its values contain", async () => {
    const text = await request({ subject: { CN: 'a,O=Evil+OU=x"\\', O: "#04024869" } });
    expect(text).toContain('subject=CN=a\\,O\\=Evil\\+OU\\=x\\"\\\\,O=\\#04024869'.replaceAll("\\=", "="));
  });

  it.each<[string, Partial<CsrOptions>]>([
    ["subject: ", { subject: "agent-7" }],
    ["subject: ", { subject: { CN: "a\0b" } }],
    ["subjectAltNames.dns: ", { subjectAltNames: { dns: ["a.example,DNS:b.example"] } }],
    ["subjectAltNames.dns: ", { subjectAltNames: { dns: ["bücher.example"] } }],
    ["subjectAltNames.uri: ", { subjectAltNames: { uri: ["/agent-7"] } }],
    ["subjectAltNames.uri: ", { subjectAltNames: { uri: ["spiffe://example.com/agent 7"] } }],
    ["subjectAltNames.email: ", { subjectAltNames: { email: ["agent"] } }],
    ["subjectAltNames.ip: ", { subjectAltNames: { ip: ["192.0.2.0/24"] } }],
    ["subjectAltNames.ip: ", { subjectAltNames: { ip: ["fe80::1%eth0"] } }],
    ["extendedKeyUsage: ", { extendedKeyUsage: ["clientauth"] }],
  ])("are checked before the key is opened: %s%j", async (prefix, options) => {
    const unopened = new KeySigner({ provider: "x", uri: "x:", open: () => expect.unreachable() });
    const created = createCsr(unopened, { subject: "CN=a", ...options });
    await expect(created).rejects.toEqual(misconfigured);
    await expect(created).rejects.toThrow(prefix);
  });
});

it("a request that was made without alternative names has no extension for them", async () => {
  const { der } = await createCsr(MemorySigner.generate(), { subject, subjectAltNames: { dns: [] } });
  expect(new Pkcs10CertificateRequest(der).getExtension("2.5.29.17")).toBeNull();
});

it("an error of the key is thrown as it is", async () => {
  await using signer = new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: "missing", pin: hsm.pin });
  await expect(createCsr(signer, { subject })).rejects.toMatchObject({ code: "key-not-found" });
});

it("an aborted signal stops the request, because each call of the signer has it", async () => {
  const memory = MemorySigner.generate();
  const signals: unknown[] = [];
  const recording: Partial<Signer> = {
    publicJwk: (options) => memory.publicJwk(options).finally(() => signals.push(options?.signal)),
    sign: (data, options) => memory.sign(data, options).finally(() => signals.push(options?.signal)),
  };
  const { signal } = new AbortController();
  await createCsr(recording as Signer, { subject, signal });
  expect(signals).toEqual([signal, signal]);
  const created = createCsr(memory, { subject, signal: AbortSignal.abort() });
  await expect(created).rejects.toMatchObject({ code: "aborted" });
});

describe("a self-signed certificate", () => {
  it("is verified by OpenSSL and node:crypto, and isn't an authority", async () => {
    await using signer = new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });
    const notBefore = new Date("2026-01-01T00:00:00Z");
    const { pem, der } = await selfSignedCertificate(signer, { subject, notBefore, notAfter: new Date("2046-01-01") });
    const certificate = new X509Certificate(pem);
    expect(certificate.raw.equals(Buffer.from(der))).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    const { subject: name, issuer, ca } = certificate;
    expect({ name, issuer, ca }).toEqual({ name: "C=DE\nO=Acme\\, Inc.\nCN=agent-7", issuer: name, ca: false });
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
    expect(certificate.validFrom).toBe("Jan  1 00:00:00 2026 GMT");
    await expectPublicKey(signer, certificate.publicKey);
    expect(verifiedByOpenssl(pem)).toContain(": OK");
  });

  it("is valid for a year, with a random serial number", async () => {
    const signer = MemorySigner.generate();
    const [one, two] = await Promise.all([1, 2].map(() => selfSignedCertificate(signer, { subject })));
    const { validFrom, validTo, serialNumber } = new X509Certificate(one?.pem ?? "");
    expect(Date.parse(validTo) - Date.parse(validFrom)).toBe(365 * 24 * 60 * 60 * 1000);
    expect(serialNumber).not.toBe(new X509Certificate(two?.pem ?? "").serialNumber);
  });

  it("contains its first and last second, from 1950 to the end of 9999", async () => {
    const [notBefore, notAfter] = [new Date("1950-01-01T00:00:00Z"), new Date("9999-12-31T23:59:59Z")];
    const { pem } = await selfSignedCertificate(MemorySigner.generate(), { subject, notBefore, notAfter });
    const { validFrom, validTo } = new X509Certificate(pem);
    expect([validFrom, validTo]).toEqual(["Jan  1 00:00:00 1950 GMT", "Dec 31 23:59:59 9999 GMT"]);
  });

  it.each([
    ["before 1950", { notBefore: new Date("1949-12-31T23:59:59Z") }],
    ["after 9999", { notAfter: new Date("+010000-01-01") }],
    ["that end before they begin", { notBefore: new Date("2030-01-02"), notAfter: new Date("2030-01-01") }],
    ["that aren't dates", { notBefore: new Date("tomorrow") }],
    ["whose end isn't a date", { notAfter: new Date("tomorrow") }],
  ])("isn't made for times %s, and the key isn't opened", async (_, times) => {
    const error = { code: "misconfigured", message: expect.stringMatching(/^notBefore and notAfter must be dates/) };
    await expect(selfSignedCertificate({} as Signer, { subject, ...times })).rejects.toMatchObject(error);
  });

  function verifiedByOpenssl(pem: string): string {
    const directory = mkdtempSync(join(tmpdir(), "hardproof-x509-"));
    try {
      const file = join(directory, "certificate.pem");
      writeFileSync(file, pem);
      return execFileSync("openssl", ["verify", "-CAfile", file, "-purpose", "sslclient", file], { encoding: "utf8" });
    } finally {
      rmSync(directory, { recursive: true });
    }
  }
});
