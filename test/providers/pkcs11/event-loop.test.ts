/** A library whose calls take a second: no operation blocks the event loop, and each one respects its timeout. */
import { createKey, listKeys } from "hardproof";
import { deleteKey, type Pkcs11Signer } from "hardproof/pkcs11";
import { describe, expect, it, vi } from "vitest";
import type { Pkcs11Fault } from "../../../testing/pkcs11/faulty-pkcs11.js";
import { CKR } from "../../../testing/pkcs11/return-values.js";
import { faultyToken } from "../../shim/faulty-token.js";

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
  "C_DestroyObject",
  "C_CloseSession",
  "C_Finalize",
] as const;
const DELAY = 1_000;
/** In milliseconds. Less than the delay, but much more than the work: a busy machine needs several times as long for it. */
const MAX_BLOCK = 800;
const TIMEOUT = 300;

vi.setConfig({ testTimeout: 60_000 });

/** Runs the work and returns the milliseconds in which the event loop didn't wait: a call that blocks it counts as a whole. */
async function timeBlocked(work: () => Promise<unknown>): Promise<number> {
  const before = performance.eventLoopUtilization();
  await work();
  return performance.eventLoopUtilization(before).active;
}

type Prepare = () => Promise<{ run(): Promise<unknown>; orders?: Pkcs11Fault[]; end?(): Promise<unknown> }>;

async function openSigner(): Promise<Pkcs11Signer> {
  const signer = newSigner({ timeout: TIMEOUT });
  // The library may still be busy with the previous test.
  await expect.poll(() => signer.publicJwk(), { timeout: 10_000 }).toBeDefined();
  return signer;
}

const lost = { on: "C_SignInit", until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } } as const;
const options = { timeout: TIMEOUT };
let names = 0;
const ACTIONS: Record<string, Prepare> = {
  opening: async () => {
    const signer = newSigner({ timeout: TIMEOUT });
    return { run: () => signer.publicJwk(), end: () => signer.close() };
  },
  signing: async () => {
    const signer = await openSigner();
    return { run: () => signer.sign(Buffer.from("x")), end: () => signer.close() };
  },
  describing: async () => {
    const signer = await openSigner();
    return { run: () => signer.describe(), end: () => signer.close() };
  },
  recovering: async () => {
    const signer = await openSigner();
    return { run: () => signer.sign(Buffer.from("x")), orders: [lost], end: () => signer.close() };
  },
  creating: async () => {
    const uri = uriOf(`object=created%20${names++}`);
    return { run: () => createKey(uri, options).then((signer) => signer.close()) };
  },
  listing: async () => ({ run: () => listKeys(uriOf("object=slow"), options) }),
  deleting: async () => {
    const created = await createKey(uriOf(`object=created%20${names++}`));
    await created.close();
    return { run: () => deleteKey(`${created.uri}`, { permanently: true, pin: hsm.pin, ...options }) };
  },
};

describe.each(DELAYED)("%s", (on) => {
  it.each(Object.keys(ACTIONS))(
    `%s doesn't block the event loop and respects the timeout while each ${on} takes a second`,
    async (name) => {
      const { run, orders = [], end } = await (ACTIONS[name] ?? expect.unreachable())();
      shim.order(...orders, { on, act: { delay: DELAY } });
      const before = performance.now();
      let elapsed = 0;
      const blocked = await timeBlocked(async () => {
        // `throttled`, if the worker is still busy with the call of the test before.
        await run().catch(({ code }) => expect(["timeout", "unavailable", "throttled"]).toContain(code));
        elapsed = performance.now() - before;
        await end?.();
      });
      shim.order();
      expect(blocked).toBeLessThan(MAX_BLOCK);
      // The timeout doesn't apply to close(), with which creating a key ends here.
      expect(elapsed).toBeLessThan(name === "creating" ? 2 * DELAY : DELAY);
    },
  );
});

it("closing doesn't block the event loop while the library is finalised", async () => {
  const signer = await openSigner();
  shim.order({ on: "C_Finalize", act: { delay: DELAY } }, { on: "C_CloseSession", act: { delay: DELAY } });
  expect(await timeBlocked(() => signer.close())).toBeLessThan(MAX_BLOCK);
});
