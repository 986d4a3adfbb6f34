/** A PKCS#11 library between the application and another one: it injects faults into the calls, and counts them. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileShim } from "./compile-shim.js";

const FUNCTIONS = [
  "C_Initialize",
  "C_Finalize",
  "C_GetSlotList",
  "C_GetTokenInfo",
  "C_OpenSession",
  "C_CloseSession",
  "C_GetSessionInfo",
  "C_Login",
  "C_FindObjectsInit",
  "C_FindObjects",
  "C_GetAttributeValue",
  "C_SignInit",
  "C_Sign",
  "C_GetInfo",
  "C_GetSlotInfo",
  "C_GetMechanismList",
  "C_FindObjectsFinal",
  "C_GenerateKeyPair",
  "C_DestroyObject",
] as const;
/** A function whose calls can fail. */
export type Pkcs11Function = (typeof FUNCTIONS)[number];

/** What happens in a call. See the property `act` of {@link Pkcs11Fault}. */
export type Pkcs11Act =
  | "hang"
  | { return: number }
  | { after: number }
  | { delay: number }
  | { set: number }
  | { unset: number }
  | { most: number }
  | { limit: number }
  | { blank: number }
  | { imported: number }
  | { unavailable: number }
  | { endless: number }
  | { crash: number }
  | { noMechanisms: number };

/** A fault in the calls of one function, counted from when the order was placed. */
export interface Pkcs11Fault {
  on: Pkcs11Function;
  /** The first call that fails. Default: 1. */
  from?: number;
  /** The number of calls that fail. Default: all. */
  times?: number;
  /** The fault ends when this function is called. */
  until?: Pkcs11Function;
  /**
   * - `return`, `after`: returns this `CKR_*` instead of the call, or after it.
   * - `delay`: waits this number of milliseconds before the call.
   * - `noMechanisms`: `C_GetMechanismList` returns an empty list.
   * - `crash`: ends the process with this signal.
   * - `"hang"`: waits until the next orders are placed, but at most a minute.
   * - `set`, `unset`, `most`: changes the flags and the maximum number of sessions that `C_GetTokenInfo` returns.
   * - `blank`: fills the first bytes of the serial number that `C_GetTokenInfo` returns with NULs.
   * - `endless`: each call of `C_FindObjects` returns the first object this many times, and the search never ends.
   * - `imported`: `C_GetAttributeValue` reports that `CKA_LOCAL` is true and the generating mechanism unavailable.
   * - `unavailable`: `C_GetAttributeValue` reports 0xffffffff as the length of this attribute.
   * - `limit`: the number of sessions that `C_OpenSession` opens before it returns `CKR_SESSION_COUNT`.
   */
  act: Pkcs11Act;
}

/** A library whose calls can be made to fail. */
export interface FaultyPkcs11 extends Disposable {
  /** The path of the library to load. */
  readonly module: string;
  /** Places these faults, which replace all earlier ones: without arguments, no call fails. */
  order(...faults: Pkcs11Fault[]): void;
  /** Returns the number of calls so far, in all sessions and threads. */
  count(name: Pkcs11Function): number;
  /** Returns the number of calls so far of all functions together. */
  total(): number;
  /** Returns the number of open sessions that were opened through the library in this process. */
  openSessions(): number;
  /** Returns how many calls of `C_Login` were rejected for a wrong PIN. */
  wrongPins(): number;
  /** Deletes the library, and restores the environment. Close the signers that use it first. */
  close(): void;
}

/**
 * Makes a library that forwards every call to another one, such as SoftHSM, and fails those that a test orders to fail. It
 * is compiled on this machine, once. Until it is closed, variables of `process.env` tell it what to do, so a process has
 * one at a time.
 *
 * @example
 * ```ts
 * using faulty = faultyPkcs11(hsm.module);
 * await using signer = new Pkcs11Signer({ ...hsm.signerOptions(), module: faulty.module });
 * faulty.order({ on: "C_Sign", times: 1, act: { return: CKR.DEVICE_ERROR } });
 * ```
 * @param library - The path of the library that receives the calls.
 * @throws If the machine has no C compiler.
 */
export function faultyPkcs11(library: string): FaultyPkcs11 {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-shim-"));
  const [module, plan, counts] = ["shim.so", "plan", "counts"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  try {
    compileShim(module);
  } catch (error) {
    rmSync(directory, { recursive: true });
    throw error;
  }
  writeFileSync(counts, Buffer.alloc(8 * (FUNCTIONS.length + 2)));
  const read = (index: number) => Number(readFileSync(counts).readBigUInt64LE(8 * index));
  const environment = {
    HARDPROOF_SHIM_MODULE: library,
    HARDPROOF_SHIM_PLAN: plan,
    HARDPROOF_SHIM_COUNTS: counts,
  };
  Object.assign(process.env, environment);
  const close = () => {
    rmSync(directory, { recursive: true, force: true });
    for (const [name, value] of Object.entries(environment)) if (process.env[name] === value) delete process.env[name];
  };
  return {
    module,
    order: (...faults) => {
      writeFileSync(`${plan}.new`, faults.map((one) => `${planLine(one)}\n`).join(""));
      renameSync(`${plan}.new`, plan);
    },
    count: (name) => read(FUNCTIONS.indexOf(name)),
    total: () => FUNCTIONS.reduce((sum, _, index) => sum + read(index), 0),
    openSessions: () => read(FUNCTIONS.length),
    wrongPins: () => read(FUNCTIONS.length + 1),
    close,
    [Symbol.dispose]: close,
  };
}

/** Returns the fault as a line of the plan, whose format is described in pkcs11-shim.c. */
function planLine({ on, from = 1, times = 0, act, until }: Pkcs11Fault): string {
  const [action, value] = act === "hang" ? ["hang", 0] : (Object.entries(act)[0] ?? ["hang", 0]);
  return `${on} ${from} ${times} ${action} ${value} ${until ?? "-"}`;
}
