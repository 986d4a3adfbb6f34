/** What keyObjectSigner accepts as a key, a public key and a URI, and what it says about the key. */
import { createPrivateKey, createSecretKey, generateKeyPairSync, type KeyObject, webcrypto } from "node:crypto";
import { inspect } from "node:util";
import {
  DPoPProver,
  type KeyObjectSignerOptions,
  keyObjectSigner,
  type PublicJwk,
  requireNonExportable,
  type SignerError,
  verifySignature,
} from "hardproof";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { pem, privateKeyFor, toCryptoKey } from "../../node-keys.js";
import { newCertificate } from "../../servers/mutual-tls.js";

const { subtle } = webcrypto;
const data = Buffer.from("data");
const rejected = async (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable("It must reject."),
    (error) => error,
  );
const caught = (work: () => unknown): SignerError => {
  try {
    work();
  } catch (error) {
    return error as SignerError;
  }
  return expect.unreachable("It must throw.");
};

describe("the public key", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = { ...publicKey.export({ format: "jwk" }), alg: "ES256" } as PublicJwk;
  const spki = publicKey.export({ type: "spki", format: "der" });
  const importPublic = (extractable: boolean) =>
    subtle.importKey("spki", spki, { name: "ECDSA", namedCurve: "P-256" }, extractable, ["verify"]);

  it.each<[string, () => KeyObjectSignerOptions["publicKey"] | Promise<KeyObjectSignerOptions["publicKey"]>]>([
    ["what Node derives from the private key", () => undefined],
    ["a KeyObject", () => publicKey],
    ["a CryptoKey", () => importPublic(true)],
    ["a JWK", () => jwk],
    ["a JWK without alg", () => ({ ...jwk, alg: undefined }) as never],
    ["SubjectPublicKeyInfo in DER", () => new Uint8Array(spki)],
    ["PEM", () => publicKey.export({ type: "spki", format: "pem" }).toString()],
  ])("can be %s", async (_, option) => {
    const signer = keyObjectSigner(privateKey, { publicKey: await option() });
    expect(await signer.publicJwk()).toEqual(jwk);
    expect(verifySignature(jwk, data, await signer.sign(data))).toBe(true);
  });

  it("can be the PEM of a certificate", async () => {
    const { cert, key } = await newCertificate("agent");
    const signer = keyObjectSigner(createPrivateKey(key), { publicKey: cert.toString() });
    expect(verifySignature(await signer.publicJwk(), data, await signer.sign(data))).toBe(true);
  });

  it.each([true, false])(
    "of another key fails the first signature with `integrity`; signing in turn: %s",
    async (turn) => {
      const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey;
      const cryptoKey = await toCryptoKey(privateKey, "ES256");
      for (const key of [privateKey, cryptoKey]) {
        const signer = keyObjectSigner(key, { publicKey: other, concurrent: !turn });
        for (let n = 0; n < 2; n += 1) {
          const error = await rejected(signer.sign(data));
          expect(error).toMatchObject({ code: "integrity", uri: "keyobject:" });
          expect(error.message).toContain("Check the option publicKey");
        }
      }
    },
  );

  it("of another type is rejected with an error that names both", async () => {
    const signer = keyObjectSigner(generateKeyPairSync("x25519").privateKey, { publicKey });
    expect(await rejected(signer.sign(data))).toMatchObject({ code: "wrong-key" });
    await expect(signer.sign(data)).rejects.toThrow("ES256 needs an EC key on P-256, but this private key is x25519");
  });

  it.each<[string, () => KeyObjectSignerOptions["publicKey"], string, RegExp]>([
    ["a private KeyObject", () => privateKey, "misconfigured", /publicKey is a private key/],
    ["a private JWK", () => privateKey.export({ format: "jwk" }) as never, "misconfigured", /contains a private key/],
    ["a private key in PEM", () => pem(privateKey), "misconfigured", /contains a private key/],
    ["text that isn't PEM", () => "MFkwEwYH", "wrong-key", /isn't the PEM of a public key/],
    ["bytes that aren't DER", () => Buffer.from("spki"), "wrong-key", /can't be parsed/],
  ])("is rejected if it is %s, without showing it", async (_, option, code, message) => {
    const error = await rejected(keyObjectSigner(privateKey, { publicKey: option() }).publicJwk());
    expect(error).toMatchObject({ code, uri: "keyobject:", message: expect.stringMatching(message) });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(pem(privateKey).split("\n")[1]);
  });

  it("must be an option if Node can't derive it", async () => {
    const cryptoKey = await toCryptoKey(privateKey, "ES256");
    // Every key of Node's own provider can be derived.
    const getPublicKey = () => Promise.reject(new Error("unsupported"));
    Object.defineProperty(subtle, "getPublicKey", { value: getPublicKey, configurable: true });
    onTestFinished(() => Reflect.deleteProperty(subtle, "getPublicKey") as never);
    const error = await rejected(keyObjectSigner(cryptoKey).publicJwk());
    expect(error).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("Set the option publicKey"),
    });
    expect(await keyObjectSigner(cryptoKey, { publicKey }).publicJwk()).toEqual(jwk);
  });

  it("is read with explicit curve parameters, as some OpenSSL providers write it", async () => {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256", paramEncoding: "explicit" });
    const signer = keyObjectSigner(pair.privateKey);
    expect(await signer.publicJwk()).toMatchObject({ crv: "P-256", alg: "ES256" });
    expect(verifySignature(await signer.publicJwk(), data, await signer.sign(data))).toBe(true);
  });
});

