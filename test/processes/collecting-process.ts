/**
 * Signs while the thread pool is full and the garbage collector is made to run, and verifies each signature itself.
 * Prints `right COUNT wrong COUNT collections COUNT`. Needs `--expose-gc`.
 */
import { createPublicKey, pbkdf2, verify } from "node:crypto";
import { Pkcs11Signer } from "../../providers/pkcs11/index.js";
import { signerOptions } from "./options.js";

const TOTAL = 10_000;
const AT_ONCE = 50;
// Not verified by the signer, which would hide what this looks for.
const signer = new Pkcs11Signer({ ...signerOptions(), verify: "first" });
const key = createPublicKey({ key: { ...(await signer.publicJwk()) }, format: "jwk" });
const outcome = { right: 0, wrong: 0, collections: 0 };
let left = TOTAL;

/** Long enough for calls to wait for a thread. */
function keepThreadPoolFull(): void {
  if (left > 0) pbkdf2("x", "y", 2_000, 32, "sha256", keepThreadPoolFull);
}

function collect(): void {
  leavePooledMemory();
  // Now and then of the old objects, too, which takes much longer.
  globalThis.gc?.({ type: outcome.collections % 50 === 0 ? "major" : "minor" });
  outcome.collections += 1;
  writeOverWhatWasFreed();
  if (left > 0) setTimeout(collect, 1);
}

/** Node makes small buffers in pieces of 8 KiB: a piece is freed only when it is left for another. */
function leavePooledMemory(): void {
  for (let bytes = 0; bytes <= Buffer.poolSize; bytes += 64) Buffer.allocUnsafe(64);
}

/** As any program does sooner or later: memory of a buffer's size is taken again, and written to while the token works. */
function writeOverWhatWasFreed(): void {
  for (const [size, count] of [
    [32, 500],
    [64, 500],
    [Buffer.poolSize, 50],
  ] as const)
    for (let times = 0; times < count; times++) new Uint8Array(new ArrayBuffer(size)).fill(0xaa);
}

async function keepSigning(): Promise<void> {
  while (left-- > 0) {
    const message = Buffer.from(`message ${left}`);
    const signature = await signer.sign(message);
    const right = verify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature);
    outcome[right ? "right" : "wrong"] += 1;
  }
}

for (let busy = 0; busy < 4; busy++) keepThreadPoolFull();
collect();
await Promise.all(Array.from({ length: AT_ONCE }, keepSigning));
await signer.close();
console.log(Object.entries(outcome).flat().join(" "));
