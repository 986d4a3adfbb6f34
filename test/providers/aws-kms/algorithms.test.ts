/** Every JWS algorithm with a key in AWS KMS: proofs, requests, creating, listing, and keys that don't fit. */
import { createPublicKey } from "node:crypto";
import type { KeySpec } from "@aws-sdk/client-kms";
import { type AlgorithmName, DPoPProver, listKeys, type SignerError } from "hardproof";
import { type KmsProviderOptions, KmsSigner, type KmsSignerOptions, provider } from "hardproof/aws-kms";
import { compactVerify, importJWK } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type AwsKmsEmulator, awsKmsEmulator, type KmsKey } from "../../../testing/emulators/aws-kms.js";
import type { Fault } from "../../../testing/emulators/fault-plan.js";
import { type AlgorithmServers, algorithmServers } from "../../servers/algorithm-servers.js";
import { isSignature, isSignedBy } from "../verify-jws.js";
import { UNUSABLE, USABLE } from "./algorithms.js";

let kms: AwsKmsEmulator;
beforeAll(async () => {
  kms = await awsKmsEmulator();
});
afterEach(() => kms.plan.clear());
afterAll(() => kms.close());

const config = () => ({ endpoint: kms.endpoint, credentials: kms.credentials, maxAttempts: 1 });
const newSigner = ({ arn }: KmsKey, options: KmsSignerOptions = {}) =>
  new KmsSigner(arn, { clientConfig: config(), ...options });
const errorOf = (work: () => unknown): Promise<SignerError> =>
  new Promise((resolve) => resolve(work())).then(
    () => expect.unreachable(),
    (error) => error,
  );
/** One key of each spec, since generating RSA keys takes long. */
const keyOf = (spec: KeySpec) => [...kms.keys.all.values()].find((key) => key.spec === spec) ?? kms.keys.add({ spec });
const publicKeyOf = (spec: KeySpec) =>
  createPublicKey({ key: keyOf(spec).material?.spki ?? Buffer.alloc(0), format: "der", type: "spki" });

describe.each(USABLE)("%s", (alg, spec, [signingAlgorithm, messageType, bytes]) => {
  const isRsa = spec.startsWith("RSA");
  const open = (options: KmsSignerOptions = {}) => newSigner(keyOf(spec), { algorithm: alg, ...options });

  it("makes proofs that node:crypto and jose verify", async () => {
    await using signer = open();
    const prover = await DPoPProver.create(signer);
    for (let n = 0; n < 10; n += 1) {
      const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example.com/" });
      const { protectedHeader } = await compactVerify(proof, await importJWK(await signer.publicJwk(), alg));
      expect(protectedHeader.alg).toBe(alg);
      expect(protectedHeader.jwk).toEqual(prover.publicJwk);
      expect(isSignedBy(proof, publicKeyOf(spec).export({ format: "jwk" }), alg)).toBe(true);
    }
  });

  it(`sends ${messageType} and ${signingAlgorithm} in one request`, async () => {
    await using signer = open();
    const message = Buffer.from("a message of 24 bytes...");
    await signer.sign(message);
    const requests = kms.plan.calls.filter(({ operation }) => operation === "Sign");
    expect(requests).toHaveLength(1);
    const input: Record<string, string> = Object(requests[0]?.input);
    const { MessageType, SigningAlgorithm, Message = "" } = input;
    expect([SigningAlgorithm, MessageType]).toEqual([signingAlgorithm, messageType]);
    expect(Buffer.from(Message, "base64")).toHaveLength(bytes ?? message.length);
  });

  it("signs without the option `algorithm` if the key has only one", async () => {
    await using signer = open({ algorithm: undefined });
    if (isRsa)
      expect(await errorOf(() => signer.sign(Buffer.from("a")))).toMatchObject({
        code: "misconfigured",
        message: expect.stringMatching(/RS256, RS384, RS512, PS256, PS384, PS512/),
      });
    else expect(await signer.publicJwk()).toMatchObject({ alg });
  });

  it("describes the key with its algorithm", async () => {
    await using signer = open();
    expect(await signer.describe()).toMatchObject({ alg, protection: "hsm", evidence: { KeySpec: spec } });
  });

  it("has a URI that opens the same key", async () => {
    await using signer = open();
    await using reopened = provider.open(signer.uri, { clientConfig: config() });
    expect(reopened.uri).toBe(signer.uri);
    expect(await reopened.publicJwk()).toEqual(await signer.publicJwk());
  });

  it.each<Fault>(["wrong-signature", "corrupt-signature", "other-key", "other-name"])(
    "reports Sign with the fault %s as an integrity error",
    async (fault) => {
      await using signer = open();
      kms.plan.always("Sign", fault); // A request that takes long is repeated.
      expect(await errorOf(() => signer.sign(Buffer.from("a")))).toMatchObject({ code: "integrity", retryable: false });
    },
  );

  it("creates a key, which list() finds with its algorithm", async () => {
    const account = await awsKmsEmulator();
    const options: KmsProviderOptions = {
      region: account.region,
      clientConfig: { ...config(), endpoint: account.endpoint },
    };
    const created = await provider.create?.("awskms:///alias/new", { ...options, algorithm: alg });
    await using signer = created ?? expect.unreachable();
    const jwk = await signer.publicJwk();
    expect(jwk.alg).toBe(alg);
    const [key] = account.keys.all.values();
    expect(key?.spec).toBe(isRsa ? "RSA_3072" : spec);
    const narrowed = `awskms:///?endpoint=${account.endpoint}&algorithm=${alg}`;
    const uris = await listKeys(narrowed, { ...options });
    expect(uris).toHaveLength(1);
    await using listed = provider.open(uris[0] ?? "", options);
    expect(await listed.publicJwk()).toEqual(jwk);
    await account.close();
  });
});

