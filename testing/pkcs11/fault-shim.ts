/** Compiles and controls the C shim, which injects faults into the calls of a PKCS#11 library. */
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
type FunctionName = (typeof FUNCTIONS)[number];

type Act =
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
export interface Order {
  on: FunctionName;
  /** The first call that fails. Default: 1. */
  from?: number;
  /** The number of calls that fail. Default: all. */
  times?: number;
  /** The fault ends when this function is called. */
  until?: FunctionName;
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
  act: Act | "hang";
}

/** A library whose calls can be made to fail. */
export interface FaultShim {
  /** The path of the library to load. */
  readonly module: string;
  /** Places these orders, which replace all earlier ones: without arguments, no call fails. */
  order(...orders: Order[]): void;
  /** Returns the number of calls so far, in all sessions and threads. */
  count(name: FunctionName): number;
  /** Returns the number of calls so far of all functions together. */
  total(): number;
  /** Returns the number of open sessions that were opened through the shim in this process. */
  openSessions(): number;
  /** Returns how many calls of `C_Login` the library has rejected for a wrong PIN. */
  wrongPins(): number;
  /** Deletes the library. */
  close(): void;
}

/**
 * Compiles the shim.
 *
 * @param library - The path of the library that receives the calls.
 */
export function faultShim(library: string): FaultShim {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-shim-"));
  const [module, plan, counts] = ["shim.so", "plan", "counts"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  compileShim(module);
  writeFileSync(counts, Buffer.alloc(8 * (FUNCTIONS.length + 2)));
  const read = (index: number) => Number(readFileSync(counts).readBigUInt64LE(8 * index));
  Object.assign(process.env, {
    HARDPROOF_SHIM_MODULE: library,
    HARDPROOF_SHIM_PLAN: plan,
    HARDPROOF_SHIM_COUNTS: counts,
  });
  return {
    module,
    order: (...orders) => {
      writeFileSync(`${plan}.new`, orders.map((one) => `${planLine(one)}\n`).join(""));
      renameSync(`${plan}.new`, plan);
    },
    count: (name) => read(FUNCTIONS.indexOf(name)),
    total: () => FUNCTIONS.reduce((sum, _, index) => sum + read(index), 0),
    openSessions: () => read(FUNCTIONS.length),
    wrongPins: () => read(FUNCTIONS.length + 1),
    close: () => rmSync(directory, { recursive: true }),
  };
}

/** Returns the order as a line of the plan, whose format is described in pkcs11-shim.c. */
function planLine({ on, from = 1, times = 0, act, until }: Order): string {
  const [action, value] = act === "hang" ? ["hang", 0] : (Object.entries(act)[0] ?? ["hang", 0]);
  return `${on} ${from} ${times} ${action} ${value} ${until ?? "-"}`;
}
