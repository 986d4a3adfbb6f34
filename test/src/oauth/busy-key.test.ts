/** More requests at once than a slow key can sign inside the time limit of their calls. */
import { generateKeyPairSync } from "node:crypto";
import { DPoPProver, dpopFetch, KeySigner, OAuthClient, type Signer } from "hardproof";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { signDigest } from "../../../testing/emulators/ecdsa-digest.js";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
let server: StubServer;
beforeAll(async () => {
  server = await stubServer();
  server.respondWith(json(200, { access_token: "opaque" }));
});
afterAll(() => server.close());

/** A store that makes one signature at a time, in 50 ms. */
function slowStore(options: { timeout?: number } = {}): { signer: Signer; signatures(): number } {
  let count = 0;
  let last: Promise<unknown> = Promise.resolve();
  const turn = () => {
    last = last.then(() => new Promise((resolve) => setTimeout(resolve, 50)));
    return last;
  };
  const source = {
    provider: "slow",
    uri: "slow:key",
    open: () => ({
      publicKey: publicKey.export({ type: "spki", format: "der" }),
      signDigest: async (digest: Uint8Array) => {
        await turn();
        count += 1;
        return { signature: signDigest(privateKey, digest), form: "der" as const };
      },
      describe: () => ({ protection: "unknown" as const, exportable: "unknown" as const, evidence: {} }),
      close: () => undefined,
    }),
  };
  return { signer: new KeySigner(source, options), signatures: () => count };
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error) => error.code,
  );
const count = (codes: string[], code: string) => codes.filter((each) => each === code).length;

it("are refused at once as throttled, by the client's timeout, which is shorter than the signer's", async () => {
  const { signer, signatures } = slowStore();
  const dpopProver = await DPoPProver.create(signer);
  await Promise.all(Array.from({ length: 10 }, () => signer.sign(Buffer.from("message"))));
  const client = new OAuthClient({ baseUrl: server.origin, timeout: 5_000 });
  const calls = Array.from({ length: 400 }, () => codeOf(client.clientCredentials({ clientId: "a", dpopProver })));
  await Promise.race(calls.map((call) => call.then((code) => code === "throttled" || new Promise(() => undefined))));
  expect(signatures()).toBeLessThan(30);
  const codes = await Promise.all(calls);
  expect(count(codes, "throttled")).toBeGreaterThan(100);
  expect(server.requests.length).toBeLessThan(300);
});

describe("by the signer's own timeout, they are refused as throttled too", () => {
  type Sign = (signer: Signer, prover: DPoPProver) => Promise<unknown>;
  const clientOf = (signer: Signer) =>
    new OAuthClient({
      baseUrl: server.origin,
      issuer: server.origin,
      clientAuth: { method: "private_key_jwt", signer },
    });
  const redirectUri = "https://app.example.com/callback";

  it.each<[string, Sign]>([
    [
      "proofs",
      async (signer) => dpopFetch({ prover: await DPoPProver.create(signer), token: "opaque" })(server.origin),
    ],
    ["assertions", (signer, dpopProver) => clientOf(signer).clientCredentials({ clientId: "a", dpopProver })],
    [
      "request objects",
      (signer, dpopProver) =>
        clientOf(signer).authorizationUrl({ clientId: "a", dpopProver, redirectUri, requestObject: { signer } }),
    ],
  ])("%s", async (_, sign) => {
    const { signer } = slowStore({ timeout: 1_000 });
    const prover = await DPoPProver.generate();
    for (let turn = 0; turn < 5; turn++) await sign(signer, prover);
    const codes = await Promise.all(Array.from({ length: 200 }, () => codeOf(sign(signer, prover))));
    expect(codes).toContain("throttled");
  });
});
