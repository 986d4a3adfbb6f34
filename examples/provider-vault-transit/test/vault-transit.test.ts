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
  type Signer,
  SignerError,
} from "hardproof";
import { conformance } from "hardproof/conformance";
import type { AlgorithmName } from "hardproof/provider";
import { importJWK, jwtVerify } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { isSignedBy } from "../../../test/providers/verify-jws.js";
import { type AlgorithmServers, algorithmServers } from "../../../test/servers/algorithm-servers.js";
import { provider } from "../src/index.js";
import { formatTransitUri, parseTransitUri } from "../src/uri.js";
import type { KeyType } from "./transit-keys.js";
import { type Fault, TransitServer } from "./transit-server.js";

const server = await new TransitServer().listen();
server.addKey("dpop");
server.addKey("aes", "aes256-gcm96");
server.addKey("derived", "ed25519", { derived: true });
server.addKey("deleted", "ecdsa-p256", { soft_deleted: true });
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

/** The key type of each algorithm, and what the body of a signature request has besides `input` and `key_version`. */
const prehashed = { marshaling_algorithm: "jws", prehashed: true };
const pss = { ...prehashed, signature_algorithm: "pss", salt_length: "hash" };
const pkcs1 = { ...prehashed, signature_algorithm: "pkcs1v15" };
const ALGORITHMS: [AlgorithmName, KeyType, path: string, object][] = [
  ["ES256", "ecdsa-p256", "/sha2-256", prehashed],
  ["ES384", "ecdsa-p384", "/sha2-384", prehashed],
  ["ES512", "ecdsa-p521", "/sha2-512", prehashed],
  ["Ed25519", "ed25519", "", { marshaling_algorithm: "jws" }],
  ["PS256", "rsa-2048", "/sha2-256", pss],
  ["PS384", "rsa-3072", "/sha2-384", pss],
  ["PS512", "rsa-4096", "/sha2-512", pss],
  ["RS256", "rsa-2048", "/sha2-256", pkcs1],
  ["RS384", "rsa-3072", "/sha2-384", pkcs1],
  ["RS512", "rsa-4096", "/sha2-512", pkcs1],
];
for (const type of new Set(ALGORITHMS.map(([, type]) => type))) server.addKey(type, type);

/** The small RSA keys sign faster. */
const KIT = ALGORITHMS.map(([alg, type]) => [alg, type.replace(/^rsa-\d+/, "rsa-2048")] as const);

describe.each(KIT)("the conformance kit with %s", (algorithm, type) => {
  const uri = server.uriOf(type, `&algorithm=${algorithm}`);
  const otherType = type === "ecdsa-p256" ? "ecdsa-p384" : "ecdsa-p256";
  const cases = conformance({
    open: () => openSigner(uri),
    secrets: [server.token],
    connections: () => server.count("read"),
    wrongKey: {
      open: () => openSigner(server.uriOf(otherType, `&algorithm=${algorithm}`)),
      found: otherType === "ecdsa-p384" ? "P-384" : "P-256",
    },
    failsFirst: () => {
      server.fail("read", { status: 503, errors: ["Vault is sealed"] });
      return openSigner(uri);
    },
    hanging: (options) => {
      server.fail("sign", "hang");
      return openSigner(uri, { ...options });
    },
    signatures: 50,
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});

describe("an algorithm", () => {
  it.each(ALGORITHMS)("%s, with a key of type %s, makes proofs that node:crypto and jose verify", async (...row) => {
    const [algorithm, type, path, parameters] = row;
    await using signer = await openSigner(server.uriOf(type, `&algorithm=${algorithm}`));
    const prover = await DPoPProver.create(signer);
    const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example/" });
    const { protectedHeader } = await jwtVerify(proof, await importJWK({ ...prover.publicJwk }, algorithm));
    expect(protectedHeader.alg).toBe(algorithm);
    expect(isSignedBy(proof, prover.publicJwk, algorithm)).toBe(true);
    expect(isSignedBy(proof.replace(".", ".A"), prover.publicJwk, algorithm)).toBe(false);
    const { url, body } = server.requests.at(-1) ?? expect.unreachable();
    expect(url).toBe(`/v1/transit/sign/${type}${path}`);
    expect(body).toEqual({ ...parameters, key_version: 1, input: expect.any(String) });
  });

  it.each(ALGORITHMS)("%s, with a key of type %s, rejects a signature by another key", async (algorithm, type) => {
    await using signer = await openSigner(server.uriOf(type, `&algorithm=${algorithm}`));
    await signer.publicJwk();
    server.fail("sign", "other-key");
    expect(await errorOf(signer.sign(Buffer.from("a")))).toMatchObject({ code: "integrity", uri: signer.uri });
  });

  it("PS256 rejects a signature of a server that doesn't know salt_length, which uses the longest salt", async () => {
    await using signer = await openSigner(server.uriOf("rsa-2048", "&algorithm=PS256"));
    server.fail("sign", "longest-salt");
    expect(await errorOf(signer.sign(Buffer.from("a")))).toMatchObject({ code: "integrity" });
  });

  it("is required for an RSA key, and the error lists those that it can sign with", async () => {
    const error = await firstUse(server.uriOf("rsa-2048"));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringMatching(/RS256.*PS256/) });
    await using signer = await openSigner(server.uriOf("rsa-2048"), { algorithm: "RS384" });
    expect((await signer.publicJwk()).alg).toBe("RS384");
  });

  it.each(ALGORITHMS)("%s makes createKey create a key that fits", async (algorithm, type) => {
    const name = `created-${algorithm}`;
    await using signer = await createKey(server.uriOf(name), { algorithm });
    expect((await signer.publicJwk()).alg).toBe(algorithm);
    const { evidence } = await signer.describe();
    expect(evidence.type).toBe(type.startsWith("rsa") ? "rsa-3072" : type);
  });

  it("that the engine doesn't have isn't requested", async () => {
    const sent = server.requests.length;
    const error = await errorOf(createKey(server.uriOf("never"), { algorithm: "ML-DSA-44" }));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("ML-DSA-44") });
    expect(server.requests).toHaveLength(sent);
  });
});

