/** VaultSigner when the server, the network or a proxy fails: each error, what is repeated, and what is never shown. */
import { inspect } from "node:util";
import fc from "fast-check";
import type { SignerError } from "hardproof";
import { listKeys } from "hardproof";
import { provider, VaultSigner, type VaultSignerOptions } from "hardproof/vault";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { redact } from "../../../providers/vault/redact.js";
import { vaultEmulator } from "../../../testing/emulators/vault.js";
import type { VaultFault } from "../../../testing/emulators/vault-faults.js";
import { type AlgorithmServers, algorithmServers } from "../../servers/algorithm-servers.js";
import { ALGORITHMS } from "./algorithms.js";

const server = await vaultEmulator();
const { plan, tokens, address } = server;
server.addKey("dpop");
for (const { alg, type, settings } of ALGORITHMS) server.addKey(alg, type, settings);
afterEach(() => plan.clear());
afterAll(() => server.close());

const message = Buffer.from("message to sign");
const newSigner = (name = "dpop", options: VaultSignerOptions = {}) =>
  new VaultSigner(name, { address, token: tokens.root, ...options });
const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
/** Opens the key, and returns the error of a signature that always has this fault. */
const signingError = async (fault: VaultFault, options: VaultSignerOptions = {}) => {
  await using signer = newSigner("dpop", options);
  await signer.publicJwk();
  plan.always("sign", fault);
  const error = await errorOf(signer.sign(message));
  plan.always("sign", undefined);
  return error;
};
const json = (status: number, ...errors: string[]) => ({ status, errors });
const internal = (error: string) => json(500, `1 error occurred:\n\t* ${error}\n\n`);
const html = (status: number, headers = {}) => ({ status, html: "<html>Sign in to the network</html>", headers });
const version = "requested version for signing is";

/** How often the request is sent: once, or three times. */
const [ONCE, AGAIN] = [1, 3];

