/** The Key Vault emulator, as the official client and the API definition see it. */
import { createHash, createPublicKey, type JsonWebKey } from "node:crypto";
import { CryptographyClient, KeyClient, type SignatureAlgorithm } from "@azure/keyvault-keys";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type AzureKeyVaultEmulator, azureKeyVaultEmulator } from "../../testing/emulators/azure-kv.js";
import type { KeyVersion, VersionOptions } from "../../testing/emulators/azure-kv-keys.js";
import { isSignature } from "../providers/verify-jws.js";

let kv: AzureKeyVaultEmulator;
let vault: KeyClient;
let hsm: KeyClient;
const withoutRetries = { retryOptions: { maxRetries: 0 } };
beforeAll(async () => {
  kv = await azureKeyVaultEmulator();
  vault = new KeyClient(kv.vaultUrl, kv.credential, { ...kv.clientOptions, ...withoutRetries });
  hsm = new KeyClient(kv.hsmUrl, kv.credential, { ...kv.clientOptions, ...withoutRetries });
});
afterEach(() => kv.plan.clear());
afterAll(() => kv.close());

const MESSAGE = Buffer.from("a message");
const digestFor = (algorithm: string) =>
  createHash(`sha${algorithm.slice(2, 5)}`)
    .update(MESSAGE)
    .digest();
const clientFor = ({ kid }: KeyVersion) =>
  new CryptographyClient(kid, kv.credential, { ...kv.clientOptions, ...withoutRetries });

describe("sign", () => {
  const rows: [SignatureAlgorithm, VersionOptions][] = [
    ["ES256", { curve: "P-256" }],
    ["ES384", { curve: "P-384" }],
    ["ES512", { curve: "P-521" }],
    ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map((alg): [SignatureAlgorithm, VersionOptions] => [
      alg,
      { kty: "RSA" },
    ]),
  ];
  it.each(rows)("signs a digest with %s", async (algorithm, options) => {
    const key = kv.vault.add(options);
    const { result } = await clientFor(key).sign(algorithm, digestFor(algorithm));
    const jwk = { kty: key.kty, ...key.material.publicMembers } as JsonWebKey;
    expect(isSignature(algorithm, createPublicKey({ key: jwk, format: "jwk" }), MESSAGE, result)).toBe(true);
  });

  it.each<[string, SignatureAlgorithm, number, VersionOptions, number, string | undefined]>([
    ["a digest of another length", "ES256", 31, {}, 400, undefined],
    ["an algorithm for another type", "RS256", 32, {}, 400, undefined],
    ["an algorithm for another curve", "ES384", 48, {}, 400, undefined],
    ["a disabled key", "ES256", 32, { enabled: false }, 403, "KeyDisabled"],
    ["an expired key", "ES256", 32, { exp: 1 }, 403, "KeyExpired"],
    ["a key that isn't valid yet", "ES256", 32, { nbf: 4_000_000_000 }, 403, "KeyNotYetValid"],
    ["a key for other operations", "ES256", 32, { keyOps: ["verify"] }, 403, "KeyOperationForbidden"],
  ])("refuses %s", async (_, algorithm, bytes, options, statusCode, inner) => {
    const { kid, name, version } = kv.vault.add(options);
    const key = { id: kid, name, properties: { name, version, vaultUrl: kv.vaultUrl } };
    const client = new CryptographyClient(key, kv.credential, { ...kv.clientOptions, ...withoutRetries });
    const error = await client.sign(algorithm, Buffer.alloc(bytes)).catch((error) => error);
    expect(error).toMatchObject({ statusCode, code: statusCode === 403 ? "Forbidden" : "BadParameter" });
    expect(error.details.error.innerError?.code).toBe(inner);
  });
});

describe("the official client", () => {
  it("creates keys with what it serialises, and reads it back", async () => {
    const [notBefore, expiresOn] = [new Date("2024-01-02T03:04:05Z"), new Date("2037-01-02T03:04:05Z")];
    const created = await vault.createEcKey("created", {
      curve: "P-384",
      notBefore,
      expiresOn,
      keyOps: ["sign"],
      exportable: false,
    });
    const { key, keyOperations, keyType, properties } = await vault.getKey("created");
    expect(properties).toEqual(created.properties);
    expect(properties).toMatchObject({ notBefore, expiresOn, enabled: true, exportable: false, recoverableDays: 90 });
    expect([keyType, key?.crv, keyOperations]).toEqual(["EC", "P-384", ["sign"]]);
    expect(key?.x).toHaveLength(48);
  });

  it("lists keys page by page, deletes them, and is refused their names", async () => {
    for (let n = 0; n < 5; n++) kv.vault.add({ name: `listed-${n}` });
    const names: string[] = [];
    for await (const { name } of vault.listPropertiesOfKeys()) names.push(name);
    expect(names.filter((name) => name.startsWith("listed-"))).toHaveLength(5);
    const { properties } = (await vault.beginDeleteKey("listed-0")).getResult() ?? expect.unreachable();
    expect(properties.recoveryId).toContain("/deletedkeys/listed-0");
    await expect(vault.getKey("listed-0")).rejects.toMatchObject({ statusCode: 404, code: "KeyNotFound" });
    await expect(vault.createKey("listed-0", "EC")).rejects.toMatchObject({ statusCode: 409, code: "Conflict" });
  });

  it("gets a key's attestation from a managed HSM only", async () => {
    const { name, version } = kv.hsm.add();
    const { properties } = await hsm.getKeyAttestation(name, { version });
    expect(Buffer.from(properties.attestation?.certificatePemFile ?? []).toString()).toContain("BEGIN CERTIFICATE");
    const { name: other } = kv.vault.add();
    await expect(vault.getKeyAttestation(other)).rejects.toMatchObject({ statusCode: 400 });
    await expect(hsm.createKey("software", "EC")).rejects.toMatchObject({ statusCode: 400 });
  });

  it("gets no token for a challenge of another domain", async () => {
    kv.challengeResource = "https://vault.azure.net";
    const client = new KeyClient(kv.vaultUrl, kv.credential, { ...kv.clientOptions, ...withoutRetries });
    const { issued } = kv.tokens;
    await expect(client.getKey("any")).rejects.toThrow(/challenge resource 'vault\.azure\.net' does not match/);
    expect(kv.tokens.issued).toBe(issued);
    kv.challengeResource = undefined;
  });
});

