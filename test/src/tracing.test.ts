/** The messages on the channel `hardproof.signature`: key, claims, duration and outcome, but never a proof or a token. */
import { tracingChannel } from "node:diagnostics_channel";
import { inspect } from "node:util";
import { DPoPProver, type SignatureTrace, type Signer } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest";

let hsm: SoftHsm;
beforeAll(async () => {
  hsm = await softHsm({ label: "tracing" });
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

/** Returns a copy of every message, in the order of publication. */
async function record(work: () => Promise<unknown>): Promise<[string, SignatureTrace][]> {
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
  it("publishes the start and the end of a proof", async () => {
    const signer = signers[kind]?.() ?? expect.unreachable();
    const prover = await DPoPProver.create(signer);
    let proof = "";
    const messages = await record(async () => {
      proof = await prover.makeProof(request);
    });
    const { jti, htm, htu } = decodeJwt(proof);
    const start = { kind: "dpop", jti, htm, htu, jkt: prover.jkt, uri: signer.uri };
    expect(messages).toEqual([
      ["start", start],
      ["asyncEnd", { ...start, outcome: "ok", duration: expect.any(Number) }],
    ]);
    const printed = inspect(messages, { depth: 10, showHidden: true });
    const [, , signature = "none"] = proof.split(".");
    for (const secret of ["secret-token", "a-nonce", "a=1", hsm.pin, signature]) expect(printed).not.toContain(secret);
    await signer.close();
  });

  it("publishes a failed signature with its code", async () => {
    const signer = signers[kind]?.() ?? expect.unreachable();
    const prover = await DPoPProver.create(signer);
    await signer.close();
    const messages = await record(() => prover.makeProof(request).catch(() => undefined));
    const end = { outcome: "misconfigured", duration: expect.any(Number), error: expect.any(Error) };
    expect(messages.map(([name]) => name)).toEqual(["start", "error", "asyncEnd"]);
    expect(messages[1]?.[1]).toMatchObject({ jkt: prover.jkt, uri: signer.uri, ...end });
    expect(messages[2]?.[1]).toMatchObject(end);
    expect(inspect(messages, { depth: 10 })).not.toMatch(/secret-token|a-nonce/);
  });
});

it("has no subscribers by default, and has the documented types", async () => {
  expect(tracingChannel("hardproof.signature").start.hasSubscribers).toBe(false);
  expectTypeOf<SignatureTrace>().toHaveProperty("outcome").toEqualTypeOf<string | undefined>();
  expectTypeOf<SignatureTrace["jkt"]>().toEqualTypeOf<string>();
});
