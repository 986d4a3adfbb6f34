/**
 * KmsSigner and its provider. The tests run against the emulator or, unchanged, against the real service
 * (docs/aws-kms.md). They don't use the emulator's own API; tests that do are in faults.test.ts.
 */
import { inspect } from "node:util";
import { KMSClient } from "@aws-sdk/client-kms";
import fc from "fast-check";
import { DPoPProver, type KeyDescription, listKeys, OAuthClient } from "hardproof";
import { KmsSigner, type KmsSignerOptions, provider } from "hardproof/aws-kms";
import { compactVerify, importJWK } from "jose";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { formatKmsUri, parseKmsUri } from "../../../providers/aws-kms/uri.js";
import { authorizationServer } from "../../servers/authorization-server.js";
import { resourceServer } from "../../servers/resource-server.js";
import { type KmsTarget, kmsTarget } from "./target.js";

let kms: KmsTarget;
beforeAll(async () => {
  kms = await kmsTarget();
});
afterAll(() => kms.close());

const newSigner = (keyId: string, overrides: KmsSignerOptions = {}) =>
  new KmsSigner(keyId, {
    region: kms.region,
    clientConfig: kms.clientConfig,
    algorithm: kms.algorithm,
    ...overrides,
  });
const data = Buffer.from("data to sign");
const errorOf = (work: () => unknown) =>
  new Promise((resolve) => resolve(work())).then(
    () => expect.unreachable(),
    (error) => error,
  );

describe("KmsSigner", () => {
  it("signs with a key named by ARN, key id, alias ARN or alias", async () => {
    const thumbprints = new Set<string>();
    for (const keyId of kms.names) {
      await using signer = newSigner(keyId);
      const prover = await DPoPProver.create(signer);
      const proof = await prover.makeProof({ htm: "GET", htu: "https://a.example" });
      await compactVerify(proof, await importJWK(await signer.publicJwk()));
      thumbprints.add(prover.jkt);
    }
    expect(thumbprints.size).toBe(1);
  });

  it("makes 50 proofs concurrently", async () => {
    await using signer = newSigner(kms.keyArn);
    const prover = await DPoPProver.create(signer);
    const htu = "https://a.example";
    const proofs = await Promise.all(Array.from({ length: 50 }, () => prover.makeProof({ htm: "GET", htu })));
    expect(new Set(proofs).size).toBe(50);
  });

  it("makes proofs that oidc-provider and both resource servers accept", async () => {
    const as = await authorizationServer();
    const rs = await resourceServer({ issuer: as.issuer, audience: as.audience, requireNonce: false });
    await using signer = newSigner(kms.keyArn);
    const dpopProver = await DPoPProver.create(signer);
    const client = new OAuthClient({ baseUrl: as.issuer });
    const request = { grantType: "client_credentials", dpopProver, scope: "read", requireBinding: true, ...as.client };
    const { accessToken } = await client.getTokenWithDPoP(request);
    for (const htu of [rs.url, rs.expressUrl]) {
      const dpop = await dpopProver.makeProof({ htm: "GET", htu, accessToken });
      const response = await fetch(htu, { headers: { authorization: `DPoP ${accessToken}`, dpop } });
      expect(await response.json()).toMatchObject({ hello: as.client.clientId, jkt: dpopProver.jkt });
    }
    await Promise.all([rs.close(), as.close()]);
  });

  it("describes the key with the metadata from DescribeKey", async () => {
    await using signer = newSigner(kms.keyArn);
    expect(await signer.describe()).toMatchObject<Partial<KeyDescription>>({
      provider: "awskms",
      uri: expect.stringContaining(`awskms:///${kms.keyArn}`),
      protection: "hsm",
      exportable: false,
      evidence: {
        Arn: kms.keyArn,
        Origin: "AWS_KMS",
        KeyState: "Enabled",
        MultiRegion: expect.any(Boolean),
        CreationDate: expect.any(Date),
      },
    });
  });

  it("has a URI that opens the same key", async () => {
    await using signer = newSigner(kms.keyArn);
    await using reopened = provider.open(signer.uri, { clientConfig: kms.clientConfig });
    expect(reopened.uri).toBe(signer.uri);
    expect(await reopened.publicJwk()).toEqual(await signer.publicJwk());
  });

  it("uses a key that list() finds", async () => {
    const uris = await listKeys(`awskms:///?region=${kms.region}`, { clientConfig: kms.clientConfig });
    expect(uris.map((uri) => parseKmsUri(uri).keyId)).toContain(kms.keyArn);
  });

  it("signs with the caller's client, and doesn't close it", async () => {
    const client = new KMSClient({ region: kms.region, ...kms.clientConfig });
    const destroy = vi.spyOn(client, "destroy");
    const signer = new KmsSigner(kms.keyArn, { client, algorithm: kms.algorithm });
    await expect(signer.sign(data)).resolves.toBeInstanceOf(Uint8Array);
    await signer.close();
    expect(destroy).not.toHaveBeenCalled();
    client.destroy();
  });

  it("rejects a key that does not exist, with an error that names it", async () => {
    const missing = kms.keyArn.replace(/[0-9a-f]{12}$/, "000000000000");
    await using signer = newSigner(missing);
    const error = await errorOf(() => signer.sign(data));
    expect(error).toMatchObject({ code: expect.stringMatching(/key-not-found|access-denied/), retryable: false });
    expect(error.message).toContain(missing);
  });

  it("rejects wrong credentials without showing them", async () => {
    const secretAccessKey = "not-the-secret-access-key";
    const credentials = { accessKeyId: "AKIAIOSFODNN7EXAMPL2", secretAccessKey, sessionToken: "not-a-session-token" };
    await using signer = newSigner(kms.keyArn, { clientConfig: { ...kms.clientConfig, credentials } });
    const error = await errorOf(() => signer.sign(data));
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    expect(inspect([signer, error], { depth: null, showHidden: true })).not.toMatch(/not-the-secret|not-a-session/);
  });
});