describe("the key", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const unusable: [string, () => unknown, string, RegExp][] = [
    ["a public KeyObject", () => publicKey, "wrong-key", /is a public key/],
    ["a secret KeyObject", () => createSecretKey(Buffer.alloc(32)), "wrong-key", /is a secret key/],
    ["PEM", () => pem(privateKey), "misconfigured", /must be a private KeyObject or CryptoKey/],
    ["a JWK", () => privateKey.export({ format: "jwk" }), "misconfigured", /must be a private KeyObject or CryptoKey/],
    ["null", () => null, "misconfigured", /must be a private KeyObject or CryptoKey/],
    ["undefined", () => undefined, "misconfigured", /must be a private KeyObject or CryptoKey/],
  ];
  it.each(unusable)("is rejected at once if it is %s, without showing it", (_, key, code, message) => {
    const error = caught(() => keyObjectSigner(key() as KeyObject));
    expect(error).toMatchObject({ code, uri: "keyobject:", message: expect.stringMatching(message) });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(pem(privateKey).split("\n")[1]);
  });

  it.each<[string, object, string[], RegExp]>([
    [
      "an ECDH key",
      { name: "ECDH", namedCurve: "P-256" },
      ["deriveBits"],
      /ECDH P-256.*lacks the usage sign.*deriveBits/,
    ],
    ["an HMAC key", { name: "HMAC", hash: "SHA-256" }, ["sign"], /is a secret key/],
    [
      "an RSA key for SHA-1",
      { name: "RSA-PSS", hash: "SHA-1", modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) },
      ["sign"],
      /RSA-PSS SHA-1\. Use a key for ES256/,
    ],
  ])("is rejected at once if it is a CryptoKey that can't sign a JWS: %s", async (_, algorithm, usages, message) => {
    const generated = await subtle.generateKey(algorithm as { name: string }, false, usages as ["sign"]);
    const key = "privateKey" in generated ? generated.privateKey : generated;
    const error = caught(() => keyObjectSigner(key as webcrypto.CryptoKey));
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringMatching(message) });
  });

  it("is rejected at once if it is a public CryptoKey, although its algorithm is right", async () => {
    const pair = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
    expect(caught(() => keyObjectSigner(pair.publicKey))).toMatchObject({ code: "wrong-key" });
  });

  it.each([
    ["x25519", generateKeyPairSync("x25519").privateKey],
    ["ed448", generateKeyPairSync("ed448").privateKey],
    ["rsa-pss", generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey],
    ["EC secp256k1", generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey],
    ["RSA 1024", generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey],
  ])("is rejected with its type if no algorithm can use it: %s", async (type, key) => {
    const error = await rejected(keyObjectSigner(key).publicJwk());
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringContaining(`This key is ${type}`) });
  });

  it("must name its algorithm if it is an RSA KeyObject, which can sign with several", async () => {
    const key = privateKeyFor("RS256");
    await expect(keyObjectSigner(key).publicJwk()).rejects.toThrow("Set algorithm");
    expect(await keyObjectSigner(key, { algorithm: "PS384" }).publicJwk()).toMatchObject({ alg: "PS384" });
  });

  it.each(["RS256", "PS512"] as const)(
    "decides the algorithm, with its hash, if it is a CryptoKey for %s",
    async (name) => {
      const key = await toCryptoKey(privateKeyFor(name), name);
      const jwk = await keyObjectSigner(key).publicJwk();
      expect(jwk.alg).toBe(name);
      expect(verifySignature(jwk, data, await keyObjectSigner(key).sign(data))).toBe(true);
      for (const algorithm of ["RS384", "PS256", "ES256"] as const)
        expect(await rejected(keyObjectSigner(key, { algorithm }).sign(data))).toMatchObject({ code: "wrong-key" });
    },
  );

  it("may be a CryptoKey where the global class CryptoKey is another one, as in some test environments", async () => {
    const key = await toCryptoKey(privateKey, "ES256");
    vi.stubGlobal("CryptoKey", class {});
    const signer = keyObjectSigner(key, { publicKey });
    expect(verifySignature(await signer.publicJwk(), data, await signer.sign(data))).toBe(true);
    vi.unstubAllGlobals();
  });
});

