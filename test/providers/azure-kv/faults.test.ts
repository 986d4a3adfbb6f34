/** The calls that AzureKeyVaultSigner makes, and how it handles each fault of Key Vault and the network. */
import { inspect } from "node:util";
import { DPoPProver, type SignerError } from "hardproof";
import { AzureKeyVaultSigner, type AzureKeyVaultSignerOptions } from "hardproof/azure-kv";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type AzureKeyVaultEmulator, azureKeyVaultEmulator } from "../../../testing/emulators/azure-kv.js";
import type { ErrorResponse } from "../../../testing/emulators/azure-kv-error.js";
import type { KeyVersion } from "../../../testing/emulators/azure-kv-keys.js";
import type { Fault } from "../../../testing/emulators/fault-plan.js";
import { type StubServer, stubServer } from "../../servers/stub-server.js";

let kv: AzureKeyVaultEmulator;
let key: KeyVersion;
beforeAll(async () => {
  kv = await azureKeyVaultEmulator();
});
beforeEach(() => {
  key = kv.vault.add();
});
afterEach(() => kv.plan.clear());
afterAll(() => kv.close());

const newSigner = (kid = key.kid, options: AzureKeyVaultSignerOptions = {}) =>
  new AzureKeyVaultSigner(kid, { credential: kv.credential, ...options });
const message = Buffer.from("message to sign");
const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const signingError = async (kid = key.kid, options: AzureKeyVaultSignerOptions = {}): Promise<SignerError> => {
  await using signer = newSigner(kid, options);
  return errorOf(signer.sign(message));
};
const counts = () => {
  const operations = kv.plan.calls.map(({ operation }) => operation);
  return Object.fromEntries([...new Set(operations)].map((operation) => [operation, kv.plan.count(operation)]));
};
const signInputs = () => kv.plan.calls.filter(({ operation }) => operation === "sign").map(({ input }) => input);
const publicJwk = async ({ kid } = key) => {
  await using signer = newSigner(kid);
  return signer.publicJwk();
};
const withoutVersion = ({ name } = key) => `${kv.vaultUrl}/keys/${name}`;

