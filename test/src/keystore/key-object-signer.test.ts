/** The conformance kit over the keys that Node has: KeyObject, CryptoKey, and keys that OpenSSL opens by URL; and oidc-provider. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, type webcrypto } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ALGORITHM_NAMES, type AlgorithmName, type KeyObjectSignerOptions, keyObjectSigner } from "hardproof";
import { conformance } from "hardproof/conformance";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { hasMlDsa } from "../../../testing/emulators/ml-dsa.js";
import { occupyThreadPool } from "../../busy-thread-pool.js";
import { noStore, pem, privateKeyFor, toCryptoKey } from "../../node-keys.js";
import { type AlgorithmServers, algorithmServers } from "../../servers/algorithm-servers.js";

const algorithms = ALGORITHM_NAMES.filter((name) => hasMlDsa || !name.startsWith("ML-DSA"));

const busy: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const release of busy.splice(0)) await release();
});

interface KitOptions {
  readonly algorithm: AlgorithmName;
  /** The key, and its PKCS#8. */
  readonly key: () => KeyObject | webcrypto.CryptoKey;
  readonly secret: string;
  readonly wrongKey: () => KeyObject | webcrypto.CryptoKey;
  readonly publicKey: () => KeyObject;
}

/** Registers the cases of the kit. */
function runKit({ algorithm, key, secret, wrongKey, publicKey }: KitOptions): void {
  const hanging = (options: KeyObjectSignerOptions) => {
    busy.push(occupyThreadPool());
    return keyObjectSigner(key(), { algorithm, publicKey: publicKey(), ...options });
  };
  const cases = conformance({
    open: () => keyObjectSigner(key(), { algorithm }),
    signatures: 25,
    secrets: [secret],
    wrongKey: { open: () => keyObjectSigner(wrongKey(), { algorithm }), found: wrongCurve(algorithm) },
    // It takes more than a second.
    hanging: algorithm === "ES256" ? hanging : "ES256 shows what happens when the thread pool is busy.",
    slow: "Node has opened the key before; only signatures can take long.",
    connections: "Node has opened the key before.",
    failsFirst: "Node has opened the key before.",
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
}

const wrongCurve = (algorithm: AlgorithmName) => (algorithm === "ES384" ? "P-256" : "P-384");
const wrongAlgorithm = (algorithm: AlgorithmName) => (algorithm === "ES384" ? "ES256" : "ES384");

describe.each(algorithms)("the conformance kit over a KeyObject, for %s", (algorithm) => {
  const key = privateKeyFor(algorithm);
  runKit({
    algorithm,
    key: () => key,
    secret: pem(key).split("\n")[1] ?? "",
    wrongKey: () => privateKeyFor(wrongAlgorithm(algorithm)),
    publicKey: () => createPublicKey(key),
  });
});

describe.each(algorithms)("the conformance kit over a CryptoKey, for %s", (algorithm) => {
  const keyObject = privateKeyFor(algorithm);
  let key: webcrypto.CryptoKey;
  let wrongKey: webcrypto.CryptoKey;
  beforeAll(async () => {
    key = await toCryptoKey(keyObject, algorithm);
    wrongKey = await toCryptoKey(privateKeyFor(wrongAlgorithm(algorithm)), wrongAlgorithm(algorithm));
  });
  runKit({
    algorithm,
    key: () => key,
    secret: pem(keyObject).split("\n")[1] ?? "",
    wrongKey: () => wrongKey,
    publicKey: () => createPublicKey(keyObject),
  });
});

const directory = mkdtempSync(join(tmpdir(), "hardproof-store-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** The loader only affects how the key is opened. */
const ONE_PER_TYPE: readonly AlgorithmName[] = ["ES256", "Ed25519", "PS256", "ML-DSA-44"];

/** Opens a PEM by the `file:` loader of OpenSSL. The types of the oldest supported release of Node don't have the URL. */
const openByUrl = (key: KeyObject): KeyObject => {
  const path = join(directory, `${createHash("sha256").update(pem(key)).digest("hex")}.pem`);
  writeFileSync(path, pem(key));
  return createPrivateKey({ key: pathToFileURL(path) as unknown as string });
};

describe.skipIf(noStore)(
  `the conformance kit over a key of OpenSSL's file: loader${noStore ? ` (${noStore})` : ""}`,
  () => {
    if (noStore) return it("opens the key by its URL");
    describe.each(algorithms.filter((name) => ONE_PER_TYPE.includes(name)))("for %s", (algorithm) => {
      const key = privateKeyFor(algorithm);
      runKit({
        algorithm,
        key: () => openByUrl(key),
        secret: pem(key).split("\n")[1] ?? "",
        wrongKey: () => openByUrl(privateKeyFor(wrongAlgorithm(algorithm))),
        publicKey: () => createPublicKey(key),
      });
    });
  },
);

describe("at oidc-provider, with nonces", () => {
  let servers: AlgorithmServers;
  afterAll(() => servers.close());

  it("a KeyObject and a CryptoKey sign client assertions and proofs that it accepts", async () => {
    const cryptoKeys = await Promise.all(
      (["ES256", "Ed25519", "PS256"] as const).map((name) => toCryptoKey(privateKeyFor(name), name)),
    );
    const rsa = keyObjectSigner(privateKeyFor("PS256"), { algorithm: "PS256" });
    const signers = [keyObjectSigner(privateKeyFor("ES384")), rsa, ...cryptoKeys.map((key) => keyObjectSigner(key))];
    servers = await algorithmServers(signers);
    for (const signer of signers) {
      const { key, token, resource } = await servers.useKey(signer);
      expect({ token, resource }).toEqual({ token: key, resource: key });
    }
  });
});
