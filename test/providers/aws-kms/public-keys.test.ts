/** The public key of a key in AWS KMS: cached by its key ARN, or given by the option `publicKey`. */
import { createPublicKey } from "node:crypto";
import { KMSClient } from "@aws-sdk/client-kms";
import { KmsSigner, type KmsSignerOptions } from "hardproof/aws-kms";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type AwsKmsEmulator, awsKmsEmulator, type KmsKey } from "../../../testing/emulators/aws-kms.js";

const kms = await awsKmsEmulator();
let key: KmsKey;
beforeEach(() => {
  key = kms.keys.add();
});
afterEach(() => {
  kms.plan.clear();
  vi.unstubAllEnvs();
});
afterAll(() => kms.close());

const data = Buffer.from("data to sign");
const configFor = ({ endpoint, credentials }: AwsKmsEmulator) => ({ endpoint, credentials, maxAttempts: 1 });
const newSigner = (options: KmsSignerOptions = {}, keyId = key.arn) =>
  new KmsSigner(keyId, { clientConfig: configFor(kms), ...options });
const keyObjectOf = ({ material }: KmsKey) =>
  createPublicKey({ key: material?.spki ?? Buffer.alloc(0), format: "der", type: "spki" });
const open = async (options?: KmsSignerOptions, keyId?: string) => {
  await using signer = newSigner(options, keyId);
  return signer.publicJwk();
};
const requests = () => kms.plan.count("GetPublicKey");

describe("the cache of public keys", () => {
  it("shares one GetPublicKey among 50 signers of a key ARN, at once and later", async () => {
    await Promise.all(Array.from({ length: 50 }, () => open()));
    await open();
    expect(requests()).toBe(1);
  });

  it("doesn't serve an alias, an alias ARN or a key id, which doesn't say the account", async () => {
    const alias = "alias/Cached";
    const aliasArn = kms.keys.alias(alias, key);
    for (const keyId of [alias, aliasArn, key.id]) {
      await open({ region: kms.region }, keyId);
      await open({ region: kms.region }, keyId);
    }
    expect(requests()).toBe(6);
  });

  it("follows an alias that is moved", async () => {
    kms.keys.alias("alias/Moved", key);
    const before = await open({ region: kms.region }, "alias/Moved");
    kms.keys.alias("alias/Moved", kms.keys.add());
    expect(await open({ region: kms.region }, "alias/Moved")).not.toEqual(before);
  });

  it("doesn't cache an error", async () => {
    kms.plan.next("GetPublicKey", "5xx");
    await expect(open()).rejects.toMatchObject({ code: "unavailable" });
    await open();
    expect(requests()).toBe(2);
  });

  it("doesn't cache a public key that can't be imported", async () => {
    kms.plan.next("GetPublicKey", "corrupt-signature");
    await expect(open()).rejects.toMatchObject({ code: "wrong-key" });
    await open();
    expect(requests()).toBe(2);
  });

  it("forgets the public key of another key at the first signature", async () => {
    kms.plan.next("GetPublicKey", "other-key");
    await using signer = newSigner();
    await expect(signer.sign(data)).rejects.toMatchObject({ code: "integrity" });
    await using next = newSigner();
    expect(await next.sign(data)).toHaveLength(64);
    expect(requests()).toBe(2);
  });

  it("lets the next caller fetch the key if the first one gives up", async () => {
    kms.plan.next("GetPublicKey", "hang");
    const [first, second] = [newSigner(), newSigner()];
    const caller = new AbortController();
    const aborted = first.publicJwk({ signal: caller.signal });
    const served = second.publicJwk();
    await expect.poll(requests).toBe(1);
    caller.abort();
    await expect(aborted).rejects.toMatchObject({ code: "aborted" });
    await first.close();
    expect(await served).toMatchObject({ alg: "ES256" });
    await second.close();
  });

  it("notices a disabled key at the first signature", async () => {
    await open();
    key.state = "Disabled";
    await using signer = newSigner();
    await expect(signer.sign(data)).rejects.toMatchObject({ code: "access-denied" });
    expect(requests()).toBe(1);
  });

  it("keeps the algorithms of a key apart", async () => {
    const { arn } = kms.keys.add({ spec: "RSA_2048" });
    expect(await open({ algorithm: "PS256" }, arn)).toMatchObject({ alg: "PS256" });
    expect(await open({ algorithm: "RS256" }, arn)).toMatchObject({ alg: "RS256" });
    await expect(open({ algorithm: "ES256" }, arn)).rejects.toMatchObject({ code: "wrong-key" });
    await expect(open({}, arn)).rejects.toMatchObject({ code: "misconfigured" });
  });

  describe("has another entry for the same ARN", () => {
    /** Opens the ARN in one account and then in another one, whose key differs. */
    const openInBoth = async (optionsFor: (account: AwsKmsEmulator) => KmsSignerOptions) => {
      const other = await awsKmsEmulator();
      other.keys.all.set(key.arn, { ...other.keys.add(), arn: key.arn });
      const jwks = [await open(optionsFor(kms)), await open(optionsFor(other))];
      await other.close();
      return jwks;
    };

    it("at another endpoint", async () => {
      const [first, second] = await openInBoth((account) => ({ clientConfig: configFor(account) }));
      expect(second).not.toEqual(first);
    });

    it("at another endpoint of the environment", async () => {
      const [first, second] = await openInBoth(({ endpoint, credentials }) => {
        vi.stubEnv("AWS_ENDPOINT_URL_KMS", endpoint);
        return { clientConfig: { credentials } };
      });
      expect(second).not.toEqual(first);
    });

    it("for another client of the caller", async () => {
      const [first, second] = await openInBoth((account) => {
        const client = new KMSClient({ ...configFor(account), region: account.region });
        return { clientConfig: undefined, client };
      });
      expect(second).not.toEqual(first);
    });

    it("for another function that returns the endpoint", async () => {
      const [first, second] = await openInBoth(({ endpoint, credentials }) => {
        const { protocol, hostname, port } = new URL(endpoint);
        const returned = { protocol, hostname, port: Number(port), path: "/" };
        return { clientConfig: { credentials, endpoint: async () => returned } };
      });
      expect(second).not.toEqual(first);
    });

    it("for another request handler of the caller, which may reach another server", async () => {
      const { requestHandler } = new KMSClient({ region: kms.region }).config;
      const [first, second] = await openInBoth((account) => {
        const { hostname, port } = new URL(account.endpoint);
        const redirect: typeof requestHandler.handle = (request, options) =>
          requestHandler.handle(Object.assign(request, { hostname, port: Number(port) }), options);
        return { clientConfig: { ...configFor(kms), requestHandler: { handle: redirect } } };
      });
      expect(second).not.toEqual(first);
    });
  });

  it("is shared by the signers of one client of the caller", async () => {
    const client = new KMSClient({ ...configFor(kms), region: kms.region });
    await open({ clientConfig: undefined, client });
    await open({ clientConfig: undefined, client });
    expect(requests()).toBe(1);
    client.destroy();
  });
});