describe("calls", () => {
  it("sends no request before the first use, nor when an unused signer is closed", async () => {
    await newSigner().close();
    expect(counts()).toEqual({});
  });

  it("sends one GetKey per key version, and one sign request per proof", async () => {
    await using signer = newSigner();
    const makeProof = async () =>
      (await DPoPProver.create(signer)).makeProof({ htm: "GET", htu: "https://api.example/" });
    const proofs = await Promise.all(Array.from({ length: 200 }, makeProof));
    expect(new Set(proofs).size).toBe(200);
    expect(counts()).toEqual({ GetKey: 1, sign: 200 });
  });

  it("authenticates by the vault's challenge once per process, although the SDK does it once per client", async () => {
    const other = await azureKeyVaultEmulator();
    for (const { kid } of [other.vault.add(), other.vault.add()]) {
      await using signer = new AzureKeyVaultSigner(kid, { credential: other.credential });
      await signer.sign(message);
    }
    expect(other.challenges).toBe(1);
    expect(other.tokens.issued).toBe(1);
    await other.close();
  });

  it("sends the digest to the version, but not the message", async () => {
    await using signer = newSigner();
    await signer.sign(message);
    const { name, version } = key;
    expect(signInputs()).toEqual([{ alg: "ES256", value: expect.stringMatching(/^[\w-]{43}$/), name, version }]);
  });

  it("resolves a name without a version once, and keeps signing with that version when the key is rotated", async () => {
    await using signer = newSigner(withoutVersion());
    const jwk = await signer.publicJwk();
    const rotated = kv.vault.add({ name: key.name });
    await Promise.all([1, 2, 3].map(() => signer.sign(message)));
    expect(counts()).toEqual({ GetKey: 1, sign: 3 });
    expect(signInputs()).toMatchObject(Array.from({ length: 3 }, () => ({ version: key.version })));
    await using later = newSigner(withoutVersion());
    expect(await later.publicJwk()).toEqual(await publicJwk(rotated));
    expect(await later.publicJwk()).not.toEqual(jwk);
  });

  it("finds a key whose name is written in another case, as the service does", async () => {
    const named = kv.vault.add({ name: "Agents-DPoP" });
    await using signer = newSigner(`${kv.vaultUrl}/keys/agents-dpop/${named.version}`);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it("shares the public key of a version among the signers of the process", async () => {
    for (let n = 0; n < 3; n++) {
      await using signer = newSigner();
      await signer.sign(message);
    }
    expect(counts()).toEqual({ GetKey: 1, sign: 3 });
  });

  it("opens the key at the next use if the first attempt failed", async () => {
    await using signer = newSigner();
    kv.plan.next("GetKey", "denied");
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "access-denied" });
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it("sends only a request to sign if the caller knows the version and its public key", async () => {
    await using signer = newSigner(key.kid, { publicKey: await publicJwk() });
    kv.plan.clear();
    await Promise.all([1, 2].map(() => signer.sign(message)));
    expect(counts()).toEqual({ sign: 2 });
  });

  it("loses no request if the first ones of a client are concurrent, which the SDK's authentication mixes up", async () => {
    const other = await azureKeyVaultEmulator();
    const { kid, material } = other.vault.add();
    const publicKey = { kty: "EC", ...material.publicMembers } as never;
    await using signer = new AzureKeyVaultSigner(kid, { credential: other.credential, publicKey });
    // The first request gets its challenge only after the others were authenticated.
    other.challengeDelay = 500;
    await Promise.all(Array.from({ length: 20 }, () => signer.sign(message)));
    expect(other.plan.count("sign")).toBe(20);
    await other.close();
  });

  it("rejects the public key of another key at the first signature, and names the option", async () => {
    const error = await signingError(key.kid, { publicKey: await publicJwk(kv.vault.add()) });
    expect(error).toMatchObject({ code: "integrity", message: expect.stringContaining("option publicKey") });
  });

  it("compares the public key of the caller with that of the vault if the version isn't known", async () => {
    const error = await signingError(withoutVersion(), { publicKey: await publicJwk(kv.vault.add()) });
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringContaining("option publicKey") });
  });
});

describe("damaged responses", () => {
  it.each<Fault>(["wrong-signature", "corrupt-signature", "other-key", "other-name"])(
    "rejects a signature with the fault %s",
    async (fault) => {
      await using signer = newSigner();
      await signer.sign(message);
      kv.plan.next("sign", fault);
      const error = await errorOf(signer.sign(message));
      expect(error).toMatchObject({ code: "integrity", retryable: false, uri: signer.uri });
      expect(kv.plan.count("sign")).toBe(2);
      await expect(signer.sign(message)).resolves.toHaveLength(64);
    },
  );

  it("names both versions if another one signed", async () => {
    kv.plan.always("sign", "other-name");
    expect((await signingError()).message).toMatch(new RegExp(`signed with .*, but the key is ${key.kid}`));
  });

  it.each(["GetKey"] as const)("rejects a response to %s about another version", async (operation) => {
    kv.plan.next(operation, "other-name");
    expect(await signingError()).toMatchObject({ code: "integrity" });
    expect(counts()).toEqual({ GetKey: 1 });
  });

  it("forgets a public key that the signature doesn't match", async () => {
    kv.plan.next("GetKey", "other-key");
    expect(await signingError()).toMatchObject({ code: "integrity" });
    await using signer = newSigner();
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });
});

