/** A library whose calls take a second: the event loop goes on, and time-outs end in time, whatever is being done. */
import { createKey, listKeys } from "hardproof";
import { deleteKey, type Pkcs11Signer } from "hardproof/pkcs11";
import { describe, expect, it, vi } from "vitest";
import type { Order } from "../../shim/fault-shim.js";
import { faultyToken } from "../../shim/faulty-token.js";
import { CKR } from "../../shim/return-values.js";

const { hsm, shim, newSigner } = await faultyToken("slow");
process.env.HARDPROOF_TEST_PIN = hsm.pin;
const uriOf = (path: string) =>
  `pkcs11:token=slow;${path}?module-path=${shim.module}&pin-source=env:HARDPROOF_TEST_PIN`;

const DELAYED = [
  "C_Initialize",
  "C_Login",
  "C_OpenSession",
  "C_FindObjects",
  "C_GetAttributeValue",
  "C_SignInit",
  "C_Sign",
  "C_GenerateKeyPair",
  "C_CloseSession",
  "C_Finalize",
] as const;
const DELAY = 1_000;
/** Milliseconds. The event loop is expected to stop for 50 at most; a busy machine needs more. */
const LONGEST_STOP = 500;
const TIMEOUT = 300;

vi.setConfig({ testTimeout: 60_000 });

/** Runs the work and returns the longest time (ms) between two ticks of a timer of 5 ms. */
async function longestStop(work: () => Promise<unknown>): Promise<number> {
  let [longest, last] = [0, performance.now()];
  const tick = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(tick, 5);
  await work();
  clearInterval(timer);
  tick();
  return longest;
}

type Prepare = () => Promise<{ run(): Promise<unknown>; orders?: Order[]; end?(): Promise<unknown> }>;

async function opened(): Promise<Pkcs11Signer> {
  const signer = newSigner({ timeout: TIMEOUT });
  // The library may still be busy with the test before.
  await expect.poll(() => signer.publicJwk(), { timeout: 10_000 }).toBeDefined();
  return signer;
}

const lost = { on: "C_SignInit", until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } } as const;
const settings = { timeout: TIMEOUT };
let names = 0;
const ACTIONS: Record<string, Prepare> = {
  opening: async () => {
    const signer = newSigner({ timeout: TIMEOUT });
    return { run: () => signer.publicJwk(), end: () => signer.close() };
  },
  signing: async () => {
    const signer = await opened();
    return { run: () => signer.sign(Buffer.from("x")), end: () => signer.close() };
  },
  describing: async () => {
    const signer = await opened();
    return { run: () => signer.describe(), end: () => signer.close() };
  },
  recovering: async () => {
    const signer = await opened();
    return { run: () => signer.sign(Buffer.from("x")), orders: [lost], end: () => signer.close() };
  },
  making: async () => {
    const uri = uriOf(`object=made%20${names++}`);
    return { run: () => createKey(uri, settings).then((signer) => signer.close()) };
  },
  listing: async () => ({ run: () => listKeys(uriOf("object=slow"), settings) }),
  deleting: async () => {
    const made = await createKey(uriOf(`object=made%20${names++}`));
    await made.close();
    return { run: () => deleteKey(`${made.uri}`, { permanently: true, pin: hsm.pin, ...settings }) };
  },
};

describe.each(DELAYED)("with each %s delayed by a second", (on) => {
  it.each(Object.keys(ACTIONS))("%s leaves the event loop free and keeps the time-out", async (name) => {
    const { run, orders = [], end } = await (ACTIONS[name] ?? expect.unreachable())();
    shim.order(...orders, { on, act: { delay: DELAY } });
    const before = performance.now();
    let took = 0;
    const stop = await longestStop(async () => {
      await run().catch(({ code }) => expect(["timeout", "unavailable"]).toContain(code));
      took = performance.now() - before;
      await end?.();
    });
    shim.order();
    expect(stop).toBeLessThan(LONGEST_STOP);
    // What the caller waits for ends in time; making a key ends with closing it.
    expect(took).toBeLessThan(name === "making" ? TIMEOUT + DELAY + 500 : TIMEOUT + 250);
  });
});

it("closing leaves the event loop free while the library is finalised", async () => {
  const signer = await opened();
  shim.order({ on: "C_Finalize", act: { delay: DELAY } }, { on: "C_CloseSession", act: { delay: DELAY } });
  expect(await longestStop(() => signer.close())).toBeLessThan(LONGEST_STOP);
});
