/**
 * Which PINs were wrong, and which is logged in. A token counts the tries of a whole process, so the wrong ones are in
 * memory that all its threads share; as fingerprints.
 */
import { createHash, randomFillSync } from "node:crypto";
import { getEnvironmentData, isMainThread, setEnvironmentData } from "node:worker_threads";

const NAME = "hardproof.pkcs11.pins";
const [LOCK, COUNT] = [0, 1];
const HEAD_BYTES = 8;
const SALT_BYTES = 16;
const PRINT_BYTES = 32;
/** Nobody has so many wrong PINs. What is more than that a thread remembers alone. */
const MOST_SHARED = 256;
/** Milliseconds: a thread that was ended during its login lets nobody in. */
const LONGEST_LOGIN = 30_000;

const memory = sharedMemory();
const head = new Int32Array(memory, 0, 2);
/** So that a memory dump does not give the PIN to a table of all short numbers made beforehand. */
const salt = new Uint8Array(memory, HEAD_BYTES, SALT_BYTES);
const shared = Buffer.from(memory, HEAD_BYTES + SALT_BYTES);
const wrongHere = new Set<string>();
const rightHere = new Map<string, string>();

/** Runs one try of a PIN, from the look into the memory to what is remembered of it, while no other thread can. */
export function whileNoOtherTries<T>(work: () => T): T {
  while (Atomics.compareExchange(head, LOCK, 0, 1) !== 0)
    if (Atomics.wait(head, LOCK, 1, LONGEST_LOGIN) === "timed-out") Atomics.store(head, LOCK, 0);
  try {
    return work();
  } finally {
    Atomics.store(head, LOCK, 0);
    Atomics.notify(head, LOCK, 1);
  }
}

/** Whether this process has been told that the PIN is wrong. */
export function isKnownWrong(token: string, pin: string): boolean {
  const print = fingerprint(token, pin);
  if (wrongHere.has(print.toString("hex"))) return true;
  return Array.from({ length: Atomics.load(head, COUNT) }, (_, index) => sharedPrint(index)).some((one) =>
    one.equals(print),
  );
}

/** @param token - what tells the token from all others */
export function rememberWrong(token: string, pin: string): void {
  const print = fingerprint(token, pin);
  wrongHere.add(print.toString("hex"));
  const count = Atomics.load(head, COUNT);
  if (count === MOST_SHARED) return;
  print.copy(sharedPrint(count));
  Atomics.store(head, COUNT, count + 1);
}

/** The PIN that this thread has logged the process in with. */
export function rememberRight(token: string, pin: string): void {
  rightHere.set(token, fingerprint(token, pin).toString("hex"));
}

/** Whether the process is logged in with another PIN, as far as this thread knows. */
export function isAnother(token: string, pin: string): boolean {
  const right = rightHere.get(token);
  return right !== undefined && right !== fingerprint(token, pin).toString("hex");
}

function sharedPrint(index: number): Buffer {
  return shared.subarray(index * PRINT_BYTES, (index + 1) * PRINT_BYTES);
}

function fingerprint(token: string, pin: string): Buffer {
  return createHash("sha256")
    .update(salt)
    .update(JSON.stringify([token, pin]))
    .digest();
}

/** A worker gets that of the thread which made it, if that one had it by then. */
function sharedMemory(): SharedArrayBuffer {
  const inherited = getEnvironmentData(NAME);
  if (inherited instanceof SharedArrayBuffer) return inherited;
  const memory = new SharedArrayBuffer(HEAD_BYTES + SALT_BYTES + MOST_SHARED * PRINT_BYTES);
  randomFillSync(new Uint8Array(memory, HEAD_BYTES, SALT_BYTES));
  if (isMainThread) setEnvironmentData(NAME, memory);
  return memory;
}
