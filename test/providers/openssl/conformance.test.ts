/** The conformance kit over keys that a STORE loader opens, for every algorithm, in processes with an OpenSSL configuration. */
import { ALGORITHM_NAMES, type AlgorithmName } from "hardproof";
import { conformance } from "hardproof/conformance";
import { MemorySigner } from "hardproof/memory";
import { OpensslSigner } from "hardproof/openssl";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { testedAlgorithms } from "../../tested-algorithms.js";
import { type StoreProvider, storeProvider } from "../../tokens/index.js";
import { kitNames, registerKit } from "./kit.js";
import { noStoreNode } from "./program.js";

const skipped = noStoreNode ?? inject("unavailable")["OpenSSL's headers"];

/** The keys are created on the Node that opens them, because older ones don't have ML-DSA. */
const fixtureFor = (algorithm: AlgorithmName) => `
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
const algorithm = "${algorithm}";
const PIN = "4711-secret";
const write = (file, content) => writeFileSync(process.env.STORE_PROVIDER_DIR + "/" + file, content);
const generate = (name) => {
  if (/^[RP]S/.test(name)) return generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const namedCurve = { ES256: "P-256", ES384: "P-384", ES512: "P-521" }[name];
  return generateKeyPairSync(namedCurve ? "ec" : name.toLowerCase(), { namedCurve }).privateKey;
};
const encoded = (key) => key.export({ type: "pkcs8", format: "der" });
const key = encoded(generate(algorithm));
for (const name of ["key", "slow", "fails"]) write(name + ".key", key);
write("key.pin", PIN);
write("slow.slow", "");
const wrong = algorithm === "ES384" ? ["ES256", "P-256"] : ["ES384", "P-384"];
write("wrong.key", encoded(generate(wrong[0])));
const log = process.env.STORE_PROVIDER_DIR + "/log";
const fixture = {
  open: () => new OpensslSigner({ key: "stub:key", pin: PIN, algorithm }),
  connections: () => (existsSync(log) ? readFileSync(log, "utf8").split("open ").length - 1 : 0),
  wrongKey: { open: () => new OpensslSigner({ key: "stub:wrong", algorithm }), found: wrong[1] },
  hanging:
    algorithm === "ES256"
      ? async (options) => {
          // Opening the key starts two threads, which takes longer than the kit's shortest time limit.
          const timeout = Math.max(options.timeout, 3000);
          const signer = new OpensslSigner({ key: "stub:key", pin: PIN, algorithm, ...options, timeout });
          await signer.publicJwk();
          return occupied(signer);
        }
      : "ES256 shows what happens when the thread pool is busy.",
  slow: { opening: (options) => new OpensslSigner({ key: "stub:slow", algorithm, ...options }).publicJwk() },
  failsFirst: () => {
    write("fails.fails", "");
    return new OpensslSigner({ key: "stub:fails", algorithm });
  },
  secrets: [PIN, key.toString("base64").slice(-80)],
  signatures,
  minMessageBytes: 1,
};
`;

describe.skipIf(skipped)(`with a loader of the tests${skipped ? ` (${skipped})` : ""}`, () => {
  let store: StoreProvider;
  beforeAll(async () => {
    store = await storeProvider();
  });
  afterAll(() => store?.[Symbol.dispose]());
  const run = (algorithm: AlgorithmName) =>
    registerKit(fixtureFor(algorithm), () => ({ configuration: store.configuration, env: store.env }));

  describe.each(testedAlgorithms("openssl"))("the conformance kit for %s", run);

  // No external provider signed with these in our tests.
  const others = ALGORITHM_NAMES.filter((name) => !testedAlgorithms("openssl").includes(name));
  describe.each(others)("the conformance kit for %s", run);

  it("has the cases that it also has in this process", () => {
    const names = conformance({ open: () => MemorySigner.generate(), minMessageBytes: 1 }).map(({ name }) => name);
    expect(kitNames(1000)).toEqual(names);
  });
});

it("constructs a signer without any I/O, and names the key without its PIN", async () => {
  const signer = new OpensslSigner({ key: "handle:0x81000001?pin-source=env:NOT_SET", pin: "4711-secret" });
  expect(signer.uri).toBe("openssl:handle:0x81000001");
  await signer.close();
});
