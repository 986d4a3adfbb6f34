/** Every algorithm of the table: verified by node:crypto, jose and oauth4webapi, and accepted by oidc-provider. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  ALGORITHM_NAMES,
  type AlgorithmName,
  createKey,
  DPoPProver,
  dpopFetch,
  OAuthClient,
  openSigner,
  type PublicJwk,
  type Signer,
  verifyProof,
  verifySignature,
} from "hardproof";
import { FileSigner } from "hardproof/file";
import { MemorySigner } from "hardproof/memory";
import * as jose from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasMlDsa } from "../../testing/emulators/ml-dsa.js";
import { isSignature } from "../providers/verify-jws.js";
import { type AuthorizationServer, authorizationServer, confidential } from "../servers/authorization-server.js";
import { type ResourceServer, resourceServer } from "../servers/resource-server.js";

interface Expected {
  /** The members of the public JWK, without `alg`. */
  readonly members: readonly string[];
  readonly bytes: number;
}

const ec = (bytes: number): Expected => ({ members: ["crv", "kty", "x", "y"], bytes });
const rsa: Expected = { members: ["e", "kty", "n"], bytes: 384 };
const akp = (bytes: number): Expected => ({ members: ["kty", "pub"], bytes });

/** Written independently of the table. */
const expected: Record<AlgorithmName, Expected> = {
  ES256: ec(64),
  ES384: ec(96),
  ES512: ec(132),
  Ed25519: { members: ["crv", "kty", "x"], bytes: 64 },
  RS256: rsa,
  RS384: rsa,
  RS512: rsa,
  PS256: rsa,
  PS384: rsa,
  PS512: rsa,
  "ML-DSA-44": akp(2420),
  "ML-DSA-65": akp(3309),
  "ML-DSA-87": akp(4627),
};

const isMlDsa = (name: string) => name.startsWith("ML-DSA");
const available = ALGORITHM_NAMES.filter((name) => hasMlDsa || !isMlDsa(name));
const data = Buffer.from("data");
const htu = "https://api.example.com/resource";
const directory = mkdtempSync(join(tmpdir(), "hardproof-algorithms-"));

let files = 0;
const writeTestFile = (text: string) => {
  files += 1;
  const path = join(directory, `${files}.pem`);
  writeFileSync(path, text);
  return path;
};
const pkcs8 = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();
const caught = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return error;
  }
  return expect.unreachable();
};
const errorOf = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

it("lists every algorithm once, and each is tested here", () => {
  expect([...ALGORITHM_NAMES].sort()).toEqual(Object.keys(expected).sort());
});

