/** More requests at once than a slow key can serve soon: no proof ages while its request waits. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { proofBurst } from "./proof-burst.js";
import { SLOW_STORES, type SlowStore } from "./slow-stores.js";

/**
 * With the environment variable HARDPROOF_LONG_BURST, 600 requests are sent, which takes 15 s for each store, and the ages of
 * the proofs are measured in seconds, too: that needs an idle machine.
 */
const LONG = process.env.HARDPROOF_LONG_BURST !== undefined;
const [REQUESTS, MAX_AGE] = LONG ? [600, 5] : [160, 60];
/** Signatures. Without a queue, the last proof waits for all others. */
const LONGEST_WAIT = 80;

describe.each(Object.entries(SLOW_STORES))("%s", (name, start) => {
  let store: SlowStore;
  beforeAll(async () => {
    store = await start();
  });
  afterAll(() => store.close());

  // In a separate process, the queue and the workers are the same.
  it.skipIf(!LONG && name.includes("separate"))(
    `serves ${REQUESTS} requests at once, and makes each proof when few signatures are ahead of its own`,
    {
      timeout: 60_000,
    },
    async () => {
      await using signer = store.newSigner();
      const { outcomes, oldest, longestWait } = await proofBurst(signer, { requests: REQUESTS, maxAge: MAX_AGE });
      expect(outcomes).toEqual({ 200: REQUESTS });
      expect(oldest).toBeLessThan(MAX_AGE);
      expect(longestWait).toBeLessThan(LONGEST_WAIT);
    },
  );

  it("refuses requests at once that can't be signed inside their time limit", async () => {
    await using signer = store.newSigner({ timeout: 2_000 });
    const sign = () => signer.sign(Buffer.from("message"));
    await Promise.all(Array.from({ length: 40 }, sign));
    const before = store.signatures();
    const signing = Array.from({ length: 600 }, () =>
      sign().then(
        () => "signed",
        (error) => error.code,
      ),
    );
    await Promise.race(signing.map((outcome) => outcome.then((code) => code === "throttled" || new Promise(() => {}))));
    expect(store.signatures() - before).toBeLessThan(100);
    const outcomes = await Promise.all(signing);
    const count = (outcome: string) => outcomes.filter((each) => each === outcome).length;
    expect(count("throttled")).toBeGreaterThan(400);
    expect(count("signed")).toBeGreaterThan(20);
  });
});
