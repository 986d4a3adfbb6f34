/** examples/clients/http-signatures.ts and web-bot-auth.ts, verified by the packages themselves and by node:crypto. */
import { constants, createPublicKey, type JsonWebKey, type KeyObject, verify } from "node:crypto";
import type { AlgorithmName, Signer } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { createVerifier, httpbis, type SignatureParameters } from "http-message-signatures";
import { calculateJwkThumbprint } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { helpers, jwkToKeyID, signatureHeaders, verify as verifyBot } from "web-bot-auth";
import { verifierFromJWK } from "web-bot-auth/crypto";
import { messageSigningKey } from "../../examples/clients/http-signatures.js";
import { botDirectory, botSigner } from "../../examples/clients/web-bot-auth.js";
import { testedAlgorithms } from "../tested-algorithms.js";

const KEYS: Readonly<Partial<Record<AlgorithmName, string>>> = {
  ES256: "dpop",
  ES384: "p384",
  Ed25519: "ed25519",
  PS512: "rsa",
  RS256: "rsa",
};
/** RFC 9421 §6.2.2. */
const REGISTERED: Readonly<Partial<Record<AlgorithmName, string>>> = {
  ES256: "ecdsa-p256-sha256",
  ES384: "ecdsa-p384-sha384",
  Ed25519: "ed25519",
  PS512: "rsa-pss-sha512",
  RS256: "rsa-v1_5-sha256",
};
const registered = Object.keys(REGISTERED) as AlgorithmName[];

let hsm: SoftHsm;
const signers = new Map<AlgorithmName, Signer>();
beforeAll(async () => {
  hsm = await softHsm({ label: "bots" });
  await hsm.addKey({ label: "p384", id: "02", algorithm: "ES384" });
  await hsm.addKey({ label: "ed25519", id: "03", algorithm: "Ed25519" });
  await hsm.addKey({ label: "rsa", id: "04", algorithm: "RS256" });
  for (const algorithm of registered) {
    const key = KEYS[algorithm] ?? expect.unreachable();
    signers.set(algorithm, new Pkcs11Signer({ module: hsm.module, token: hsm.token, key, pin: hsm.pin, algorithm }));
  }
});
afterAll(async () => {
  for (const signer of signers.values()) await signer.close();
  await hsm.close();
});

const signerFor = (alg: AlgorithmName) => signers.get(alg) ?? expect.unreachable();
const publicKeyOf = async (signer: Signer): Promise<KeyObject> =>
  createPublicKey({ key: { ...(await signer.publicJwk()) }, format: "jwk" });

/** Verifies as RFC 9421 §3.3 defines the algorithm. */
function verifiesByNode(name: string, key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING } = constants;
  if (name === "ed25519") return verify(undefined, data, key, signature);
  if (name === "rsa-v1_5-sha256") return verify("sha256", data, { key, padding: RSA_PKCS1_PADDING }, signature);
  if (name === "rsa-pss-sha512")
    return verify("sha512", data, { key, padding: RSA_PKCS1_PSS_PADDING, saltLength: 64 }, signature);
  return verify(`sha${name.slice(-3)}`, data, { key, dsaEncoding: "ieee-p1363" }, signature);
}

type Headers = Record<string, string | string[]>;

describe.each(registered)("http-message-signatures with a SoftHSM key for %s", (alg) => {
  const request = {
    method: "POST",
    url: "https://api.example.com/orders?x=1",
    headers: { host: "api.example.com" } as Headers,
  };
  const fields = ["@method", "@authority", "@path"];
  const name = REGISTERED[alg] ?? expect.unreachable();

  it("signs requests that the package and node:crypto verify", async () => {
    const key = await messageSigningKey(signerFor(alg));
    const signed = await httpbis.signMessage({ key, fields }, request);
    const publicKey = await publicKeyOf(signerFor(alg));
    const jkt = await calculateJwkThumbprint({ ...(await signerFor(alg).publicJwk()) });
    expect(String(signed.headers["Signature-Input"])).toContain(`keyid="${jkt}";alg="${name}"`);
    const verifiers = [
      createVerifier(publicKey.export({ type: "spki", format: "pem" }), name),
      async (data: Buffer, signature: Buffer) => verifiesByNode(name, publicKey, data, signature),
    ];
    for (const verifier of verifiers) {
      const keyLookup = async () => ({ id: jkt, algs: [name], verify: verifier });
      expect(await httpbis.verifyMessage({ keyLookup }, signed)).toBe(true);
      const other = { ...signed, method: "PUT" };
      expect(await httpbis.verifyMessage({ keyLookup }, other)).toBe(false);
    }
  });
});