describe("a response to sign", () => {
  const responses: [string, VaultFault, code: string, sent: number, text?: RegExp][] = [
    ["400", json(400, "version is too old"), "misconfigured", ONCE, /version is too old/],
    ["400 for a key that was deleted", json(400, "signing key not found"), "key-not-found", ONCE, /was deleted/],
    ["403", json(403, "permission denied"), "access-denied", ONCE, /`update` on transit\/sign\/dpop\/sha2-256/],
    [
      "403 of Vault 1.18",
      json(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"),
      "access-denied",
      ONCE,
    ],
    ["404 without an error", json(404), "key-not-found", ONCE],
    [
      "404 without an engine",
      json(404, 'no handler for route "x". route entry not found.'),
      "misconfigured",
      ONCE,
      /mount/,
    ],
    ["404 for a namespace", json(404, "namespace not found"), "misconfigured", ONCE, /namespace/],
    ["405", json(405, "1 error occurred:\n\t* unsupported operation\n\n"), "misconfigured", ONCE, /mount/],
    ["412", json(412, "required index state not present"), "unavailable", AGAIN],
    ["413", json(413, "http: request body too large"), "misconfigured", ONCE, /longer/],
    ["429", json(429, "request path: rate limit quota exceeded"), "throttled", AGAIN, /quota/],
    ["472, a disaster recovery secondary", json(472), "unavailable", AGAIN, /secondary/],
    ["473, a performance standby", json(473), "unavailable", AGAIN, /standby/],
    ["500", json(500, "internal error"), "unavailable", AGAIN],
    [
      "500 for a version below the minimum",
      internal(`${version} less than the minimum encryption key version`),
      "key-not-found",
      ONCE,
    ],
    [
      "500 for a version above the latest",
      internal(`${version} higher than the latest key version`),
      "key-not-found",
      ONCE,
    ],
    ["500 for a version that was archived", internal("no such key version"), "key-not-found", ONCE],
    ["500 for a soft-deleted key", internal("refusing to use soft-deleted key"), "access-denied", ONCE, /Restore/],
    ["500 for a derived key", internal("error deriving key: missing 'context' for key derivation"), "wrong-key", ONCE],
    [
      "500 for an imported public key",
      internal(`${version.slice(0, -2)} does not contain a private part`),
      "wrong-key",
      ONCE,
    ],
    ["400 for a key that can't sign", json(400, "key type aes256-gcm96 does not support signing"), "wrong-key", ONCE],
    ["501", json(501, "Vault is not initialized"), "unavailable", ONCE],
    ["502 of the server", json(502, "upstream"), "unavailable", AGAIN],
    ["503, sealed", json(503, "Vault is sealed"), "unavailable", AGAIN, /Unseal/],
    ["504 of the server", json(504), "unavailable", AGAIN],
    ["599", json(599), "unavailable", ONCE],
    ["418", json(418), "misconfigured", ONCE],
    [
      "200 with a page of a captive portal",
      html(200),
      "unavailable",
      AGAIN,
      /HTTP 200 \(text\/html\).*isn't one of Vault/,
    ],
    ["403 with a page of a proxy", html(403), "unavailable", AGAIN, /proxy/],
    ["404 with a page of a proxy", html(404), "unavailable", AGAIN, /proxy/],
    ["503 with a page of a load balancer", html(503), "unavailable", AGAIN, /isn't one of Vault/],
    ["401 with another JSON object", { status: 401, html: '{"message":"Unauthorized"}' }, "unavailable", AGAIN],
    ["301", html(301, { location: "https://127.0.0.1:1/" }), "misconfigured", ONCE, /not followed/],
    [
      "302 to a captive portal",
      html(302, { location: "http://127.0.0.1:1/login" }),
      "misconfigured",
      ONCE,
      /captive portal/,
    ],
    ["307 of a standby node", html(307, { location: "http://127.0.0.1:1/v1/x" }), "unavailable", AGAIN, /active node/],
    ["308", html(308, { location: "http://127.0.0.1:1/" }), "misconfigured", ONCE],
    ["a reset connection", "reset", "unavailable", AGAIN, /can't be reached/],
    ["JSON that ends too early", "garbage", "unavailable", AGAIN],
    ["more than 8 MiB", "huge", "unavailable", AGAIN, /larger than 8 MiB/],
    ["a signature by another version", "other-version", "integrity", ONCE, /dpop:v2/],
    ["a signature by another key", "other-key", "integrity", ONCE],
    ["a signature of other data", "wrong-signature", "integrity", ONCE],
    ["200 without a signature", { status: 200, html: '{"data":{}}' }, "integrity", ONCE, /format/],
    [
      "200 with a signature of version 0",
      { status: 200, html: '{"data":{"signature":"vault:v0:AAAA"}}' },
      "integrity",
      ONCE,
    ],
    [
      "200 with two versions",
      { status: 200, html: '{"data":{"signature":"vault:v1:AAAA","key_version":2}}' },
      "integrity",
      ONCE,
      /about the version that signed/,
    ],
    ["200 with a short signature", { status: 200, html: '{"data":{"signature":"vault:v1:AAAA"}}' }, "integrity", ONCE],
  ];
  it.each(responses)(
    "with %s becomes a SignerError with the right code and retryable, and names the key",
    async (...row) => {
      const [, fault, code, sent, text = /./] = row;
      const error = await signingError(fault);
      const retryable = code === "unavailable" || code === "throttled";
      expect(error).toMatchObject({ code, retryable, uri: expect.stringContaining("/transit/dpop") });
      expect(error.message).toMatch(text);
      expect(error.message).toMatch(/^[^\n]{20,900}$/);
      expect(plan.count("sign")).toBe(sent);
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(tokens.root);
    },
  );

  it.each<VaultFault>([json(500), json(503, "Vault is sealed"), json(429), "reset", "garbage", html(502)])(
    "that fails once is requested again: %j",
    async (fault) => {
      await using signer = newSigner();
      await signer.publicJwk();
      plan.next("sign", fault);
      await expect(signer.sign(message)).resolves.toHaveLength(64);
      expect(plan.count("sign")).toBe(2);
    },
  );

  it.each<VaultFault>(["hang", "hang-body"])(
    "that doesn't come (%s) is requested again within the time limit",
    async (fault) => {
      await using signer = newSigner("dpop", { timeout: 3_000 });
      await signer.publicJwk();
      plan.next("sign", fault);
      await expect(signer.sign(message)).resolves.toHaveLength(64);
      expect(plan.count("sign")).toBe(2);
    },
  );

  it.each<VaultFault>(["hang", "hang-body"])("that never comes (%s) is a timeout", async (fault) => {
    expect(await signingError(fault, { timeout: 600 })).toMatchObject({ code: "timeout", retryable: true });
  });

  it("is requested once for each signature", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    const before = plan.calls.filter(({ operation }) => operation !== "lookup").length;
    for (let signed = 0; signed < 5; signed += 1) await signer.sign(message);
    expect(plan.calls.filter(({ operation }) => operation !== "lookup").length - before).toBe(5);
  });

  it("echoed by a proxy never shows the token", async () => {
    const error = await signingError("echo");
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("[redacted]") });
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(tokens.root);
  });
});