describe.each(available)("%s", (name) => {
  const { members, bytes } = expected[name];
  let signer: MemorySigner;
  let jwk: PublicJwk;
  beforeAll(async () => {
    signer = MemorySigner.generate({ algorithm: name, extractable: true });
    jwk = await signer.publicJwk();
  });

  it("has a public JWK with alg and the members of its type, and the thumbprint that jose calculates", async () => {
    expect(Object.keys(jwk).sort()).toEqual(["alg", ...members].sort());
    const { alg, jkt } = await signer.describe();
    expect([jwk.alg, alg]).toEqual([name, name]);
    expect(jkt).toBe(await jose.calculateJwkThumbprint({ ...jwk }));
  });

  it("makes signatures that node:crypto verifies, of the length that its specification says", async () => {
    const signature = await signer.sign(data);
    const key = createPublicKey({ key: { ...jwk }, format: "jwk" });
    expect(signature).toHaveLength(bytes);
    expect(isSignature(name, key, data, signature)).toBe(true);
    expect(verifySignature(jwk, data, signature)).toBe(true);
    expect(verifySignature(jwk, Buffer.from("other"), signature)).toBe(false);
  });

  it("makes proofs that jose verifies, whose header has only the members of the key type", async () => {
    const prover = await DPoPProver.create(signer);
    const proof = await prover.makeProof({ htm: "GET", htu });
    const { protectedHeader } = await jose.jwtVerify(proof, jose.EmbeddedJWK, { typ: "dpop+jwt", algorithms: [name] });
    expect(protectedHeader).toEqual({ typ: "dpop+jwt", alg: name, jwk: prover.publicJwk });
    expect(Object.keys(prover.publicJwk).sort()).toEqual([...(isMlDsa(name) ? ["alg"] : []), ...members].sort());
    expect(prover.jkt).toBe(await jose.calculateJwkThumbprint({ ...jwk }));
    expect(prover.alg).toBe(name);
  });

  it("is verified by verifyProof, and a changed signature isn't", async () => {
    const prover = await DPoPProver.create(signer);
    const proof = await prover.makeProof({ htm: "GET", htu });
    const check = async (text: string) => {
      const { findings, jkt } = await verifyProof(text, {
        method: "GET",
        url: htu,
        maxAge: 60,
        now: Date.now() / 1000,
      });
      expect(jkt).toBe(prover.jkt);
      return findings.filter(({ ok }) => ok === false).map(({ check }) => check);
    };
    expect(await check(proof)).toEqual([]);
    const [header, claims, signature = ""] = proof.split(".");
    const changed = Buffer.from(signature, "base64url");
    changed[10] = (changed[10] ?? 0) ^ 1;
    expect(await check(`${header}.${claims}.${changed.toString("base64url")}`)).toEqual(["signature"]);
  });

  it("signs with a key from PKCS#8, encrypted PKCS#8, a private JWK and a file", async () => {
    const passphrase = "correct horse";
    const pem = signer.exportPem();
    const privateJwk = createPrivateKey(pem).export({ format: "jwk" });
    const algorithm = name;
    const signers: Signer[] = [
      MemorySigner.fromPem(pem, { algorithm }),
      MemorySigner.fromPem(signer.exportPem(passphrase), { algorithm, passphrase }),
      MemorySigner.fromJwk(privateJwk, { algorithm }),
      MemorySigner.fromJwk({ ...privateJwk, alg: name }),
      new FileSigner({ path: writeTestFile(signer.exportPem(passphrase)), passphrase, algorithm }),
      await openSigner(`file://${writeTestFile(pem)}`, { algorithm }),
      await openSigner(`file://${writeTestFile(pem)}?algorithm=${name}`),
    ];
    for (const other of signers) {
      expect(await other.publicJwk()).toEqual(jwk);
      expect(verifySignature(jwk, data, await other.sign(data))).toBe(true);
    }
  });

  it("creates a key in a file, whose signer's URI opens it", async () => {
    await using created = await createKey(`file://${join(directory, name)}.pem`, { algorithm: name });
    await using opened = await openSigner(created.uri ?? "");
    expect(await opened.publicJwk()).toEqual(await created.publicJwk());
    expect((await opened.publicJwk()).alg).toBe(name);
  });
});

const unavailable = ALGORITHM_NAMES.filter((name) => !available.includes(name));
if (unavailable.length > 0)
  it.each(unavailable)("rejects %s on a Node without OpenSSL 3.5, and says what it needs", async (name) => {
    const error = { code: "misconfigured", message: expect.stringMatching(/Node 24\.\d+.*OpenSSL 3\.5/) };
    expect(caught(() => MemorySigner.generate({ algorithm: name }))).toMatchObject(error);
    expect(await errorOf(createKey(`file://${join(directory, name)}.pem`, { algorithm: name }))).toMatchObject(error);
    const header = Buffer.from(
      JSON.stringify({ typ: "dpop+jwt", alg: name, jwk: { kty: "AKP", alg: name, pub: "AA" } }),
    );
    const { findings } = await verifyProof(`${header.toString("base64url")}.e30.AA`, { maxAge: 60, now: 0 });
    const signature = findings.find(({ check }) => check === "signature");
    expect(signature).toMatchObject({ ok: false, remedy: expect.stringContaining("OpenSSL 3.5") });
  });

describe("SEC1 and PKCS#1", () => {
  it.each([
    ["P-384", "ES384"],
    ["P-521", "ES512"],
  ] as const)("signs with a %s key from SEC1", async (namedCurve, alg) => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve });
    const signer = MemorySigner.fromPem(privateKey.export({ type: "sec1", format: "pem" }).toString());
    expect(await signer.publicJwk()).toMatchObject({ crv: namedCurve, alg });
  });

  it("signs with an RSA key from PKCS#1", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
    const signer = MemorySigner.fromPem(pem, { algorithm: "PS256" });
    expect(await signer.sign(data)).toHaveLength(256);
  });
});