describe("create()", () => {
  it("creates a P-256 key and its alias, and returns a signer for it", async ({ skip }) => {
    if (!kms.canCreate) skip("HARDPROOF_TEST_AWS_CREATE is not set, since a new key costs money.");
    const uri = `awskms:///alias/hardproof-test/${Date.now()}?region=${kms.region}`;
    const created = await provider.create?.(uri, {
      clientConfig: kms.clientConfig,
      tags: { purpose: "hardproof tests" },
    });
    await using signer = created ?? expect.unreachable();
    expect(await signer.sign(data)).toHaveLength(64);
    await using byAlias = provider.open(uri, { clientConfig: kms.clientConfig });
    await expect.poll(() => byAlias.publicJwk(), { timeout: 10_000 }).toEqual(await signer.publicJwk());
  });
});

describe("key names and options", () => {
  const ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

  it.each([
    ARN,
    ARN.replace(/key\/.*/, "key/mrk-1234abcd12ab34cd56ef1234567890ab"),
    ARN.replace("aws:kms:eu-central-1", "aws-us-gov:kms:us-gov-west-1"),
    ARN.replace(/key\/.*/, "alias/App/DPoP_1"),
    "1234abcd-12ab-34cd-56ef-1234567890ab",
    "mrk-1234abcd12ab34cd56ef1234567890ab",
    "alias/App/DPoP_1",
  ])("accepts %s without I/O, and preserves its case", (keyId) => {
    expect(new KmsSigner(keyId).uri).toBe(`awskms:///${keyId}`);
  });

  it.each([
    "",
    "dpop",
    "alias/",
    "alias/with space",
    "1234ABCD-12ab-34cd-56ef-1234567890ab",
    "arn:aws:s3:::bucket",
    ARN.replace("key/", "key/x"),
    ARN.replace("111122223333", "1"),
    `${ARN}\n`,
    `${ARN}?region=x`,
  ])("rejects the key name %j with an error that explains what is expected", async (keyId) => {
    const error = await errorOf(() => new KmsSigner(keyId));
    expect(error).toMatchObject({ code: "misconfigured" });
    expect(error.message).toContain("Expected a key id");
    if (keyId !== "") expect(error.message).toContain(JSON.stringify(keyId).slice(0, 100));
  });

  it.each<[string, KmsSignerOptions, string]>([
    ["an empty region", { region: "" }, "region"],
    ["a region that would change the host", { region: "evil.example/" }, "region"],
    ["an endpoint without a scheme", { clientConfig: { endpoint: "localhost" } }, "endpoint"],
    ["an endpoint with a password", { clientConfig: { endpoint: "https://user:hidden@localhost" } }, "endpoint"],
    ["an endpoint with a query", { clientConfig: { endpoint: "https://localhost/?token=hidden" } }, "endpoint"],
    ["a client and a region", { client: new KMSClient(), region: "eu-central-1" }, "client"],
    ["a client and a clientConfig", { client: new KMSClient(), clientConfig: {} }, "client"],
    ["a timeout of 0", { timeout: 0 }, "timeout"],
  ])("rejects options with %s", async (_, options, option) => {
    const error = await errorOf(() => new KmsSigner(ARN, options));
    expect(error).toMatchObject({ code: "misconfigured" });
    expect(error.message).toContain(option);
    expect(error.message).not.toContain("hidden");
  });

  it("rejects a key id and an alias of AWS in create(), and any key in list()", async () => {
    for (const uri of [`awskms:///${ARN}`, "awskms:///alias/aws/kms", "awskms:///1234abcd-12ab-34cd-56ef-1234567890ab"])
      expect(await errorOf(() => provider.create?.(uri))).toMatchObject({ code: "misconfigured", uri });
    expect(await errorOf(() => listKeys(`awskms:///${ARN}`))).toMatchObject({ code: "misconfigured" });
    await expect(provider.create?.("awskms:no")).rejects.toMatchObject({ code: "misconfigured" });
  });
});