describe("throttling, server errors and lost connections", () => {
  const throttled = (retryAfter: number): ErrorResponse => ({
    status: 429,
    code: "Throttled",
    message: "Slow down.",
    retryAfter,
  });

  it("waits as long as Retry-After says, and repeats the request", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    kv.respondWith("sign", throttled(1));
    const start = performance.now();
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(performance.now() - start).toBeGreaterThanOrEqual(999);
    expect(counts()).toEqual({ GetKey: 1, sign: 2 });
  });

  it("reports throttling at once if Retry-After is longer than the time that is left", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    kv.respondWith("sign", throttled(3_600));
    const error = await errorOf(signer.sign(message));
    expect(error).toMatchObject({ code: "throttled", retryable: true, uri: signer.uri });
    expect(error.message).toMatch(/Throttled from sign: Slow down\. Sign less often/);
    expect(counts()).toEqual({ GetKey: 1, sign: 1 });
  });

  it("succeeds after two server errors", async () => {
    await using signer = newSigner();
    kv.plan.next("GetKey", "5xx");
    kv.plan.next("sign", "5xx", "5xx");
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(counts()).toEqual({ GetKey: 2, sign: 3 });
  });

  it("reports a persistent server error after four requests", async () => {
    await using signer = newSigner();
    kv.plan.always("sign", "5xx");
    const error = await errorOf(signer.sign(message));
    expect(error).toMatchObject({ code: "unavailable", retryable: true, uri: signer.uri });
    expect(error.message).toMatch(/ServiceUnavailable from sign: The service is unavailable\./);
    expect(kv.plan.count("sign")).toBe(4);
  });

  it.each(["GetKey", "sign"] as const)("repeats %s after a connection reset", async (operation) => {
    await using signer = newSigner();
    kv.plan.next(operation, "reset");
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    expect(kv.plan.count(operation)).toBe(2);
  });

  it.each(["GetKey", "sign"] as const)(
    "aborts a %s that hangs, and repeats it within the time limit",
    async (operation) => {
      await using signer = newSigner(key.kid, { timeout: 6_000 });
      kv.plan.next(operation, "hang");
      const before = kv.cancelledRequests;
      await expect(signer.sign(message)).resolves.toHaveLength(64);
      expect(kv.plan.count(operation)).toBe(2);
      await expect.poll(() => kv.cancelledRequests).toBe(before + 1);
    },
  );

  it("ends at the time limit if every request hangs", async () => {
    await using signer = newSigner(key.kid, { timeout: 601 });
    await signer.publicJwk();
    kv.plan.always("sign", "hang");
    expect(await errorOf(signer.sign(message))).toMatchObject({ code: "timeout", retryable: true, uri: signer.uri });
  });

  it("cancels only the request of the caller that aborts", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    kv.plan.next("sign", "hang");
    const controller = new AbortController();
    const aborted = errorOf(signer.sign(message, { signal: controller.signal }));
    await expect.poll(() => kv.plan.count("sign")).toBe(1);
    const [before, other] = [kv.cancelledRequests, signer.sign(message)];
    controller.abort();
    expect(await aborted).toMatchObject({ code: "aborted" });
    await expect(other).resolves.toHaveLength(64);
    await expect.poll(() => kv.cancelledRequests).toBe(before + 1);
  });

  it("reports a refused connection as unavailable", async () => {
    const closed = await azureKeyVaultEmulator();
    const { kid } = closed.vault.add();
    await closed.close();
    const error = await signingError(kid, { timeout: 5_000 });
    expect(error).toMatchObject({ code: "unavailable", retryable: true });
    expect(error.message).toMatch(/ECONNREFUSED from GetKey/);
  });

  it("reports a vault that DNS doesn't know", async () => {
    const error = await signingError("https://no-such-vault.vault.invalid/keys/dpop", { timeout: 5_000 });
    expect(error).toMatchObject({ code: "unavailable", message: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) });
  });
});