describe("a key that doesn't fit the algorithm", () => {
  const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const rsa2048 = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const rsa1024 = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
  const rsaPss = generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey;

  it.each<[string, KeyObject, AlgorithmName | undefined, string, string]>([
    ["a P-256 key for ES384", p256, "ES384", "wrong-key", "ES384 needs an EC key on P-384, but this key is EC P-256."],
    [
      "a P-256 key for PS256",
      p256,
      "PS256",
      "wrong-key",
      "PS256 needs an RSA key of at least 2048 bits, but this key is EC P-256.",
    ],
    [
      "a 1024-bit RSA key",
      rsa1024,
      "RS256",
      "wrong-key",
      "RS256 needs an RSA key of at least 2048 bits, but this key is RSA 1024.",
    ],
    [
      "an RSA key for ES256",
      rsa2048,
      "ES256",
      "wrong-key",
      "ES256 needs an EC key on P-256, but this key is RSA 2048.",
    ],
    [
      "an RSA key of the type RSASSA-PSS",
      rsaPss,
      "PS256",
      "wrong-key",
      "PS256 needs an RSA key of at least 2048 bits, but this key is rsa-pss 2048.",
    ],
    [
      "an RSA key without an algorithm",
      rsa2048,
      undefined,
      "misconfigured",
      "Set algorithm (in a URI: ?algorithm=…) to one of RS256, RS384, RS512, PS256, PS384, PS512.",
    ],
    [
      "an unknown algorithm",
      p256,
      "ES256K" as AlgorithmName,
      "misconfigured",
      "algorithm must be one of ES256, ES384, ",
    ],
  ])(
    "rejects %s before any signature, and names what was found and what is needed",
    async (_, key, algorithm, code, message) => {
      const expectedError = { name: "SignerError", code, message: expect.stringContaining(message) };
      expect(caught(() => MemorySigner.fromPem(pkcs8(key), { algorithm }))).toMatchObject(expectedError);
      const path = writeTestFile(pkcs8(key));
      const opening = async () => new FileSigner({ path, algorithm }).publicJwk();
      expect(await errorOf(opening())).toMatchObject(expectedError);
    },
  );

  it("rejects a private JWK whose alg is another one than the option, and an algorithm that isn't in the URI's list", async () => {
    const jwk = { ...p256.export({ format: "jwk" }), alg: "ES384" };
    expect(caught(() => MemorySigner.fromJwk(jwk))).toMatchObject({ code: "wrong-key" });
    await expect(openSigner("memory:?algorithm=ES256K")).rejects.toThrow("algorithm must be one of ES256, ");
  });
});