describe("a handle: a CryptoKey whose signatures another key makes, as in hardproof/webcrypto", () => {
  const real = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const nativeSign = subtle.sign;
  afterEach(() => {
    Object.getPrototypeOf(subtle).sign = nativeSign;
  });

  /** Replaces `sign` as that module does. */
  const newHandle = async () => {
    const handle = await toCryptoKey(privateKeyFor("ES256"), "ES256");
    const realKey = await toCryptoKey(real.privateKey, "ES256");
    Object.getPrototypeOf(subtle).sign = function (algorithm: never, key: unknown, message: never) {
      return nativeSign.call(this, algorithm, key === handle ? realKey : (key as never), message);
    };
    return handle;
  };

  it("works with the public key of the key that signs", async () => {
    const signer = keyObjectSigner(await newHandle(), { publicKey: real.publicKey });
    expect(verifySignature(await signer.publicJwk(), data, await signer.sign(data))).toBe(true);
  });

  it("fails without it, and where sign isn't replaced: no signature is returned", async () => {
    const handle = await newHandle();
    expect(await rejected(keyObjectSigner(handle).sign(data))).toMatchObject({ code: "integrity" });
    Object.getPrototypeOf(subtle).sign = nativeSign;
    const signer = keyObjectSigner(handle, { publicKey: real.publicKey });
    expect(await rejected(signer.sign(data))).toMatchObject({ code: "integrity" });
  });
});

describe("the description", () => {
  const key = privateKeyFor("ES256");

  it("says that nothing is known of a KeyObject, so that requireNonExportable rejects it", async () => {
    const signer = keyObjectSigner(key, { uri: "keyobject:agents/dpop" });
    expect(await signer.describe()).toEqual({
      provider: "keyobject",
      uri: "keyobject:agents/dpop",
      alg: "ES256",
      jkt: (await DPoPProver.create(signer)).jkt,
      protection: "unknown",
      exportable: "unknown",
      evidence: { object: "KeyObject", asymmetricKeyType: "ec" },
    });
    expect(await rejected(requireNonExportable(signer))).toMatchObject({ code: "wrong-key" });
    expect(await rejected(DPoPProver.create(signer, { require: {} }))).toMatchObject({ code: "wrong-key" });
  });

  it.each([
    [true, true],
    [false, "unknown"],
  ])("of a CryptoKey with extractable: %s has exportable: %s", async (extractable, exportable) => {
    const signer = keyObjectSigner(await toCryptoKey(key, "ES256", { extractable }));
    const description = await signer.describe();
    const evidence = { object: "CryptoKey", algorithm: "ECDSA P-256", extractable, usages: ["sign"] };
    expect(description).toMatchObject({ protection: "unknown", exportable, evidence });
    expect(await rejected(requireNonExportable(signer))).toMatchObject({ code: "wrong-key" });
  });

  it.each(["pkcs11:object=a", "keyobject", "keyobject:a b", "keyobject:#a", ""])("rejects the URI %j", (uri) => {
    expect(caught(() => keyObjectSigner(key, { uri }))).toMatchObject({ code: "misconfigured" });
  });

  it("rejects a URI with a PIN, without showing the PIN", () => {
    const error = caught(() => keyObjectSigner(key, { uri: "keyobject:pkcs11:token=a?pin-value=1234" }));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("pin-value") });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("1234");
  });
});
