/** What keyObjectSigner doesn't ask of a private key, because some OpenSSL providers end the process (Node 20 and 22). */
import * as nodeCrypto from "node:crypto";
import { keyObjectSigner, verifySignature } from "hardproof";
import { expect, it, vi } from "vitest";
import { privateKeyFor } from "../../node-keys.js";

vi.mock("node:crypto", async (importOriginal) => {
  const original = await importOriginal<typeof nodeCrypto>();
  return { ...original, sign: vi.fn(original.sign) };
});

it("reads no details and no JWK of the private key, and asks for DER only", async () => {
  const key = privateKeyFor("ES256");
  const asked: string[] = [];
  for (const name of ["asymmetricKeyDetails", "export", "equals", "toCryptoKey"])
    Object.defineProperty(key, name, { get: () => asked.push(name) });
  await using signer = keyObjectSigner(key);
  const data = Buffer.from("data");
  expect(verifySignature(await signer.publicJwk(), data, await signer.sign(data))).toBe(true);
  await signer.describe();
  expect(asked).toEqual([]);
  const calls = vi.mocked(nodeCrypto.sign).mock.calls;
  expect(calls.map(([, , signingKey]) => signingKey)).toEqual([key]);
});