describe("a server's list of algorithms", () => {
  const clientId = "key-agent";
  const provers = new Map<string, DPoPProver>();
  let as: AuthorizationServer;
  let rs: ResourceServer;
  // Without `alg`, so that the server accepts either name of Ed25519.
  const jwks = () => ({
    keys: [...provers.values()].map(({ publicJwk, jkt }) => ({ ...publicJwk, kid: jkt, use: "sig" })),
  });
  const tokenWith = (client: OAuthClient, dpopProver: DPoPProver) => client.clientCredentials({ clientId, dpopProver });
  const clientOf = (metadata: object, signer: Signer) =>
    new OAuthClient({
      baseUrl: as.issuer,
      metadata: { issuer: as.issuer, token_endpoint: as.tokenEndpoint, ...metadata },
      clientAuth: { method: "private_key_jwt", signer },
    });

  beforeAll(async () => {
    for (const name of available) provers.set(name, await DPoPProver.generate(name));
    as = await authorizationServer({
      algorithms: [...available, "EdDSA"],
      clients: [
        {
          ...confidential,
          client_id: clientId,
          token_endpoint_auth_method: "private_key_jwt",
          jwks: jwks() as never,
        },
      ],
    });
    rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
  });
  afterAll(async () => {
    await rs.close();
    await as.close();
  });
  const proverOf = (name: string) => provers.get(name) ?? expect.unreachable();

  it.each(available)("accepts %s proofs and client assertions (oidc-provider, oauth4webapi)", async (name) => {
    const prover = proverOf(name);
    const client = await OAuthClient.discover(as.issuer, {
      clientAuth: { method: "private_key_jwt", signer: prover.signer },
    });
    const { accessToken, cnfJkt } = await tokenWith(client, prover);
    expect(cnfJkt).toBe(prover.jkt);
    const response = await dpopFetch({ prover, token: accessToken })(rs.url);
    expect(await response.json()).toEqual({ hello: clientId, jkt: prover.jkt, verifiedBy: "oauth4webapi" });
  });

  it("says EdDSA to a server that lists only the older name", async () => {
    const prover = proverOf("Ed25519");
    const older = ["ES256", "EdDSA"];
    const client = clientOf(
      { dpop_signing_alg_values_supported: older, token_endpoint_auth_signing_alg_values_supported: older },
      prover.signer,
    );
    expect((await tokenWith(client, prover)).cnfJkt).toBe(prover.jkt);
    const { headers, form } = lastRequest();
    expect(jose.decodeProtectedHeader(headers)).toMatchObject({ alg: "EdDSA", jwk: prover.publicJwk });
    expect(jose.decodeProtectedHeader(form)).toMatchObject({ alg: "EdDSA", kid: prover.jkt });
  });

  type Call = (client: OAuthClient, dpopProver: DPoPProver) => Promise<unknown>;
  const redirectUri = "https://client.example/callback";
  const calls: Record<string, Call> = {
    token: tokenWith,
    refresh: (client, dpopProver) => client.refresh({ clientId, dpopProver, refreshToken: "r" }),
    "JWT bearer": (client, dpopProver) => client.jwtBearer({ clientId, dpopProver, assertion: "a.b.c" }),
    "device authorization": (client, dpopProver) => client.deviceAuthorization({ clientId, dpopProver }),
    "pushed authorization": (client, dpopProver) =>
      client.authorizationUrl({ clientId, dpopProver, redirectUri, pushed: true }),
    authorization: (client, dpopProver) => client.authorizationUrl({ clientId, dpopProver, redirectUri }),
    revocation: (client) => client.revoke({ clientId, token: "t" }),
    introspection: (client) => client.introspect({ clientId, token: "t" }),
  };
  const endpoints = (issuer: string) => ({
    authorization_endpoint: `${issuer}/auth`,
    device_authorization_endpoint: `${issuer}/device/auth`,
    pushed_authorization_request_endpoint: `${issuer}/request`,
    revocation_endpoint: `${issuer}/token/revocation`,
    introspection_endpoint: `${issuer}/token/introspection`,
  });

  it.each([
    ["token", "dpop", "DPoP proofs"],
    ["refresh", "dpop", "DPoP proofs"],
    ["JWT bearer", "dpop", "DPoP proofs"],
    ["device authorization", "dpop", "DPoP proofs"],
    ["pushed authorization", "dpop", "DPoP proofs"],
    ["authorization", "dpop", "DPoP proofs"],
    ["token", "token_endpoint_auth", "client assertions"],
    ["refresh", "token_endpoint_auth", "client assertions"],
    ["JWT bearer", "token_endpoint_auth", "client assertions"],
    ["device authorization", "token_endpoint_auth", "client assertions"],
    ["pushed authorization", "token_endpoint_auth", "client assertions"],
    ["revocation", "revocation_endpoint_auth", "client assertions"],
    ["introspection", "introspection_endpoint_auth", "client assertions"],
  ])("%s: isn't sent a request if its list for %s lacks the key's algorithm", async (name, list, what) => {
    const prover = proverOf("ES384");
    const lists = { ...endpoints(as.issuer), [`${list}_signing_alg_values_supported`]: ["ES256", "PS256"] };
    const before = as.requests.length;
    const error = await errorOf(calls[name]?.(clientOf(lists, prover.signer), prover) ?? expect.unreachable());
    expect(error).toMatchObject({
      name: "OAuthError",
      code: "misconfigured",
      message: expect.stringContaining(`The server doesn't support ${what} with ES384. It supports: ES256, PS256.`),
    });
    expect(as.requests).toHaveLength(before);
  });

  it.each(["pushed authorization", "device authorization", "revocation", "introspection"])(
    "%s: gets EdDSA if it lists only the older name",
    async (name) => {
      const prover = proverOf("Ed25519");
      const auth = ["token", "revocation", "introspection"].map((endpoint) => `${endpoint}_endpoint_auth`);
      const lists = ["dpop", ...auth].map((list) => [`${list}_signing_alg_values_supported`, ["ES256", "EdDSA"]]);
      const metadata = { ...endpoints(as.issuer), ...Object.fromEntries(lists) };
      await calls[name]?.(clientOf(metadata, prover.signer), prover).catch(() => undefined);
      const { headers, form } = lastRequest();
      expect(jose.decodeProtectedHeader(form)).toMatchObject({ alg: "EdDSA", kid: prover.jkt });
      if (headers !== "undefined") expect(jose.decodeProtectedHeader(headers)).toMatchObject({ alg: "EdDSA" });
      expect(headers !== "undefined").toBe(name === "pushed authorization");
    },
  );

  it("rejects a proof for a server whose list lacks the algorithm", async () => {
    const work = proverOf("PS256").makeProof({ htm: "GET", htu, supportedAlgorithms: ["ES256"] });
    expect(await errorOf(work)).toMatchObject({
      name: "DPoPError",
      code: "misconfigured",
      message: expect.stringContaining("PS256"),
    });
  });

  function lastRequest(): { headers: string; form: string } {
    const request = as.requests.at(-1) ?? expect.unreachable();
    const form = new URLSearchParams(String(request.body));
    return { headers: String(request.headers.dpop), form: form.get("client_assertion") ?? "" };
  }
});