describe("awskms: URIs (RFC 3986)", () => {
  const optional = (text: fc.Arbitrary<string>) => fc.option(text, { nil: undefined });
  const location = fc.record({
    keyId: fc.string({ unit: "grapheme" }),
    region: optional(fc.string()),
    endpoint: optional(fc.webUrl({ withQueryParameters: true })),
  });

  it("parses a formatted awskms: URI back to the same location", () => {
    fc.assert(
      fc.property(location, (location) => {
        expect(parseKmsUri(formatKmsUri(location))).toEqual(location);
      }),
    );
  });

  it("rejects arbitrary text in place of a URI as misconfigured, or parses and formats it consistently", () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.webUrl());
    const uri = fc.oneof(
      text,
      text.map((rest) => `awskms:///${rest}`),
      text.map((query) => `awskms:///alias/a?${query}`),
    );
    fc.assert(
      fc.property(uri, (uri) => {
        try {
          expect(parseKmsUri(formatKmsUri(parseKmsUri(uri)))).toEqual(parseKmsUri(uri));
        } catch (error) {
          expect(error).toMatchObject({ name: "SignerError", code: "misconfigured" });
        }
      }),
    );
  });

  it.each([
    ["awskms:alias/a", "character 8"],
    ["awskms://host/alias/a", "character 8"],
    ["awskms:///alias/%zz", "character 17"],
    ["awskms:///alias/a?pin-value=1", "character 19"],
    ["awskms:///alias/a?region=a&region=b", "region appears twice"],
    ["gcpkms:///alias/a", "must start with awskms:"],
  ])("rejects the URI %s: %s", async (uri, reason) => {
    expect((await errorOf(() => provider.open(uri))).message).toContain(reason);
  });

  it("includes region and endpoint in the signer's URI unless the ARN names the region", async () => {
    const endpoint = "https://vpce-1.kms.eu-west-1.vpce.amazonaws.com:8443";
    const uri = `awskms:///alias/A?region=eu-west-1&endpoint=${endpoint}`;
    expect(provider.open(uri).uri).toBe(uri);
    const arn = "arn:aws:kms:eu-west-1:111122223333:alias/A";
    expect(new KmsSigner(arn, { region: "eu-west-1" }).uri).toBe(`awskms:///${arn}`);
  });
});