it("a key ID of one's own replaces the thumbprint", async () => {
  expect(await messageSigningKey(signerFor("ES256"), "agent-7")).toMatchObject({ id: "agent-7" });
});

it.each(testedAlgorithms("memory").filter((alg) => !(alg in REGISTERED)))(
  "a key for %s is refused, because RFC 9421 has no name for its algorithm",
  async (alg) => {
    const signer = MemorySigner.generate({ algorithm: alg });
    const problem = `RFC 9421 has no algorithm for ${alg} keys. Use a key for one of ${registered.join(", ")}.`;
    await expect(messageSigningKey(signer)).rejects.toThrow(problem);
    await expect(botSigner(signer)).rejects.toThrow(problem);
  },
);

describe("web-bot-auth with an Ed25519 key in SoftHSM", () => {
  const created = new Date();
  const expires = new Date(created.getTime() + 300_000);
  const headers = { "signature-agent": '"https://bot.example.com"' };

  it("signs requests that the package verifies with the key of the directory", async () => {
    const signer = signerFor("Ed25519");
    const request = new Request("https://shop.example/", { headers });
    const signature = await signatureHeaders(request, await botSigner(signer), { created, expires });
    expect(signature["Signature-Input"]).toContain('("@authority" "signature-agent")');
    expect(signature["Signature-Input"]).toContain('tag="web-bot-auth"');
    const { keyid, jwk } = await keyInDirectory([signer], signature["Signature-Input"]);
    expect(keyid).toBe(await jwkToKeyID(jwk as never, helpers.WEBCRYPTO_SHA256, helpers.BASE64URL_DECODE));
    const signed = new Request(request, { headers: { ...headers, ...signature } });
    await expect(verifyBot(signed, await verifierFromJWK(jwk))).resolves.toBeUndefined();
    const elsewhere = new Request("https://other.example/", { headers: signed.headers });
    await expect(verifyBot(elsewhere, await verifierFromJWK(jwk))).rejects.toThrow("invalid signature");
  });

  it("signs the directory with each key that it contains", async () => {
    const url = "https://bot.example.com/.well-known/http-message-signatures-directory";
    const response = await botDirectory(new Request(url), [signerFor("Ed25519"), signerFor("ES256")]);
    expect(response.headers.get("content-type")).toBe("application/http-message-signatures-directory+json");
    expect(response.headers.get("signature-input")).toContain('tag="http-message-signatures-directory"');
    const { keys } = Object(await response.json());
    expect(keys.map((jwk: object) => Object.keys(jwk).sort())).toEqual([
      ["alg", "crv", "kty", "x"],
      ["alg", "crv", "kty", "x", "y"],
    ]);
    const used: unknown[] = [];
    const keyLookup = async ({ keyid }: SignatureParameters) => {
      used.push(keyid);
      const jwk = await keyById(keys, keyid);
      const name = REGISTERED[jwk.alg as AlgorithmName] ?? expect.unreachable();
      const pem = createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "pem" });
      return { id: keyid ?? "", algs: [name], verify: createVerifier(pem, name) };
    };
    const directory = { status: response.status, headers: Object.fromEntries(response.headers) };
    const request = { method: "GET", url, headers: {} };
    expect(await httpbis.verifyMessage({ keyLookup, all: true }, directory, request)).toBe(true);
    expect(new Set(used).size).toBe(2);
    const elsewhere = { ...request, url: url.replace("bot", "thief") };
    expect(await httpbis.verifyMessage({ keyLookup, all: true }, directory, elsewhere)).toBe(false);
  });

  async function keyById(keys: JsonWebKey[], keyid: unknown): Promise<JsonWebKey> {
    for (const jwk of keys) if ((await calculateJwkThumbprint(jwk as never)) === keyid) return jwk;
    return expect.unreachable();
  }

  async function keyInDirectory(all: Signer[], input: string): Promise<{ keyid: string; jwk: JsonWebKey }> {
    const keyid = /keyid="([^"]+)"/.exec(input)?.[1] ?? expect.unreachable();
    const { keys } = Object(await (await botDirectory(new Request("https://bot.example.com/"), all)).json());
    return { keyid, jwk: await keyById(keys, keyid) };
  }
});
