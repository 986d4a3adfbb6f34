/** The example provider: the conformance kit, its requests, and how it maps each response. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import {
  createKey,
  DPoPProver,
  listKeys,
  loadProviders,
  openSigner,
  requireNonExportable,
  SignerError,
} from "hardproof";
import { conformance } from "hardproof/conformance";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { provider } from "../src/index.js";
import { formatTransitUri, parseTransitUri } from "../src/uri.js";
import { type Fault, TransitServer } from "./transit-server.js";

const server = await new TransitServer().listen();
server.addKey("dpop");
server.addKey("p384", "ecdsa-p384");
server.addKey("aes", "aes256-gcm96");
process.env.VAULT_TOKEN = server.token;
const directory = mkdtempSync(join(tmpdir(), "hardproof-vault-"));
// Loads the provider as an operator would.
await loadProviders([fileURLToPath(new URL("../src/index.ts", import.meta.url))]);
afterEach(() => server.recover());
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await server.close();
});

const errorOf = async (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const firstUse = async (uri: string) => {
  await using signer = await openSigner(uri);
  return errorOf(signer.publicJwk());
};

describe("the conformance kit", () => {
  const cases = conformance({
    open: () => openSigner(server.uriOf("dpop")),
    secrets: [server.token],
    connections: () => server.count("read"),
    wrongKey: { open: () => openSigner(server.uriOf("p384")), found: "ecdsa-p384" },
    failsFirst: () => {
      server.fail("read", { status: 503, errors: ["Vault is sealed"] });
      return openSigner(server.uriOf("dpop"));
    },
    hanging: (options) => {
      server.fail("sign", "hang");
      return openSigner(server.uriOf("dpop"), { ...options });
    },
    signatures: 200,
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});

describe("requests", () => {
  it("sends the digest, the format and the version, and the token only in a header", async () => {
    await using signer = await openSigner(server.uriOf("dpop", "&namespace=team"));
    await signer.sign(Buffer.from("abc"));
    const { url, headers, body } = server.requests.at(-1) ?? expect.unreachable();
    expect(url).toBe("/v1/transit/sign/dpop/sha2-256");
    expect(headers).toMatchObject({ "x-vault-token": server.token, "x-vault-namespace": "team" });
    // SHA-256 of "abc", FIPS 180-4.
    const input = Buffer.from("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "hex");
    expect(body).toEqual({
      input: input.toString("base64"),
      prehashed: true,
      marshaling_algorithm: "jws",
      key_version: 1,
    });
  });

  it("signs with the version that was the latest when the key was opened, even after a rotation", async () => {
    server.addKey("rotated");
    await using before = await openSigner(server.uriOf("rotated"));
    const jwk = await before.publicJwk();
    server.rotate("rotated");
    await before.sign(Buffer.from("a"));
    expect(server.requests.at(-1)?.body).toMatchObject({ key_version: 1 });
    await using after = await openSigner(server.uriOf("rotated"));
    await using pinned = await openSigner(server.uriOf("rotated", "&version=1"));
    expect(await after.publicJwk()).not.toEqual(jwk);
    expect(await pinned.publicJwk()).toEqual(jwk);
  });

  it("reads the token from the source in the URI for each request", async () => {
    const file = join(directory, "token");
    writeFileSync(file, `${server.token}\n`);
    await using signer = await openSigner(server.uriOf("dpop", `&token-source=${file}`));
    expect((await DPoPProver.create(signer)).jkt).toMatch(/^[\w-]{43}$/);
    writeFileSync(file, "hvs.expired");
    expect(await errorOf(signer.sign(Buffer.from("a")))).toMatchObject({ code: "access-denied" });
  });
});

describe("responses", () => {
  const responses: [string, Fault, string, boolean][] = [
    ["400", { status: 400, errors: ["version is too old"] }, "misconfigured", false],
    ["400 for a key that was deleted", { status: 400, errors: ["signing key not found"] }, "key-not-found", false],
    ["403", { status: 403, errors: ["permission denied"] }, "access-denied", false],
    ["412", { status: 412 }, "unavailable", true],
    ["429", { status: 429, errors: ["rate limit quota exceeded"] }, "throttled", true],
    ["500", { status: 500, errors: ["1 error occurred:\n\t* no\n\n"] }, "unavailable", true],
    ["503", { status: 503, errors: ["Vault is sealed"] }, "unavailable", true],
    ["a redirect", { status: 307, location: "http://127.0.0.1:1/v1/transit/sign/dpop" }, "misconfigured", false],
    ["a reset connection", "reset", "unavailable", true],
    ["a response that isn't JSON", "garbage", "unavailable", true],
    ["a signature by another version", "other-version", "integrity", false],
    ["a signature by another key", "other-key", "integrity", false],
  ];
  it.each(responses)("maps %s to a SignerError with the URI", async (_, fault, code, retryable) => {
    const uri = server.uriOf("dpop");
    await using signer = await openSigner(uri);
    await signer.publicJwk();
    server.fail("sign", fault);
    const error = await errorOf(signer.sign(Buffer.from("a")));
    expect(error).toMatchObject({ code, retryable, uri });
    expect(error.message).toMatch(/^[^\n]+$/);
    expect(error.message).not.toContain(server.token);
  });

  it.each([
    ["a missing key", "none", "", "key-not-found"],
    ["a key for encryption", "aes", "", "wrong-key"],
    ["a missing version", "dpop", "&version=9", "key-not-found"],
    ["a token variable that isn't set", "dpop", "&token-source=env:HARDPROOF_NO_TOKEN", "pin-required"],
    ["a token file that doesn't exist", "dpop", "&token-source=/no/such/token", "pin-required"],
  ])("fails at the first use of %s", async (_, name, query, code) => {
    const uri = formatTransitUri(parseTransitUri(server.uriOf(name, query)));
    expect(await firstUse(uri)).toMatchObject({ code, uri, message: expect.stringContaining(uri) });
  });
});

describe("describe", () => {
  it.each([
    ["a key that the server created", {}, false],
    ["a key that may be exported", { exportable: true }, true],
    ["a key that may be backed up in plaintext", { allow_plaintext_backup: true }, true],
    ["an imported key", { imported_key: true }, "unknown"],
    ["a server that doesn't report it", { imported_key: undefined }, "unknown"],
  ])("reports whether a key can be exported: %s", async (_, settings, exportable) => {
    server.addKey("described", "ecdsa-p256", settings);
    await using signer = await openSigner(server.uriOf("described"));
    const description = await signer.describe();
    expect(description).toMatchObject({ provider: "vault-transit", protection: "external", exportable });
    expect(description.evidence).toMatchObject({ name: "described", type: "ecdsa-p256", version: 1 });
    if (exportable === false) await requireNonExportable(signer, { protection: ["external"] });
  });
});

describe("createKey and listKeys", () => {
  it("createKey creates a P-256 key that can't be exported, and never overwrites a key", async () => {
    const uri = server.uriOf("new-key");
    await using signer = await createKey(uri);
    expect((await signer.describe()).exportable).toBe(false);
    expect(await errorOf(createKey(uri))).toMatchObject({ code: "misconfigured", uri });
    expect(server.count("create")).toBe(1);
  });

  it("listKeys lists the keys that can sign, with their versions", async () => {
    const found = await listKeys(server.uriOf(""));
    expect(found).toContain(formatTransitUri({ ...parseTransitUri(server.uriOf("dpop")), version: 1 }));
    expect(found.filter((uri) => /p384|aes/.test(uri))).toEqual([]);
    for (const uri of found) await (await openSigner(uri)).publicJwk();
  });
});

describe("the URI", () => {
  const name = fc.stringMatching(/^\w[\w.-]{0,12}$/);
  const key = fc.record({
    origin: fc.constantFrom("https://vault.example:8200", "https://vault.example", "http://127.0.0.1:8200"),
    mount: fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/")),
    name,
    version: fc.option(fc.integer({ min: 1, max: 99 }), { nil: undefined }),
    namespace: fc.option(name, { nil: undefined }),
    token: fc.constantFrom({ env: "VAULT_TOKEN" }, { env: "OTHER" }, { file: "/run/vault token" }),
  });

  it("formats and parses a URI without losing any part of it", () => {
    fc.assert(
      fc.property(key, (value) => {
        expect(parseTransitUri(formatTransitUri(value))).toEqual(value);
      }),
    );
  });

  it.each([
    ["another scheme", "vault://h/transit/k", /must start with vault-transit:/],
    ["no host", "vault-transit:///transit/k", /must have the form/],
    ["no mount", "vault-transit://h/k", /MOUNT\/NAME/],
    ["no key name", "vault-transit://h/transit/", /doesn't name a key/],
    ["a path traversal", "vault-transit://h/transit/%2e%2e/sys", /MOUNT\/NAME/],
    ["a user", "vault-transit://s3cr3t@h/transit/k", /user name/],
    ["a fragment", "vault-transit://h/transit/k#s3cr3t", /must be percent-encoded/],
    ["a token", "vault-transit://h/transit/k?token=s3cr3t", /Unknown attribute/],
    ["a token instead of its source", "vault-transit://h/transit/k?token-source=s3cr3t", /token-source must be/],
    ["an invalid version", "vault-transit://h/transit/k?version=0", /version must be/],
    ["a version twice", "vault-transit://h/transit/k?version=1&version=2", /version appears twice/],
    ["plain HTTP to another machine", "vault-transit://h/transit/k?tls=off", /only for a server on this machine/],
    [
      "a namespace that a header can't contain",
      "vault-transit://h/transit/k?namespace=%0a",
      /namespace must be letters/,
    ],
    ["another value of tls", "vault-transit://127.0.0.1/transit/k?tls=skip-verify", /tls must be `off`/],
  ])("rejects a URI with %s", (_, uri, why) => {
    expect(() => provider.open(uri)).toThrow(SignerError);
    expect(() => provider.open(uri)).toThrow(why);
    expect(() => provider.open(uri)).not.toThrow(/s3cr3t/);
  });
});

it("imports only published subpaths of Hardproof", () => {
  const { exports } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  for (const file of ["index", "provider", "signer", "client", "uri"]) {
    const source = readFileSync(new URL(`../src/${file}.ts`, import.meta.url), "utf8");
    for (const [, specifier] of source.matchAll(/from "([^"]+)"/g)) {
      if (specifier?.startsWith("./") || specifier?.startsWith("node:")) continue;
      expect(Object.keys(exports)).toContain(specifier?.replace(/^hardproof/, "."));
    }
  }
});
