/** What is published of each signature, with each kind of key: who, what, how long and how it ended; no proof and no token. */
import { tracingChannel } from "node:diagnostics_channel";
import { inspect } from "node:util";
import { DPoPProver, type SignatureTrace, type Signer } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import { type SoftHsm, softHsm } from "../../softhsm/index.js";

let hsm: SoftHsm;
beforeAll(async () => {
  hsm = await softHsm({ label: "watched" });
});
afterAll(() => hsm.close());

const signers: Record<string, () => Signer> = {
  memory: () => MemorySigner.generate(),
  SoftHSM: () => new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin }),
};
const request = {
  htm: "GET",
  htu: "https://api.example.com/resource?a=1",
  accessToken: "secret-token",
  nonce: "a-nonce",
};

/** Every message in order, as it was when it was published. */
async function watched(work: () => Promise<unknown>): Promise<[string, SignatureTrace][]> {
  const messages: [string, SignatureTrace][] = [];
  const on = (name: string) => (message: SignatureTrace) => void messages.push([name, { ...message }]);
  const names = ["start", "end", "asyncStart", "asyncEnd", "error"] as const;
  const [start, end, asyncStart, asyncEnd, error] = names.map(on);
  if (!start || !end || !asyncStart || !asyncEnd || !error) return expect.unreachable();
  const subscribers = { start, end, asyncStart, asyncEnd, error };
  const channel = tracingChannel<unknown, SignatureTrace>("hardproof.signature");
  channel.subscribe(subscribers);
  await work().finally(() => channel.unsubscribe(subscribers));
  return messages;
}

describe.each(Object.keys(signers))("a %s key", (kind) => {
  it("tells of a proof at its start and at its end", async () => {
    const signer = signers[kind]?.() ?? expect.unreachable();
    const prover = await DPoPProver.create(signer);
    let proof = "";
    const messages = await watched(async () => {
      proof = await prover.makeProof(request);
    });
    const { jti, htm, htu } = decodeJwt(proof);
    const started = { kind: "dpop", jti, htm, htu, jkt: prover.jkt, uri: signer.uri };
    expect(messages).toEqual([
      ["start", started],
      ["asyncEnd", { ...started, outcome: "ok", duration: expect.any(Number) }],
    ]);
    const printed = inspect(messages, { depth: 10, showHidden: true });
    const [, , signature = "none"] = proof.split(".");
    for (const secret of ["secret-token", "a-nonce", "a=1", hsm.pin, signature]) expect(printed).not.toContain(secret);
    await signer.close();
  });

  it("tells of a signature that failed, with its code", async () => {
    const signer = signers[kind]?.() ?? expect.unreachable();
    const prover = await DPoPProver.create(signer);
    await signer.close();
    const messages = await watched(() => prover.makeProof(request).catch(() => undefined));
    const ended = { outcome: "misconfigured", duration: expect.any(Number), error: expect.any(Error) };
    expect(messages.map(([name]) => name)).toEqual(["start", "error", "asyncEnd"]);
    expect(messages[1]?.[1]).toMatchObject({ jkt: prover.jkt, uri: signer.uri, ...ended });
    expect(messages[2]?.[1]).toMatchObject(ended);
    expect(inspect(messages, { depth: 10 })).not.toMatch(/secret-token|a-nonce/);
  });
});

it("costs nothing where nobody listens, and has the types that are promised", async () => {
  expect(tracingChannel("hardproof.signature").start.hasSubscribers).toBe(false);
  expectTypeOf<SignatureTrace>().toHaveProperty("outcome").toEqualTypeOf<string | undefined>();
  expectTypeOf<SignatureTrace["jkt"]>().toEqualTypeOf<string>();
});