describe.each(ALGORITHMS)("$alg", ({ alg, type, hash, body }) => {
  it("is requested with the digest or the message, the format and the version, and the token only in a header", async () => {
    server.namespaces.add("team");
    await using signer = newSigner(alg, { algorithm: alg, namespace: "team" });
    await signer.sign(Buffer.from("abc"));
    const { input } = plan.calls.find(({ operation }) => operation === "sign") ?? expect.unreachable();
    expect(input.url).toBe(`/v1/transit/sign/${alg}${hash}`);
    expect(input.headers).toMatchObject({ "x-vault-token": tokens.root, "x-vault-namespace": "team" });
    expect(input.body).toEqual({ ...body, key_version: 1, input: expect.any(String) });
    // SHA-256 of "abc", FIPS 180-4.
    const sha256 = Buffer.from("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "hex");
    if (hash === "/sha2-256") expect(input.body.input).toBe(sha256.toString("base64"));
    if (hash === "") expect(input.body.input).toBe(Buffer.from("abc").toString("base64"));
  });

  it.each<VaultFault>(["other-key", "wrong-signature"])("rejects a signature with the fault %s", async (fault) => {
    await using signer = newSigner(alg, { algorithm: alg });
    await signer.sign(message);
    plan.next("sign", fault);
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "integrity", uri: signer.uri });
  });

  it("rejects a key for another algorithm before it signs", async () => {
    const other = ALGORITHMS.find((row) => row.type !== type) ?? expect.unreachable();
    await using signer = newSigner(other.alg, { algorithm: alg });
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "wrong-key" });
    expect(plan.count("sign")).toBe(0);
  });
});

describe("PS256", () => {
  it("rejects the signature of a server that doesn't know salt_length, and uses the longest salt", async () => {
    await using signer = newSigner("PS256", { algorithm: "PS256" });
    plan.next("sign", "longest-salt");
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "integrity" });
  });
});

describe("servers", () => {
  let signers: VaultSigner[];
  let servers: AlgorithmServers;
  beforeAll(async () => {
    signers = ALGORITHMS.map(({ alg }) => newSigner(alg, { algorithm: alg }));
    servers = await algorithmServers(signers);
  });
  afterAll(async () => {
    await servers.close();
    await Promise.all(signers.map((signer) => signer.close()));
  });

  it.each(ALGORITHMS.map(({ alg }, at) => [alg, at] as const))(
    "accept %s in proofs and client assertions (oidc-provider, oauth4webapi)",
    async (_, at) => {
      const { key, token, resource } = await servers.useKey(signers[at] ?? expect.unreachable());
      expect([token, resource]).toEqual([key, key]);
    },
  );
});

