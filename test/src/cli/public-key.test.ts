/** `--public-key`, in every command that opens a key, for a private key whose token doesn't have its public key. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSigner, type PublicJwk } from "hardproof";
import { calculateJwkThumbprint } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SoftHsm, softHsm } from "../../../softhsm/index.js";
import { selfSigned } from "../../providers/pkcs11/self-signed.js";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { type ResourceServer, resourceServer } from "../../servers/resource-server.js";
import { isOneLine, run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-public-key-"));
const path = (name: string) => join(directory, name);
let hsm: SoftHsm;
let uri: string;
let jwk: PublicJwk;
let jkt: string;
let as: AuthorizationServer;
let rs: ResourceServer;
beforeAll(async () => {
  hsm = await softHsm({ label: "bare" });
  process.env.BARE_PIN = hsm.pin;
  uri = `pkcs11:token=bare;object=dpop?module-path=${hsm.module}&pin-source=env:BARE_PIN`;
  await using signer = await openSigner(uri);
  jwk = await signer.publicJwk();
  jkt = await calculateJwkThumbprint({ ...jwk });
  const certificate = (await selfSigned(signer)).toString("base64").replace(/.{1,64}/g, "$&\n");
  writeFileSync(path("key.pem"), pem(createPublicKey({ key: { ...jwk }, format: "jwk" })));
  writeFileSync(path("key.jwk"), JSON.stringify(jwk));
  writeFileSync(path("certificate.pem"), `-----BEGIN CERTIFICATE-----\n${certificate}-----END CERTIFICATE-----\n`);
  await hsm.deleteObject({ type: "pubkey", id: "01" });
  const jwks = { keys: [{ ...jwk, kid: jkt, alg: "ES256", use: "sig" }] };
  const byKey = { ...confidential, client_id: "by-key", token_endpoint_auth_method: "private_key_jwt", jwks } as const;
  as = await authorizationServer({ clients: [byKey] });
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
});
afterAll(async () => {
  await Promise.all([rs.close(), as.close()]);
  await hsm.close();
  rmSync(directory, { recursive: true });
});

const pem = (key: KeyObject) => key.export({ type: "spki", format: "pem" });
const option = () => ["--public-key", path("key.pem")];

describe("a private key without its public key", () => {
  it("can't be opened without the option, and the error names the option", async () => {
    const { code, err } = await run(["show", uri]);
    expect(code).toBe(3);
    expect(err).toContain("--public-key");
  });

  it.each(["key.pem", "key.jwk", "certificate.pem"])("show takes the public key from %s", async (file) => {
    const { code, out } = await run(["show", uri, "--only", "jkt", "--public-key", path(file)]);
    expect([code, out.trim()]).toEqual([0, jkt]);
  });

  const byKey = ["--client-id", "by-key", "--client-auth", "private_key_jwt"];
  it.each<[name: string, args: () => string[]]>([
    ["proof", () => ["proof", uri, "GET", "https://a.example", ...option()]],
    ["doctor", () => ["doctor", uri, ...option()]],
    ["bench", () => ["bench", uri, "--seconds", "0.1", "--concurrency", "1", ...option()]],
    ["demo", () => ["demo", uri, ...option()]],
    ["token", () => ["token", "--key", uri, "--issuer", as.issuer, ...byKey, ...option()]],
    ["fetch", () => ["fetch", `${rs.origin}/resource`, "--key", uri, "--issuer", as.issuer, ...byKey, ...option()]],
  ])("%s takes the public key from a file", async (_, args) => {
    expect(await run(args())).toMatchObject({ code: 0 });
  });

  it("token takes the public key of --client-key from --client-public-key", async () => {
    const args = ["token", "--key", "memory:", "--client-key", uri, "--issuer", as.issuer, ...byKey];
    expect(await run(args)).toMatchObject({ code: 3 });
    expect(await run([...args, "--client-public-key", path("key.pem")])).toMatchObject({ code: 0 });
  });

  it("doesn't sign if the public key isn't the private key's", async () => {
    writeFileSync(path("other.pem"), pem(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey));
    const { code, out } = await run([
      "proof",
      uri,
      "GET",
      "https://a.example",
      "--public-key",
      path("other.pem"),
      "--json",
    ]);
    expect(code).toBe(3);
    expect(JSON.parse(out).error.code).toBe("integrity");
  });
});

describe("a file that doesn't contain a P-256 public key", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const files: Record<string, string | Buffer> = {
    "a text": "hunter2",
    "an incomplete JWK": '{"kty":"EC","crv":"P-256","x":"hunter2"}',
    "another curve": pem(generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey),
    "an RSA key": pem(generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey),
    "a private key": privateKey.export({ type: "pkcs8", format: "pem" }),
    "a private JWK": JSON.stringify({ ...publicKey.export({ format: "jwk" }), d: "hunter2" }),
  };
  it.each([
    ["a text", /public key or a certificate in PEM, or a JWK/],
    ["an incomplete JWK", /public key or a certificate in PEM, or a JWK/],
    ["another curve", /needs a P-256 key/],
    ["an RSA key", /needs a P-256 key/],
    ["a private key", /contains a private key/],
    ["a private JWK", /contains a private key/],
    ["a missing file", /can't be read \(ENOENT\)/],
  ])("%s ends the command with exit code 2 and one line", async (name, problem) => {
    const content = files[name];
    if (content !== undefined) writeFileSync(path(name), content);
    const { code, err } = await run(["show", uri, "--public-key", path(name)]);
    expect(code).toBe(2);
    expect(err).toMatch(problem);
    expect(isOneLine(err)).toBe(true);
    expect(err).not.toContain("hunter2");
  });
});
