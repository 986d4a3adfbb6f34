/** Many signatures by a key in memory leave the event loop free. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { DPoPProver } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { describe, expect, it } from "vitest";

const GET = { htm: "GET", htu: "https://api.example.com/" } as const;

/** Counts the turns of the event loop until the work has ended. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let ended = false;
  const end = work.finally(() => {
    ended = true;
  });
  while (!ended) {
    await nextTurn();
    turns += 1;
  }
  await end;
  return turns;
}

describe("a burst of signatures in memory", () => {
  it("is made in many turns of the event loop, if the callers don't wait for each other", async () => {
    const prover = await DPoPProver.generate();
    const proofs = Array.from({ length: 5_000 }, () => prover.makeProof(GET));
    expect(await turnsDuring(Promise.all(proofs))).toBeGreaterThan(10);
    expect(new Set(await Promise.all(proofs)).size).toBe(5_000);
  });

  it("is made in many turns of the event loop, if one caller makes one after the other", async () => {
    const prover = await DPoPProver.generate();
    const work = async () => {
      for (let n = 0; n < 2_000; n += 1) await prover.makeProof(GET);
    };
    expect(await turnsDuring(work())).toBeGreaterThan(10);
  });

  it("is made in the order of the calls", async () => {
    const signer = MemorySigner.generate({ algorithm: "Ed25519" });
    await signer.sign(Buffer.of(0));
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 2_000 }, (_, n) =>
        signer.sign(() => {
          order.push(n);
          return Buffer.of(1);
        }),
      ),
    );
    expect(order).toEqual(Array.from({ length: 2_000 }, (_, n) => n));
  });

  it("makes each message when its turn has come", async () => {
    const signer = MemorySigner.generate();
    await signer.sign(Buffer.of(0));
    let made = 0;
    const calls = Array.from({ length: 2_000 }, () =>
      signer.sign(() => {
        made += 1;
        return Buffer.of(1);
      }),
    );
    expect(made).toBeLessThan(2_000);
    await Promise.all(calls);
    expect(made).toBe(2_000);
  });

  it("doesn't sign for a caller who has given up while others signed", async () => {
    const signer = MemorySigner.generate();
    await signer.sign(Buffer.of(0));
    const others = Array.from({ length: 2_000 }, () => signer.sign(Buffer.of(1)));
    const controller = new AbortController();
    let made = false;
    const call = signer.sign(
      () => {
        made = true;
        return Buffer.of(2);
      },
      { signal: controller.signal },
    );
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: "aborted" });
    await Promise.all(others);
    expect(made).toBe(false);
  });

  it("goes on after a signature that failed", async () => {
    const signer = MemorySigner.generate();
    await signer.sign(Buffer.of(0));
    const calls = Array.from({ length: 2_000 }, (_, n) =>
      signer.sign(() => {
        if (n % 2) throw new Error("no message");
        return Buffer.of(1);
      }),
    );
    const results = await Promise.allSettled(calls);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1_000);
  });

  it("doesn't delay a single signature", async () => {
    const signer = MemorySigner.generate();
    await signer.sign(Buffer.of(0));
    await nextTurn();
    let signed = false;
    const call = signer.sign(() => {
      signed = true;
      return Buffer.of(1);
    });
    expect(signed).toBe(true);
    await call;
  });
});