describe("the service's errors", () => {
  const denied = /lacks Microsoft\.KeyVault\/vaults\/keys\/sign\/action\. Assign it the role Key Vault Crypto User/;
  it.each<[Omit<ErrorResponse, "message">, string, RegExp]>([
    [{ status: 404, code: "KeyNotFound" }, "key-not-found", /KeyNotFound from sign.*Check the vault/],
    [{ status: 403, code: "Forbidden", inner: "KeyDisabled" }, "access-denied", /\(KeyDisabled\).*Enable the key/],
    [{ status: 403, code: "Forbidden", inner: "KeyExpired" }, "access-denied", /extend the validity/],
    [{ status: 403, code: "Forbidden", inner: "KeyNotYetValid" }, "access-denied", /change the time/],
    [{ status: 403, code: "Forbidden", inner: "KeyOperationForbidden" }, "wrong-key", /key_ops/],
    [{ status: 403, code: "Forbidden", inner: "ForbiddenByRbac" }, "access-denied", denied],
    [
      { status: 403, code: "Forbidden", inner: "AccessDenied" },
      "access-denied",
      /key permission sign if the vault has/,
    ],
    [{ status: 403, code: "Forbidden", inner: "ForbiddenByPolicy" }, "access-denied", denied],
    [{ status: 403, code: "Forbidden" }, "access-denied", denied],
    [{ status: 403, code: "Forbidden", inner: "ForbiddenByFirewall" }, "access-denied", /vault's firewall/],
    [{ status: 403, code: "Forbidden", inner: "ForbiddenByConnection" }, "access-denied", /private endpoints/],
    [{ status: 400, code: "BadParameter" }, "misconfigured", /doesn't accept the request/],
    [{ status: 400, code: "SomethingNew" }, "misconfigured", /SomethingNew from sign/],
    [{ status: 404, code: "NotFound" }, "misconfigured", /isn't a Key Vault, or doesn't have the operation/],
    [{ status: 409, code: "Conflict" }, "misconfigured", /in progress/],
    [{ status: 418, code: "Teapot" }, "unexpected", /Teapot from sign/],
  ])("maps %j to %s, with the service's first sentence", async (response, code, pattern) => {
    await using signer = newSigner();
    await signer.publicJwk();
    kv.respondWith("sign", { ...response, message: "It said no. And more.\r\nCaller: oid=1" });
    const error = await errorOf(signer.sign(message));
    expect(error).toMatchObject({ code, retryable: false, uri: signer.uri });
    expect(error.message).toContain(": It said no. ");
    expect(error.message).not.toMatch(/And more|Caller: oid/);
    expect(error.message).toMatch(pattern);
    expect(kv.plan.count("sign")).toBe(1);
  });

  it.each<[ErrorResponse["status"], number]>([
    [429, 4],
    [500, 4],
    [502, 4],
    [503, 4],
    [504, 4],
    [408, 4],
  ])("repeats a request after HTTP %i", async (status, requests) => {
    await using signer = newSigner();
    const response = { status, code: "Busy", message: "Busy." };
    kv.respondWith("sign", response, response, response, response, response);
    const error = await errorOf(signer.sign(message));
    expect(error.retryable).toBe(true);
    expect(kv.plan.count("sign")).toBe(requests);
    kv.respondWith("sign"); // the fifth is left
    await signer.sign(message);
  });

  it("names the local role of a managed HSM", async () => {
    const hsmKey = kv.hsm.add();
    kv.plan.always("sign", "denied");
    const error = await signingError(hsmKey.kid);
    expect(error.message).toMatch(/managedHsm\/keys\/sign\/action\. Assign it the local role Managed HSM Crypto User/);
  });
});

describe("keys that can't sign", () => {
  const now = () => Math.floor(Date.now() / 1000);
  it.each([
    ["disabled", { enabled: false }, "access-denied", /is disabled\. Enable it/],
    ["expired", { exp: now() - 60 }, "access-denied", /expired at \d{4}-.*\. Use another version/],
    ["not yet valid", { nbf: now() + 3600 }, "access-denied", /isn't valid before \d{4}-/],
    ["for encryption", { kty: "RSA", keyOps: ["encrypt"] }, "wrong-key", /key_ops\) are encrypt\. Use one with sign/],
    ["without operations", { keyOps: [] }, "wrong-key", /key_ops\) are nothing/],
    ["on secp256k1", { curve: "P-256K" as const }, "wrong-key", /EC P-256K, which can't sign a JWS/],
    ["symmetric", { kty: "oct-HSM" }, "wrong-key", /oct-HSM, which can't sign a JWS/],
  ])("rejects a key that is %s before it signs", async (_, options, code, pattern) => {
    const error = await signingError(kv.vault.add(options).kid);
    expect(error).toMatchObject({ code, retryable: false, message: expect.stringMatching(pattern) });
    expect(kv.plan.count("sign")).toBe(0);
  });

  it("decides about the validity by the service's clock", async () => {
    kv.clockOffset = 7_200;
    const { kid } = kv.vault.add({ nbf: now() + 3_600, exp: now() + 9_000 });
    await using signer = newSigner(kid);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
    kv.clockOffset = 0;
  });

  it.each<[string, (key: KeyVersion) => void, string, RegExp]>([
    ["disabled", ({ attributes }) => Object.assign(attributes, { enabled: false }), "access-denied", /KeyDisabled/],
    ["expired", ({ attributes }) => Object.assign(attributes, { exp: now() - 1 }), "access-denied", /KeyExpired/],
    ["deleted", ({ name }) => kv.vault.delete(name), "key-not-found", /KeyNotFound from sign: A key with \(name\/id\)/],
  ])("reports a key that is %s after the first signature", async (_, change, code, pattern) => {
    await using signer = newSigner();
    await signer.sign(message);
    change(key);
    expect(await errorOf(signer.sign(message))).toMatchObject({ code, message: expect.stringMatching(pattern) });
  });

  it.each<[string, object, object]>([
    ["enabled", { enabled: false }, { enabled: true }],
    ["valid", { nbf: now() + 3_600 }, { nbf: 1 }],
  ])("signs with a key version that was made %s after another signer was refused", async (_, before, after) => {
    const changed = kv.vault.add(before);
    expect(await signingError(changed.kid)).toMatchObject({ code: "access-denied" });
    Object.assign(changed.attributes, after);
    await using signer = newSigner(changed.kid);
    await expect(signer.sign(message)).resolves.toHaveLength(64);
  });

  it("reports a key and a version that don't exist", async () => {
    for (const kid of [`${kv.vaultUrl}/keys/nothing`, `${kv.vaultUrl}/keys/${key.name}/${"0".repeat(32)}`])
      expect(await signingError(kid)).toMatchObject({
        code: "key-not-found",
        uri: expect.stringContaining("azurekms://"),
      });
  });

  it("asks for the algorithm of an RSA key, and rejects one that doesn't fit", async () => {
    const { kid } = kv.vault.add({ kty: "RSA" });
    const missing = await signingError(kid);
    expect(missing).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("RS256, RS384, RS512, PS256"),
    });
    expect(await signingError(kid, { algorithm: "ES256" })).toMatchObject({ code: "wrong-key" });
    expect(await signingError(key.kid, { algorithm: "Ed25519" })).toMatchObject({ code: "wrong-key" });
    expect(kv.plan.count("sign")).toBe(0);
  });
});

describe("servers that aren't a Key Vault", () => {
  let server: StubServer;
  let tokens = 0;
  const credential = {
    getToken: async () => {
      tokens += 1;
      return { token: "secret-token", expiresOnTimestamp: Date.now() + 3_600_000 };
    },
  };
  beforeAll(async () => {
    server = await stubServer();
  });
  beforeEach(() => {
    tokens = 0;
  });
  afterAll(() => server.close());
  const errorAtStub = () => signingError(`${server.origin}/keys/dpop`, { credential, timeout: 5_000 });
  const challenge = (resource: string) => ({
    "www-authenticate": `Bearer authorization="https://login.example/t", resource="${resource}"`,
  });

  it("gets no token if the challenge is for another domain", async () => {
    server.respondWith((response) => response.writeHead(401, challenge("https://vault.azure.net")).end());
    const error = await errorAtStub();
    expect(error).toMatchObject({ code: "misconfigured", retryable: false });
    expect(error.message).toMatch(/The challenge resource 'vault\.azure\.net' does not match.*No token was sent/);
    expect(error.message).not.toContain("disableChallengeResourceVerification");
    expect([tokens, server.requests.length]).toEqual([0, 1]);
  });

  it.each([
    [
      "a page",
      (response: import("node:http").ServerResponse) =>
        response.writeHead(200, { "content-type": "text/html" }).end("<h1>Sign in</h1>"),
    ],
    [
      "a redirect",
      (response: import("node:http").ServerResponse) =>
        response.writeHead(302, { location: `${server.origin}/login` }).end(),
    ],
    [
      "a redirect of a POST",
      (response: import("node:http").ServerResponse) =>
        response.writeHead(307, { location: `${server.origin}/login` }).end(),
    ],
  ])("rejects %s, and doesn't follow it", async (_, responder) => {
    server.respondWith(responder);
    expect(await errorAtStub()).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("isn't a Key Vault"),
    });
    expect([tokens, server.requests.length]).toEqual([0, 1]);
  });

  it("reports a proxy's error page by its status", async () => {
    server.respondWith((response) =>
      response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad gateway</h1>"),
    );
    expect(await errorAtStub()).toMatchObject({ code: "unavailable", message: expect.stringContaining("HTTP 502") });
  });

  it.each(["{}", '{"key":{}}', '{"key":{"kid":"x"}}', "[]", "null"])("rejects the response %s", async (body) => {
    server.respondWith((response) => response.writeHead(200, { "content-type": "application/json" }).end(body));
    expect(await errorAtStub()).toMatchObject({ code: "integrity", retryable: false });
  });

  it.each(["{}", "null", "[]", '{"value":"AAAA"}', '{"kid":"x","value":"AAAA"}', '{"kid":1,"value":2}', '"text"'])(
    "rejects the signature in the response %s",
    async (body) => {
      server.respondWith((response) => response.writeHead(200, { "content-type": "application/json" }).end(body));
      const publicKey = { kty: "EC", ...key.material.publicMembers } as never;
      const keyId = `${server.origin}/keys/dpop/${"0".repeat(32)}`;
      const error = await signingError(keyId, { credential, publicKey, timeout: 5_000 });
      expect(error).toMatchObject({ code: "integrity", retryable: false });
      expect(server.requests).toHaveLength(1);
    },
  );

  it("reports a response that isn't complete", async () => {
    server.respondWith((response) => response.writeHead(200, { "content-type": "application/json" }).end('{"key":'));
    expect(await errorAtStub()).toMatchObject({ code: "unavailable" });
  });

  it("asks the server each time that responded without a challenge", async () => {
    server.respondWith((response) => response.writeHead(200, { "content-type": "application/json" }).end("{}"));
    for (const requests of [1, 2]) {
      expect(await errorAtStub()).toMatchObject({ code: "integrity" });
      expect([tokens, server.requests.length]).toEqual([0, requests]);
    }
  });

  it("tries a server again that answered something else at first, with its new challenge", async () => {
    server.respondWith((response) => response.writeHead(401, { "www-authenticate": "Basic realm=proxy" }).end());
    expect(await errorAtStub()).toMatchObject({ code: "access-denied" });
    server.respondWith((response) => response.writeHead(401, challenge("https://0.0.1")).end());
    expect((await errorAtStub()).code).toBe("misconfigured");
    expect(server.requests).toHaveLength(1);
  });
});

it("shows no token in the signer or in an error", async () => {
  const { token } = kv.tokens.issue("https://vault.localhost");
  const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) };
  kv.respondWith("GetKey", { status: 400, code: "BadParameter", message: `Bad header: Bearer ${token} and ${token}.` });
  await using signer = newSigner(key.kid, { credential });
  const error = await errorOf(signer.sign(message));
  await signer.sign(message);
  const shown = inspect([signer, error, error.cause], { depth: 9, showHidden: true }) + JSON.stringify(error);
  expect(shown).toContain("Bad header: …");
  expect(shown).not.toContain(token.split(".")[2]);
});
