/** keyObjectSigner with `concurrent: false`: all such signers take turns. */
import { createPublicKey, webcrypto } from "node:crypto";
import { keyObjectSigner, type PublicJwk, verifySignature } from "hardproof";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { privateKeyFor, toCryptoKey } from "../../node-keys.js";

const prototype = Object.getPrototypeOf(webcrypto.subtle);
const nativeSign = webcrypto.subtle.sign;
const data = Buffer.from("data");
const algorithms = ["ES256", "PS256"] as const;

describe("with concurrent: false", () => {
  /** `start` when WebCrypto is called, `end` when a caller of a signer has its result. */
  let events: string[];
  beforeEach(() => {
    events = [];
    prototype.sign = function (...args: Parameters<typeof nativeSign>) {
      events.push("start");
      return nativeSign.apply(this, args);
    };
  });
  afterEach(() => {
    prototype.sign = nativeSign;
  });

  const openSigners = async (concurrent: boolean) => {
    const keys = await Promise.all(algorithms.map((name) => toCryptoKey(privateKeyFor(name), name)));
    const signers = keys.map((key) => keyObjectSigner(key, { concurrent }));
    for (const signer of signers) await signer.publicJwk();
    return signers;
  };
  const noted = <T>(work: Promise<T>) => work.finally(() => events.push("end"));

  it.each([
    [false, "begins a signature when the one before, of any key, has been verified"],
    [true, "begins all signatures at once"],
  ])("concurrent: %s %s", async (concurrent) => {
    const signers = await openSigners(concurrent);
    const signing = signers.flatMap((signer) =>
      Array.from({ length: 4 }, async () => ({ signer, signature: await noted(signer.sign(data)) })),
    );
    for (const { signer, signature } of await Promise.all(signing))
      expect(verifySignature(await signer.publicJwk(), data, signature)).toBe(true);
    const inTurn = Array.from({ length: 16 }, (_, n) => (n % 2 === 0 ? "start" : "end"));
    expect(events.slice(0, 16)).toEqual(concurrent ? [...Array(8).fill("start"), ...Array(8).fill("end")] : inTurn);
  });

  it("makes each message of a key when its turn comes", async () => {
    const [signer] = await openSigners(false);
    const message = () => {
      events.push("made");
      return data;
    };
    await Promise.all([1, 2, 3].map(() => noted(signer?.sign(message) ?? Promise.reject())));
    expect(events.filter((event) => event !== "end")).toEqual(["made", "start", "made", "start", "made", "start"]);
  });

  it("goes on after a failed signature", async () => {
    const key = await toCryptoKey(privateKeyFor("ES256"), "ES256");
    const wrong = keyObjectSigner(key, { publicKey: createPublicKey(privateKeyFor("ES256")), concurrent: false });
    const [signer] = await openSigners(false);
    const failure = expect(wrong.sign(data)).rejects.toMatchObject({ code: "integrity" });
    await expect(signer?.sign(data)).resolves.toHaveLength(64);
    await failure;
  });

  it("doesn't sign for a caller that aborts while it waits", async () => {
    const [signer] = await openSigners(false);
    const first = signer?.sign(data);
    const controller = new AbortController();
    const waiting = expect(signer?.sign(data, { signal: controller.signal })).rejects.toMatchObject({
      code: "aborted",
    });
    controller.abort();
    await waiting;
    await Promise.all([first, signer?.sign(data)]);
    expect(events).toEqual(["start", "start"]);
  });

  it.each(["ES256", "Ed25519", "PS256"] as const)("signs with a KeyObject for %s", async (algorithm) => {
    const signer = keyObjectSigner(privateKeyFor(algorithm), { algorithm, concurrent: false });
    const signatures = await Promise.all(Array.from({ length: 8 }, () => signer.sign(data)));
    const jwk: PublicJwk = await signer.publicJwk();
    for (const signature of signatures) expect(verifySignature(jwk, data, signature)).toBe(true);
  });
});