describe("servers", () => {
  let signers: Map<AlgorithmName, Signer>;
  let servers: AlgorithmServers;
  beforeAll(async () => {
    const opened = ALGORITHMS.map(async ([alg, type]) => {
      return [alg, await openSigner(server.uriOf(type, `&algorithm=${alg}`))] as const;
    });
    signers = new Map(await Promise.all(opened));
    servers = await algorithmServers([...signers.values()]);
  });
  afterAll(async () => {
    await servers.close();
    await Promise.all([...signers.values()].map((signer) => signer.close()));
  });

  it.each(ALGORITHMS)("accept %s in proofs and client assertions (oidc-provider, oauth4webapi)", async (alg) => {
    const { key, token, resource } = await servers.useKey(signers.get(alg) ?? expect.unreachable());
    expect([token, resource]).toEqual([key, key]);
  });
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
  const internal = (error: string) => ({ status: 500, errors: [`1 error occurred:\n\t* ${error}\n\n`] });
  const version = "requested version for signing is";
  const responses: [string, Fault, string, boolean][] = [
    ["400", { status: 400, errors: ["version is too old"] }, "misconfigured", false],
    ["400 for a key that was deleted", { status: 400, errors: ["signing key not found"] }, "key-not-found", false],
    ["403", { status: 403, errors: ["permission denied"] }, "access-denied", false],
    ["412", { status: 412 }, "unavailable", true],
    ["429", { status: 429, errors: ["rate limit quota exceeded"] }, "throttled", true],
    ["500", { status: 500, errors: ["1 error occurred:\n\t* no\n\n"] }, "unavailable", true],
    ["500 for a version that is too old", internal(`${version} less than the minimum`), "key-not-found", false],
    ["500 for a version that was removed", internal("no such key version"), "key-not-found", false],
    ["500 for a soft-deleted key", internal("refusing to use soft-deleted key"), "access-denied", false],
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
    ["a derived key, which has no public key of its own", "derived", "", "wrong-key"],
    ["a soft-deleted key", "deleted", "", "access-denied"],
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
    const before = server.count("create");
    await using signer = await createKey(uri);
    expect((await signer.describe()).exportable).toBe(false);
    expect(await errorOf(createKey(uri))).toMatchObject({ code: "misconfigured", uri });
    expect(server.count("create")).toBe(before + 1);
  });

  it("listKeys lists the keys that can sign, with their versions", async () => {
    const found = await listKeys(server.uriOf(""));
    expect(found).toContain(
      formatTransitUri({ ...parseTransitUri(server.uriOf("dpop")), version: 1, algorithm: "ES256" }),
    );
    expect(found.filter((uri) => /\/(aes|derived|deleted)/.test(uri))).toEqual([]);
    for (const uri of found) await (await openSigner(uri)).publicJwk();
    const rsa = found.filter((uri) => uri.includes("/rsa-2048"));
    expect(rsa.map((uri) => new URL(uri).searchParams.get("algorithm")).sort()).toEqual([
      "PS256",
      "PS384",
      "PS512",
      "RS256",
      "RS384",
      "RS512",
    ]);
    for (const alg of ["ES384", "PS384"] as const)
      for (const uri of await listKeys(server.uriOf(""), { algorithm: alg }))
        expect((await (await openSigner(uri)).publicJwk()).alg).toBe(alg);
  });
});

describe("the URI", () => {
  const name = fc.stringMatching(/^\w[\w.-]{0,12}$/);
  const key = fc.record({
    origin: fc.constantFrom("https://vault.example:8200", "https://vault.example", "http://127.0.0.1:8200"),
    mount: fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/")),
    name,
    version: fc.option(fc.integer({ min: 1, max: 99 }), { nil: undefined }),
    algorithm: fc.constantFrom(undefined, "ES256", "PS384"),
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
    ["an unknown algorithm", "vault-transit://h/transit/k?algorithm=HS256", /algorithm must be one of ES256/],
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
  for (const file of ["index", "provider", "algorithms", "signer", "client", "uri"]) {
    const source = readFileSync(new URL(`../src/${file}.ts`, import.meta.url), "utf8");
    for (const [, specifier] of source.matchAll(/from "([^"]+)"/g)) {
      if (specifier?.startsWith("./") || specifier?.startsWith("node:")) continue;
      expect(Object.keys(exports)).toContain(specifier?.replace(/^hardproof/, "."));
    }
  }
});