describe("a response about the key", () => {
  it.each<[string, VaultFault, string]>([
    ["for another key", "other-name", "integrity"],
    ["without a type", { status: 200, html: '{"data":{"name":"dpop"}}' }, "integrity"],
    ["without data", { status: 200, html: '{"data":null}' }, "integrity"],
    ["that is an array", { status: 200, html: "[]" }, "unavailable"],
    ["that a portal made", html(200), "unavailable"],
  ])("%s is rejected", async (_, fault, code) => {
    await using signer = newSigner();
    plan.always("read", fault);
    expect(await errorOf(signer.publicJwk())).toMatchObject({ code, uri: signer.uri });
    plan.always("read", undefined);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it.each(["not a key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", ""])(
    "with the public key %j is rejected",
    async (public_key) => {
      server.addKey("damaged", "ecdsa-p256", { keys: { 1: { name: "P-256", public_key } } });
      await using signer = newSigner("damaged");
      const { code } = await errorOf(signer.publicJwk());
      expect(["integrity", "wrong-key", "key-not-found"]).toContain(code);
    },
  );

  it("is shared by the signers of a pinned version, and read again if a signature doesn't match it", async () => {
    server.addKey("recreated");
    for (let opened = 0; opened < 3; opened += 1) {
      await using signer = newSigner("recreated", { version: 1 });
      await signer.sign(message);
    }
    expect(plan.count("read")).toBe(1);
    server.addKey("recreated");
    await using stale = newSigner("recreated", { version: 1 });
    expect(await errorOf(stale.sign(message))).toMatchObject({ code: "integrity" });
    await using signer = newSigner("recreated", { version: 1 });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it.each([
    ["an imported key", { imported_key: true }, "unknown"],
    [
      "a key that was restored from a backup",
      { restore_info: { time: "2026-01-01T00:00:00Z", version: 1 } },
      "unknown",
    ],
    ["a server that doesn't report it", { imported_key: undefined }, "unknown"],
    ["an imported key that may be exported", { imported_key: true, exportable: true }, true],
  ])("reports whether the key can be exported: %s", async (_, settings, exportable) => {
    server.addKey("described", "ecdsa-p256", settings);
    await using signer = newSigner("described");
    expect(await signer.describe()).toMatchObject({ exportable, protection: "software" });
  });

  it("of an HSM's key that the server manages is a wrong key, and the error explains why", async () => {
    server.addKey("managed", "managed_key");
    await using signer = newSigner("managed");
    const error = await errorOf(signer.publicJwk());
    expect(error).toMatchObject({
      code: "wrong-key",
      message: expect.stringMatching(/managed_key.*another HSM or KMS/),
    });
  });
});

describe("any JSON", () => {
  const nothing = fc.constantFrom(undefined, null, "", 0, -1, 1.5, [], {});
  const version = fc.record({ name: fc.string(), public_key: fc.oneof(fc.string(), fc.base64String(), nothing) });
  const key = fc.record({
    name: fc.constantFrom("dpop", "other", undefined),
    type: fc.oneof(fc.constantFrom("ecdsa-p256", "ed25519", "rsa-2048", "ml-dsa", "constructor"), nothing),
    latest_version: fc.oneof(fc.constantFrom(1, 2, "1"), nothing),
    min_encryption_version: fc.oneof(fc.integer(), nothing),
    keys: fc.oneof(fc.record({ 1: fc.oneof(version, nothing) }), nothing),
  });
  const answering =
    (body: unknown, status = 200): typeof fetch =>
    async () =>
      new Response(JSON.stringify(body), { status });

  it("in a response about the key becomes a SignerError of a known kind", async () => {
    const response = fc.oneof(fc.jsonValue(), fc.record({ data: fc.oneof(key, fc.jsonValue()) }));
    const check = async (body: unknown) => {
      const signer = newSigner("dpop", { fetch: answering(body), algorithm: "ES256" });
      const error = await errorOf(signer.publicJwk());
      expect(error.name).toBe("SignerError");
      expect(error.code).not.toBe("unexpected");
    };
    // Concurrent, because a response that can't be read is requested once more, after a pause.
    const responses = fc.array(response, { minLength: 20, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(responses, async (bodies) => void (await Promise.all(bodies.map(check)))),
      { numRuns: 3 },
    );
  });

  it("in a response to a login becomes a SignerError of a known kind", async () => {
    const auth = fc.record({ client_token: fc.oneof(nothing, fc.constant(["t"])), lease_duration: nothing });
    const response = fc.oneof(fc.jsonValue(), fc.record({ auth: fc.oneof(auth, fc.jsonValue()) }));
    await fc.assert(
      fc.asyncProperty(response, fc.constantFrom(200, 400, 403, 500), async (body, status) => {
        const appRole = { roleId: "r", secretId: "s3cr3t-id" };
        const signer = new VaultSigner("dpop", { address, appRole, fetch: answering(body, status) });
        const error = await errorOf(signer.publicJwk());
        expect(error.name).toBe("SignerError");
        expect(error.code).not.toBe("unexpected");
      }),
      { numRuns: 60 },
    );
  });
});

describe("create and list", () => {
  it("don't repeat a request that creates a key", async () => {
    plan.next("create", json(500));
    const options = { token: tokens.root };
    expect(await errorOf(provider.create(server.uriOf("new"), options))).toMatchObject({ code: "unavailable" });
    expect(plan.count("create")).toBe(1);
  });

  it("report a key that another client has created since the check", async () => {
    plan.next("read", json(404));
    const error = await errorOf(provider.create(server.uriOf("dpop"), { token: tokens.root }));
    expect(error).toMatchObject({
      code: "misconfigured",
      message: expect.stringMatching(/already exists.*another name/),
    });
  });

  it("report that the server doesn't have a type of key", async () => {
    plan.next("create", json(400, "unknown key type ml-dsa"));
    const error = await errorOf(provider.create(server.uriOf("new"), { token: tokens.root }));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("for this algorithm") });
  });

  it("omit keys that the token may not read, but not if that is all of them", async () => {
    const token = tokens.issue({ ttl: 0, renewable: false, maxTtl: 0 });
    server.deniedPaths.add("transit/keys/dpop");
    const listed = await listKeys(server.uriOf(""), { token, algorithm: "ES256" });
    expect(listed.some((uri) => uri.includes("/dpop?"))).toBe(false);
    expect(listed.some((uri) => uri.includes("/ES256?"))).toBe(true);
    for (const name of server.keys.keys()) server.deniedPaths.add(`transit/keys/${name}`);
    expect(await errorOf(listKeys(server.uriOf(""), { token }))).toMatchObject({ code: "access-denied" });
    server.deniedPaths.clear();
  });

  it("list nothing in an empty engine, but report an engine that isn't mounted", async () => {
    plan.next("list", json(404));
    expect(await listKeys(server.uriOf(""), { token: tokens.root })).toEqual([]);
    plan.next("list", json(404, 'no handler for route "transit/keys". route entry not found.'));
    const error = await errorOf(listKeys(server.uriOf(""), { token: tokens.root }));
    expect(error).toMatchObject({ code: "misconfigured" });
  });
});

describe("the option fetch", () => {
  it("sends all requests, and is told not to follow redirects", async () => {
    const sent: RequestInit[] = [];
    const recording: typeof fetch = (url, init = {}) => {
      sent.push(init);
      return fetch(url, init);
    };
    await using signer = newSigner("dpop", { fetch: recording });
    await signer.sign(message);
    expect(sent.length).toBeGreaterThanOrEqual(2);
    for (const init of sent) expect(init).toMatchObject({ redirect: "manual", signal: expect.any(AbortSignal) });
  });

  it("that follows redirects is refused", async () => {
    const following: typeof fetch = async () =>
      Object.defineProperty(new Response("{}"), "redirected", { value: true });
    const error = await errorOf(newSigner("dpop", { fetch: following }).publicJwk());
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("followed a redirect") });
  });

  it("whose error repeats the request doesn't show the token", async () => {
    const failing: typeof fetch = async (_, init) => {
      throw Object.assign(new TypeError("fetch failed"), {
        cause: new Error(`bad header ${JSON.stringify(init)}`),
        init,
      });
    };
    const error = await errorOf(newSigner("dpop", { fetch: failing }).publicJwk());
    expect(error).toMatchObject({ code: "unavailable" });
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(tokens.root);
  });

  it.each([
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "CERT_HAS_EXPIRED",
    "ERR_TLS_CERT_ALTNAME_INVALID",
  ])("whose error is %s is misconfigured, with the way to a private CA", async (code) => {
    const failing: typeof fetch = async () => {
      throw new TypeError("fetch failed", { cause: Object.assign(new Error("certificate"), { code }) });
    };
    const error = await errorOf(newSigner("dpop", { fetch: failing }).publicJwk());
    expect(error).toMatchObject({
      code: "misconfigured",
      message: expect.stringMatching(/NODE_EXTRA_CA_CERTS.*VAULT_CACERT/),
    });
  });
});

describe("redact", () => {
  it("removes a secret in every spelling that JSON, a URL, hex or base64 has", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 8, maxLength: 40 }), (secret) => {
        fc.pre(!"[redacted] ".includes(secret.trim()) && /^\S.*\S$/.test(secret));
        const bytes = Buffer.from(secret);
        const spellings = [
          secret,
          JSON.stringify(secret).slice(1, -1),
          bytes.toString("hex"),
          bytes.toString("base64"),
        ];
        const text = redact(spellings.join(" and "), [secret]);
        for (const spelling of spellings) expect(text).not.toContain(spelling);
      }),
    );
  });
});