describe("the option publicKey", () => {
  it.each<[string, () => KmsSignerOptions]>([
    ["a KeyObject", () => ({ publicKey: keyObjectOf(key) })],
    ["a JWK", () => ({ publicKey: { ...keyObjectOf(key).export({ format: "jwk" }), kty: "EC" } })],
    ["SPKI", () => ({ publicKey: key.material?.spki })],
    ["PEM", () => ({ publicKey: keyObjectOf(key).export({ type: "spki", format: "pem" }).toString() })],
  ])("replaces GetPublicKey for a key ARN: %s", async (_, options) => {
    await using signer = newSigner(options());
    expect(await signer.sign(data)).toHaveLength(64);
    expect(kms.plan.calls.map(({ operation }) => operation)).toEqual(["Sign"]);
  });

  it("sends nothing to open the key", async () => {
    expect(await open({ publicKey: keyObjectOf(key) })).toMatchObject({ alg: "ES256" });
    expect(kms.plan.calls).toEqual([]);
  });

  it("needs the option algorithm for an RSA key, which then decides", async () => {
    const rsa = kms.keys.add({ spec: "RSA_2048" });
    const publicKey = keyObjectOf(rsa);
    await expect(open({ publicKey }, rsa.arn)).rejects.toMatchObject({ code: "misconfigured" });
    await using signer = newSigner({ publicKey, algorithm: "PS256" }, rsa.arn);
    expect(await signer.sign(data)).toHaveLength(256);
    expect(requests()).toBe(0);
  });

  it("is an integrity error at the first signature if it is another key's", async () => {
    await using signer = newSigner({ publicKey: keyObjectOf(kms.keys.add()) });
    await expect(signer.sign(data)).rejects.toMatchObject({
      code: "integrity",
      message: expect.stringContaining("publicKey"),
    });
  });

  it("is compared with the key that an alias names", async () => {
    kms.keys.alias("alias/Given", key);
    await open({ publicKey: keyObjectOf(key), region: kms.region }, "alias/Given");
    expect(requests()).toBe(1);
    const publicKey = keyObjectOf(kms.keys.add());
    await expect(open({ publicKey, region: kms.region }, "alias/Given")).rejects.toMatchObject({ code: "wrong-key" });
  });

  it("is still checked against the ARN in the response", async () => {
    kms.plan.next("Sign", "other-name");
    await using signer = newSigner({ publicKey: keyObjectOf(key) });
    await expect(signer.sign(data)).rejects.toMatchObject({ code: "integrity" });
  });
});