describe("servers", () => {
  let signers: Map<AlgorithmName, KmsSigner>;
  let servers: AlgorithmServers;
  beforeAll(async () => {
    signers = new Map(USABLE.map(([alg, spec]) => [alg, newSigner(keyOf(spec), { algorithm: alg })]));
    servers = await algorithmServers([...signers.values()]);
  });
  afterAll(async () => {
    await servers.close();
    await Promise.all([...signers.values()].map((signer) => signer.close()));
  });

  it.each(USABLE)("accept %s proofs and client assertions (oidc-provider, oauth4webapi)", async (alg) => {
    const { key, token, resource } = await servers.useKey(signers.get(alg) ?? expect.unreachable());
    expect([token, resource]).toEqual([key, key]);
  });
});

describe("the length of a message", () => {
  it.each(USABLE.filter(([alg]) => alg !== "Ed25519"))("isn't limited with %s", async (alg, spec) => {
    await using signer = newSigner(keyOf(spec), { algorithm: alg });
    for (const length of [0, 4097, 100_000]) {
      const message = Buffer.alloc(length, 7);
      expect(isSignature(alg, publicKeyOf(spec), message, await signer.sign(message))).toBe(true);
    }
  });

  it("is 1 to 4,096 bytes with Ed25519, and any other is refused before a request", async () => {
    await using signer = newSigner(keyOf("ECC_NIST_EDWARDS25519"));
    for (const length of [1, 4096]) expect(await signer.sign(Buffer.alloc(length))).toHaveLength(64);
    for (const length of [0, 4097])
      expect(await errorOf(() => signer.sign(Buffer.alloc(length)))).toMatchObject({
        code: "misconfigured",
        uri: signer.uri,
        message: expect.stringContaining(`1 to 4096 bytes with Ed25519, but this one has ${length}.`),
      });
    expect(kms.plan.count("Sign")).toBe(2);
  });
});

describe("a key that doesn't fit the algorithm", () => {
  it.each<[KeySpec, AlgorithmName, string]>([
    ["ECC_NIST_P256", "ES384", "ES384 needs ECC_NIST_P384 for SIGN_VERIFY with ECDSA_SHA_384."],
    ["ECC_NIST_P384", "ES256", "ES256 needs ECC_NIST_P256 for SIGN_VERIFY with ECDSA_SHA_256."],
    ["ECC_NIST_EDWARDS25519", "RS256", "RS256 needs RSA_3072 or RSA_2048 or RSA_4096 for SIGN_VERIFY"],
    ["RSA_2048", "Ed25519", "Ed25519 needs ECC_NIST_EDWARDS25519 for SIGN_VERIFY with ED25519_SHA_512."],
  ])("is found to be %s when it is opened for %s, before any proof", async (spec, algorithm, needed) => {
    await using signer = newSigner(keyOf(spec), { algorithm });
    const error = await errorOf(() => DPoPProver.create(signer));
    expect(error).toMatchObject({ code: "wrong-key", retryable: false, uri: signer.uri });
    expect(error.message).toContain(`is ${spec} for SIGN_VERIFY with `);
    expect(error.message).toContain(needed);
    expect(kms.plan.count("Sign")).toBe(0);
  });

  it("isn't created", async () => {
    const options = { region: kms.region, clientConfig: config(), algorithm: "ES256K" as AlgorithmName };
    const error = await errorOf(() => provider.create?.("awskms:///alias/new", options));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("ES256K") });
    expect(kms.plan.calls).toEqual([]);
  });

  it.each(UNUSABLE)(
    "is refused if it is for %s and Node doesn't have it, with the version that does",
    async (alg, spec) => {
      await using signer = newSigner(keyOf(spec));
      const error = await errorOf(() => DPoPProver.create(signer));
      expect(error).toMatchObject({ code: "misconfigured", message: expect.stringMatching(`${alg}.*Node 24`) });
      const uris = await listKeys(`awskms:///?region=${kms.region}`, { clientConfig: config() });
      expect(uris?.join()).not.toContain(keyOf(spec).arn);
    },
  );
});

describe("list()", () => {
  const list = (options: KmsProviderOptions = {}) =>
    listKeys(`awskms:///?region=${kms.region}`, { clientConfig: config(), ...options });
  const uriOf = ({ arn }: KmsKey, algorithm: string) =>
    `awskms:///${arn}?endpoint=${kms.endpoint}&algorithm=${algorithm}`;

  it("names the algorithm of each key, and lists an RSA key once for each that it has", async () => {
    kms.keys.all.clear();
    const [rsa, p521, ed25519] = [keyOf("RSA_2048"), keyOf("ECC_NIST_P521"), keyOf("ECC_NIST_EDWARDS25519")];
    kms.keys.add({ spec: "ECC_SECG_P256K1" });
    const names = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    const expected = [...names.map((name) => uriOf(rsa, name)), uriOf(p521, "ES512"), uriOf(ed25519, "Ed25519")];
    expect((await list()).sort()).toEqual(expected.sort());
    expect(await list({ algorithm: "PS256" })).toEqual([uriOf(rsa, "PS256")]);
    expect(await list({ algorithm: "ES512" })).toEqual([uriOf(p521, "ES512")]);
  });
});