/** The members of each object in the API definition of version 2025-07-01 (keyvault/data-plane/Keys). */
const MEMBERS = {
  KeyBundle: ["key", "attributes", "tags", "managed", "release_policy"],
  DeletedKeyBundle: [
    "key",
    "attributes",
    "tags",
    "managed",
    "release_policy",
    "recoveryId",
    "scheduledPurgeDate",
    "deletedDate",
  ],
  JsonWebKey: ["kid", "kty", "key_ops", "n", "e", "crv", "x", "y"],
  KeyAttributes: [
    "enabled",
    "nbf",
    "exp",
    "created",
    "updated",
    "recoverableDays",
    "recoveryLevel",
    "exportable",
    "hsmPlatform",
    "attestation",
  ],
  KeyAttestation: ["certificatePemFile", "privateKeyAttestation", "publicKeyAttestation", "version"],
  KeyListResult: ["value", "nextLink"],
  KeyItem: ["kid", "attributes", "tags", "managed"],
  KeyOperationResult: ["kid", "value", "iv", "tag", "aad"],
  KeyVaultError: ["error"],
  Error: ["code", "message", "innererror"],
};

describe("the API definition", () => {
  const send = async (
    path: string,
    { url = kv.vaultUrl, method = "GET", body = undefined as object | undefined } = {},
  ) => {
    const { token } = kv.tokens.issue(url === kv.vaultUrl ? "https://vault.localhost" : "https://managedhsm.localhost");
    // `fetch` doesn't resolve names under localhost everywhere, so the request is addressed by its header.
    const { port, host } = new URL(url);
    const { request } = await import("node:http");
    return new Promise<{ status: number; body: Record<string, unknown> }>((resolve, reject) => {
      const sent = request({
        host: "127.0.0.1",
        port,
        path,
        method,
        headers: { host, authorization: `Bearer ${token}` },
      });
      sent.on("error", reject).on("response", async (response) => {
        const { json } = await import("node:stream/consumers");
        resolve({ status: response.statusCode ?? 0, body: (await json(response)) as Record<string, unknown> });
      });
      sent.end(body && JSON.stringify(body));
    });
  };
  const expectMembers = (value: unknown, type: keyof typeof MEMBERS) => {
    expect(MEMBERS[type]).toEqual(expect.arrayContaining(Object.keys(Object(value))));
    return Object(value);
  };
  const expectBundle = (value: unknown, type: "KeyBundle" | "DeletedKeyBundle" = "KeyBundle") => {
    const { key, attributes } = expectMembers(value, type);
    expectMembers(key, "JsonWebKey");
    const { nbf = 0, exp = 0, created, updated } = expectMembers(attributes, "KeyAttributes");
    for (const time of [nbf, exp, created, updated]) expect(Number.isInteger(time)).toBe(true);
    return attributes;
  };
  const VERSION = "?api-version=2025-07-01";

  it("has all members of the responses", async () => {
    const { name, version } = kv.vault.add({ nbf: 1, exp: 4_000_000_000, managed: true });
    expectBundle((await send(`/keys/${name}/${version}${VERSION}`)).body);
    expectBundle((await send(`/keys/${name}${VERSION}`)).body);
    const list = expectMembers((await send(`/keys${VERSION}`)).body, "KeyListResult");
    for (const item of list.value) expectMembers(expectMembers(item, "KeyItem").attributes, "KeyAttributes");
    const created = await send(`/keys/made/create${VERSION}`, { method: "POST", body: { kty: "RSA", key_size: 2048 } });
    expectBundle(created.body);
    const hsmKey = kv.hsm.add();
    const attested = await send(`/keys/${hsmKey.name}/${hsmKey.version}/attestation${VERSION}`, { url: kv.hsmUrl });
    expectMembers(expectBundle(attested.body).attestation, "KeyAttestation");
    kv.vault.delete("made");
    expectBundle((await send(`/deletedkeys/made${VERSION}`)).body, "DeletedKeyBundle");
  });

  it("has all members of a signature and of an error", async () => {
    const { name, version } = kv.vault.add();
    const path = `/keys/${name}/${version}/sign${VERSION}`;
    const body = { alg: "ES256", value: digestFor("ES256").toString("base64url") };
    const signed = await send(path, { method: "POST", body });
    expect(signed.status).toBe(200);
    expect(expectMembers(signed.body, "KeyOperationResult").value).toMatch(/^[\w-]{86}$/);
    kv.vault.find(name).attributes.enabled = false;
    const refused = await send(path, { method: "POST", body });
    expect(refused.status).toBe(403);
    expectMembers(expectMembers(refused.body, "KeyVaultError").error, "Error");
  });

  it.each([
    ["a request without a version of the API", "/keys", "GET", 400],
    ["a request to sign without a body", `/keys/dpop/1/sign${VERSION}`, "POST", 404],
    ["an unknown path", `/secrets${VERSION}`, "GET", 404],
  ])("has the status of %s", async (_, path, method, status) => {
    expect((await send(path, { method })).status).toBe(status);
  });
});
