/**
 * Keys in AWS KMS: against the emulator, or unchanged against the real service (docs/aws-kms.md says how). Nothing here
 * reaches into the emulator: its faults are in aws-kms-faults.test.ts.
 */
import { inspect } from "node:util";
import { KMSClient } from "@aws-sdk/client-kms";
import fc from "fast-check";
import { DPoPProver, type KeyDescription, OAuthClient } from "hardproof";
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

const newSigner = (keyId: string, more: KmsSignerOptions = {}) =>
  new KmsSigner(keyId, { region: kms.region, clientConfig: kms.clientConfig, ...more });
const data = Buffer.from("what is signed");
const refusal = (work: () => unknown) =>
  new Promise((resolve) => resolve(work())).then(
    () => expect.unreachable(),
    (error) => error,
  );

describe("a key in AWS KMS", () => {
  it("signs by whatever name it is given: ARN, id, alias ARN, alias", async () => {
    const thumbprints = new Set<string>();
    for (const keyId of kms.names) {
      await using signer = newSigner(keyId);
      const prover = await DPoPProver.create(signer);
      const proof = await prover.makeProof({ htm: "GET", htu: "https://a.example" });
      await compactVerify(proof, await importJWK(await signer.publicJwk(), "ES256"));
      thumbprints.add(prover.jkt);
    }
    expect(thumbprints.size).toBe(1);
  });

  it("makes 50 proofs side by side", async () => {
    await using signer = newSigner(kms.keyArn);
    const prover = await DPoPProver.create(signer);
    const htu = "https://a.example";
    const proofs = await Promise.all(Array.from({ length: 50 }, () => prover.makeProof({ htm: "GET", htu })));
    expect(new Set(proofs).size).toBe(50);
  });

  it("is accepted by oidc-provider and by both verifiers", async () => {
    const as = await authorizationServer();
    const rs = await resourceServer({ issuer: as.issuer, audience: as.audience, requireNonce: false });
    await using signer = newSigner(kms.keyArn);
    const dpopProver = await DPoPProver.create(signer);
    const client = new OAuthClient({ baseUrl: as.issuer });
    const request = { grantType: "client_credentials", dpopProver, scope: "read", requireBinding: true, ...as.client };
    const { accessToken } = await client.getTokenWithDPoP(request);
    for (const htu of [rs.url, rs.expressUrl]) {
      const dpop = await dpopProver.makeProof({ htm: "GET", htu, accessToken });
      const answer = await fetch(htu, { headers: { authorization: `DPoP ${accessToken}`, dpop } });
      expect(await answer.json()).toMatchObject({ hello: as.client.clientId, jkt: dpopProver.jkt });
    }
    await Promise.all([rs.close(), as.close()]);
  });

  it("is described by what DescribeKey says", async () => {
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

  it("is opened again by the signer's own URI", async () => {
    await using signer = newSigner(kms.keyArn);
    await using again = provider.open(signer.uri, { clientConfig: kms.clientConfig });
    expect(again.uri).toBe(signer.uri);
    expect(await again.publicJwk()).toEqual(await signer.publicJwk());
  });

  it("is among those that list() finds", async () => {
    const uris = (await provider.list?.(`awskms:///?region=${kms.region}`, { clientConfig: kms.clientConfig })) ?? [];
    expect(uris.map((uri) => parseKmsUri(uri).keyId)).toContain(kms.keyArn);
  });

  it("is signed with by a client of the caller's, which stays open", async () => {
    const client = new KMSClient({ region: kms.region, ...kms.clientConfig });
    const destroy = vi.spyOn(client, "destroy");
    const signer = new KmsSigner(kms.keyArn, { client });
    expect(await signer.sign(data)).toHaveLength(64);
    await signer.close();
    expect(destroy).not.toHaveBeenCalled();
    client.destroy();
  });

  it("that does not exist is not found, and the error names it", async () => {
    const missing = kms.keyArn.replace(/[0-9a-f]{12}$/, "000000000000");
    await using signer = newSigner(missing);
    const error = await refusal(() => signer.sign(data));
    expect(error).toMatchObject({ code: expect.stringMatching(/key-not-found|access-denied/), retryable: false });
    expect(error.message).toContain(missing);
  });

  it("says that credentials are missing or wrong, and shows none", async () => {
    const secretAccessKey = "not-the-secret-access-key";
    const credentials = { accessKeyId: "AKIAIOSFODNN7EXAMPL2", secretAccessKey, sessionToken: "not-a-session-token" };
    await using signer = newSigner(kms.keyArn, { clientConfig: { ...kms.clientConfig, credentials } });
    const error = await refusal(() => signer.sign(data));
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    expect(inspect([signer, error], { depth: null, showHidden: true })).not.toMatch(/not-the-secret|not-a-session/);
  });
});

describe("a new key", () => {
  it("is made non-exportable on P-256, with an alias", async ({ skip }) => {
    if (!kms.mayCreate) skip("HARDPROOF_TEST_AWS_CREATE is not set: a key costs money");
    const uri = `awskms:///alias/hardproof-test/${Date.now()}?region=${kms.region}`;
    const made = await provider.create?.(uri, { clientConfig: kms.clientConfig, tags: { purpose: "hardproof tests" } });
    await using signer = made ?? expect.unreachable();
    expect(await signer.sign(data)).toHaveLength(64);
    await using byAlias = provider.open(uri, { clientConfig: kms.clientConfig });
    await expect.poll(() => byAlias.publicJwk(), { timeout: 10_000 }).toEqual(await signer.publicJwk());
  });
});

describe("a name at the door", () => {
  const ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

  it.each([
    ARN,
    ARN.replace(/key\/.*/, "key/mrk-1234abcd12ab34cd56ef1234567890ab"),
    ARN.replace("aws:kms:eu-central-1", "aws-us-gov:kms:us-gov-west-1"),
    ARN.replace(/key\/.*/, "alias/App/DPoP_1"),
    "1234abcd-12ab-34cd-56ef-1234567890ab",
    "mrk-1234abcd12ab34cd56ef1234567890ab",
    "alias/App/DPoP_1",
  ])("%s is taken, its case kept, without any I/O", (keyId) => {
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
  ])("%j is refused, with what is needed", async (keyId) => {
    const error = await refusal(() => new KmsSigner(keyId));
    expect(error).toMatchObject({ code: "misconfigured" });
    expect(error.message).toContain("Needed is a key id");
    if (keyId !== "") expect(error.message).toContain(JSON.stringify(keyId).slice(0, 100));
  });

  it.each<[string, KmsSignerOptions, string]>([
    ["no region", { region: "" }, "region"],
    ["a region that would change the host", { region: "evil.example/" }, "region"],
    ["an endpoint without scheme", { clientConfig: { endpoint: "localhost" } }, "endpoint"],
    ["an endpoint with a password", { clientConfig: { endpoint: "https://user:hidden@localhost" } }, "endpoint"],
    ["an endpoint with a query", { clientConfig: { endpoint: "https://localhost/?token=hidden" } }, "endpoint"],
    ["a client and a region", { client: new KMSClient(), region: "eu-central-1" }, "client"],
    ["a client and how to make one", { client: new KMSClient(), clientConfig: {} }, "client"],
    ["no time", { timeout: 0 }, "timeout"],
  ])("%s is refused", async (_, options, named) => {
    const error = await refusal(() => new KmsSigner(ARN, options));
    expect(error).toMatchObject({ code: "misconfigured" });
    expect(error.message).toContain(named);
    expect(error.message).not.toContain("hidden");
  });

  it("list() takes no key, and create() no id and no alias of AWS's own", async () => {
    for (const uri of [`awskms:///${ARN}`, "awskms:///alias/aws/kms", "awskms:///1234abcd-12ab-34cd-56ef-1234567890ab"])
      expect(await refusal(() => provider.create?.(uri))).toMatchObject({ code: "misconfigured", uri });
    expect(await refusal(() => provider.list?.(`awskms:///${ARN}`))).toMatchObject({ code: "misconfigured" });
    await expect(provider.create?.("awskms:no")).rejects.toMatchObject({ code: "misconfigured" });
  });
});

describe("awskms: URIs (RFC 3986)", () => {
  const some = (text: fc.Arbitrary<string>) => fc.option(text, { nil: undefined });
  const location = fc.record({
    keyId: fc.string({ unit: "grapheme" }),
    region: some(fc.string()),
    endpoint: some(fc.webUrl({ withQueryParameters: true })),
  });

  it("read back what they were made of", () => {
    fc.assert(
      fc.property(location, (one) => {
        expect(parseKmsUri(formatKmsUri(one))).toEqual(one);
      }),
    );
  });

  it("of any other text are refused as misconfigured, or made again the same", () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.webUrl());
    const uri = fc.oneof(
      text,
      text.map((rest) => `awskms:///${rest}`),
      text.map((query) => `awskms:///alias/a?${query}`),
    );
    fc.assert(
      fc.property(uri, (one) => {
        try {
          expect(parseKmsUri(formatKmsUri(parseKmsUri(one)))).toEqual(parseKmsUri(one));
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
  ])("%s is refused: %s", async (uri, why) => {
    expect((await refusal(() => provider.open(uri))).message).toContain(why);
  });

  it("name region and endpoint unless the ARN does", async () => {
    const endpoint = "https://vpce-1.kms.eu-west-1.vpce.amazonaws.com:8443";
    const uri = `awskms:///alias/A?region=eu-west-1&endpoint=${endpoint}`;
    expect(provider.open(uri).uri).toBe(uri);
    const arn = "arn:aws:kms:eu-west-1:111122223333:alias/A";
    expect(new KmsSigner(arn, { region: "eu-west-1" }).uri).toBe(`awskms:///${arn}`);
  });
});
