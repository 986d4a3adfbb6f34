/** A PKCS#11 library between the application and another one: it injects faults into the calls, and counts them. */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileShim } from "./compile-shim.js";

/** A function whose calls can fail. */
export type Pkcs11Function =
  | "C_Initialize"
  | "C_Finalize"
  | "C_GetSlotList"
  | "C_GetTokenInfo"
  | "C_OpenSession"
  | "C_CloseSession"
  | "C_GetSessionInfo"
  | "C_Login"
  | "C_FindObjectsInit"
  | "C_FindObjects"
  | "C_GetAttributeValue"
  | "C_SignInit"
  | "C_Sign"
  | "C_GetInfo"
  | "C_GetSlotInfo"
  | "C_GetMechanismList"
  | "C_FindObjectsFinal"
  | "C_GenerateKeyPair"
  | "C_DestroyObject";

/** In the order of their counters in pkcs11-shim.c. */
const FUNCTIONS: readonly Pkcs11Function[] = [
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
];

/** What happens in a call: `"hang"` waits until the next orders are placed, but at most a minute. */
export type Pkcs11Act =
  | "hang"
  | {
      /** Returns this `CKR_*` instead of the call. */
      return: number;
    }
  | {
      /** Returns this `CKR_*` after the call. */
      after: number;
    }
  | {
      /** Waits this number of milliseconds before the call. */
      delay: number;
    }
  | {
      /** Sets these flags in what `C_GetTokenInfo` returns. */
      set: number;
    }
  | {
      /** Clears these flags in what `C_GetTokenInfo` returns. */
      unset: number;
    }
  | {
      /** Replaces the maximum number of sessions that `C_GetTokenInfo` returns. */
      most: number;
    }
  | {
      /** The number of sessions that `C_OpenSession` opens before it returns `CKR_SESSION_COUNT`. */
      limit: number;
    }
  | {
      /** Fills this number of bytes at the start of the serial number that `C_GetTokenInfo` returns with NULs. */
      blank: number;
    }
  | {
      /** `C_GetAttributeValue` reports that `CKA_LOCAL` is true and the generating mechanism unavailable. */
      imported: number;
    }
  | {
      /** `C_GetAttributeValue` reports 0xffffffff as the length of this attribute. */
      unavailable: number;
    }
  | {
      /** Each call of `C_FindObjects` returns the first object this many times, and the search never ends. */
      endless: number;
    }
  | {
      /** Ends the process with this signal. */
      crash: number;
    }
  | {
      /** `C_GetMechanismList` returns an empty list. */
      noMechanisms: number;
    };

/** A fault in the calls of one function, counted from when the order was placed. */
export interface Pkcs11Fault {
  /** The function whose calls fail. */
  on: Pkcs11Function;
  /** The first call that fails. Default: 1. */
  from?: number;
  /** The number of calls that fail. Default: all. */
  times?: number;
  /** The fault ends when this function is called. */
  until?: Pkcs11Function;
  /** What happens in these calls. */
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
