/** The conformance kit and faults, on a real server. Runs with `node:test`. */
import assert from "node:assert/strict";
import { after, afterEach, describe, it } from "node:test";
import { inspect } from "node:util";
import { listKeys, openSigner, registerProvider, requireNonExportable, type SignerError } from "hardproof";
import { conformance } from "hardproof/conformance";
import { provider } from "../src/provider.js";
import { type Fault, startSigningService } from "./signing-service.js";

const service = await startSigningService();
const uri = service.uriOf("dpop");
process.env.SIGNING_SERVICE_TOKEN = service.token;
registerProvider(provider);
afterEach(() => service.fail(undefined));
after(() => service.close());

const errorOf = (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => assert.fail("It must fail."),
    (error) => error,
  );

describe("the conformance kit", () => {
  const cases = conformance({
    open: () => openSigner(uri),
    secrets: [service.token],
    connections: () => service.requests.filter((request) => request.startsWith("GET /keys/")).length,
    wrongKey: { open: () => openSigner(service.uriOf("large")), found: "P-384" },
    hanging: (options) => {
      service.fail("hang");
      return openSigner(uri, { ...options });
    },
    signatures: 200,
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});

describe("a signature request", () => {
  const faults: [Fault, code: string, retryable: boolean][] = [
    [302, "unexpected", false],
    [401, "access-denied", false],
    [403, "access-denied", false],
    [404, "key-not-found", false],
    [418, "unexpected", false],
    [429, "throttled", true],
    [503, "unavailable", true],
    ["reset", "unavailable", true],
    ["garbage", "integrity", false],
    ["other-key", "integrity", false],
    ["other-version", "integrity", false],
  ];
  for (const [fault, code, retryable] of faults)
    it(`that fails with ${fault} is an error with code ${code}, which doesn't contain the token`, async () => {
      await using signer = await openSigner(uri);
      await signer.publicJwk();
      service.fail(fault);
      const error = await errorOf(signer.sign(Buffer.from("a")));
      assert.deepEqual([error.code, error.retryable, error.uri], [code, retryable, uri]);
      assert.ok(!inspect(error, { depth: 9 }).includes(service.token));
    });

  it("isn't sent to the URL of a redirect", async () => {
    await using signer = await openSigner(uri);
    service.fail(302);
    const { message } = await errorOf(signer.sign(Buffer.from("a")));
    assert.match(message, /HTTP 302/);
  });

  it("signs with the version that was current when the key was opened", async () => {
    await using before = await openSigner(uri);
    const jwk = await before.publicJwk();
    service.rotate("dpop");
    await before.sign(Buffer.from("a"));
    await using later = await openSigner(uri);
    assert.notDeepEqual(await later.publicJwk(), jwk);
    assert.deepEqual((await before.describe()).evidence, { name: "dpop", exportable: false, version: 1, current: 2 });
  });
});

describe("the provider", () => {
  it("reports what the service reports about the key", async () => {
    await using signer = await openSigner(uri);
    const { exportable, protection } = await requireNonExportable(signer, { protection: ["external"] });
    assert.deepEqual([exportable, protection], [false, "external"]);
  });

  it("lists the keys that can sign, by URIs that open them", async () => {
    assert.deepEqual(await listKeys(service.uriOf("")), [uri]);
    assert.deepEqual(await listKeys(service.uriOf(""), { algorithm: "RS256" }), []);
  });

  for (const [token, code] of [
    ["", "pin-required"],
    ["wrong", "access-denied"],
    ["two\nlines", "pin-required"],
  ] as const)
    it(`rejects the token ${JSON.stringify(token)} with code ${code}`, async () => {
      process.env.OTHER_TOKEN = token;
      await using signer = await openSigner(service.uriOf("dpop", "&token-source=env:OTHER_TOKEN"));
      const error = await errorOf(signer.publicJwk());
      assert.equal(error.code, code);
      assert.ok(token === "" || !inspect(error, { depth: 9 }).includes(token));
    });

  for (const [what, wrong] of [
    ["no host", "signing-service:///dpop"],
    ["no key", "signing-service://h/"],
    ["a user", "signing-service://s3cr3t@h/dpop"],
    ["a path", "signing-service://h/a/../dpop"],
    ["a token", "signing-service://h/dpop?token=s3cr3t"],
    ["a token instead of its source", "signing-service://h/dpop?token-source=s3cr3t"],
    ["plain HTTP to another machine", "signing-service://h/dpop?tls=off"],
    ["another value of tls", "signing-service://127.0.0.1/dpop?tls=skip-verify"],
  ] as const)
    it(`rejects a URI with ${what}`, () => {
      assert.throws(
        () => provider.open(wrong),
        ({ code, message }: SignerError) => code === "misconfigured" && !message.includes("s3cr3t"),
      );
    });
});
