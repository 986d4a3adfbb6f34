/**
 * Signs while the thread pool is full and the garbage collector runs often, and verifies each signature independently of the
 * signer. Prints `valid COUNT invalid COUNT collections COUNT`. Needs `--expose-gc`.
 */
import { createPublicKey, pbkdf2, verify } from "node:crypto";
import { Pkcs11Signer } from "../../providers/pkcs11/index.js";
import { signerOptions } from "./options.js";

const TOTAL = 10_000;
const CONCURRENCY = 50;
/** Signatures that begin between two collections, so that a fast machine doesn't make them all between a few. */
const PER_COLLECTION = 80;
// If the signer verified every signature, it would hide an invalid one.
const signer = new Pkcs11Signer({ ...signerOptions(), verify: "first" });
const key = createPublicKey({ key: { ...(await signer.publicJwk()) }, format: "jwk" });
const outcome = { valid: 0, invalid: 0, collections: 0 };
let remaining = TOTAL;
let sinceCollection = 0;
const waiting: (() => void)[] = [];

/** Occupies a thread of the pool long enough for other calls to wait for it. */
function keepThreadPoolFull(): void {
  if (remaining > 0) pbkdf2("x", "y", 2_000, 32, "sha256", keepThreadPoolFull);
}

function collect(): void {
  replaceBufferPool();
  // A major collection also covers old objects, but takes much longer, so most collections are minor.
  globalThis.gc?.({ type: outcome.collections % 50 === 0 ? "major" : "minor" });
  outcome.collections += 1;
  overwriteFreedMemory();
  sinceCollection = 0;
  for (const resume of waiting.splice(0)) resume();
  if (outcome.valid + outcome.invalid < TOTAL) setTimeout(collect, 1);
}

/** Node allocates small buffers from 8 KiB slabs, and a slab can be freed only once Node has moved on to the next one. */
function replaceBufferPool(): void {
  for (let bytes = 0; bytes <= Buffer.poolSize; bytes += 64) Buffer.allocUnsafe(64);
}

/** Allocates and overwrites memory of the buffers' sizes while the token signs, which corrupts a buffer that was freed too early. */
function overwriteFreedMemory(): void {
  for (const [size, count] of [
    [32, 500],
    [64, 500],
    [Buffer.poolSize, 50],
  ] as const)
    for (let n = 0; n < count; n++) new Uint8Array(new ArrayBuffer(size)).fill(0xaa);
}

async function keepSigning(): Promise<void> {
  while (remaining-- > 0) {
    while (sinceCollection >= PER_COLLECTION) await new Promise<void>((resolve) => waiting.push(resolve));
    sinceCollection += 1;
    const message = Buffer.from(`message ${remaining}`);
    const signature = await signer.sign(message);
    const valid = verify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature);
    outcome[valid ? "valid" : "invalid"] += 1;
  }
}

for (let thread = 0; thread < 4; thread++) keepThreadPoolFull();
collect();
await Promise.all(Array.from({ length: CONCURRENCY }, keepSigning));
await signer.close();
console.log(Object.entries(outcome).flat().join(" "));
