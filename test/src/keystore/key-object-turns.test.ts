/** keyObjectSigner with `concurrent: false`: all such signers take turns. */
import { createPublicKey, webcrypto } from "node:crypto";
import { keyObjectSigner, type PublicJwk, type SignerError, verifySignature } from "hardproof";
import { describe, expect, it } from "vitest";
import { privateKeyFor, toCryptoKey } from "../../node-keys.js";

const { subtle } = webcrypto;
const data = Buffer.from("data");
const rejected = async (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable("It must reject."),
    (error) => error,
  );

describe("with concurrent: false", () => {
  it("makes one signature at a time, over all of these keys, and goes on after a failure and an abort", async () => {
    let running = 0;
    let most = 0;
    const native = subtle.sign;
    const sign = async function (this: typeof subtle, ...args: Parameters<typeof native>) {
      running += 1;
      most = Math.max(most, running);
      const signature = await native.apply(this, args);
      running -= 1;
      return signature;
    };
    Object.getPrototypeOf(subtle).sign = sign;
    try {
      const names = ["ES256", "PS256"] as const;
      const keys = await Promise.all(names.map((name) => toCryptoKey(privateKeyFor(name), name)));
      const signAll = async (concurrent: boolean) => {
        const signers = keys.map((key) => keyObjectSigner(key, { concurrent }));
        const other = keyObjectSigner(keys[0] as webcrypto.CryptoKey, {
          publicKey: createPublicKey(privateKeyFor("ES256")),
          concurrent,
        });
        const failure = rejected(other.sign(data));
        const aborted = new AbortController();
        const waiting = signers.map((signer) => rejected(signer.sign(data, { signal: aborted.signal })));
        const signing = signers.flatMap((signer) => Array.from({ length: 8 }, () => signer.sign(data)));
        aborted.abort();
        for (const error of await Promise.all(waiting)) expect(error).toMatchObject({ code: "aborted" });
        for (const [n, signature] of (await Promise.all(signing)).entries())
          expect(verifySignature((await signers[n < 8 ? 0 : 1]?.publicJwk()) as PublicJwk, data, signature)).toBe(true);
        expect(await failure).toMatchObject({ code: "integrity" });
      };
      await signAll(false);
      expect(most).toBe(1);
      await signAll(true);
      expect(most).toBeGreaterThan(1);
    } finally {
      Object.getPrototypeOf(subtle).sign = native;
    }
  });

  it.each(["ES256", "Ed25519", "PS256"] as const)("signs with a KeyObject for %s", async (algorithm) => {
    const signer = keyObjectSigner(privateKeyFor(algorithm), { algorithm, concurrent: false });
    const signatures = await Promise.all(Array.from({ length: 8 }, () => signer.sign(data)));
    const jwk = await signer.publicJwk();
    for (const signature of signatures) expect(verifySignature(jwk, data, signature)).toBe(true);
  });
});
