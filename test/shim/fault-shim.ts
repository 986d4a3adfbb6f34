/** The C shim, compiled and told what to do: faults in a PKCS#11 library that it can't be asked for. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

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
] as const;
type FunctionName = (typeof FUNCTIONS)[number];

type Act =
  | { return: number }
  | { after: number }
  | { delay: number }
  | { set: number }
  | { unset: number }
  | { most: number }
  | { limit: number };

/** From the `from`-th call after this was ordered (default the first), `times` calls (default all). */
export interface Order {
  on: FunctionName;
  from?: number;
  times?: number;
  /** Ends when this function is called. */
  until?: FunctionName;
  /**
   * A `CKR_*` instead of the call, or after it; a wait in milliseconds before it; a hang until the next orders (a minute at most). Of
   * `C_GetTokenInfo`: flags set or not, and the most sessions. Of `C_OpenSession`: how many there may be at once.
   */
  act: Act | "hang";
}

export interface FaultShim {
  /** The library to load. */
  readonly module: string;
  /** Replaces all earlier orders. */
  order(...orders: Order[]): void;
  /** Calls so far, of all sessions and threads. */
  count(name: FunctionName): number;
  /** How many are open, of all that went through the shim in this process. */
  openSessions(): number;
  close(): void;
}

/** @param behind - path of the library to pass calls on to */
export function faultShim(behind: string): FaultShim {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-shim-"));
  const [module, plan, counts] = ["shim.so", "plan", "counts"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  const source = fileURLToPath(new URL("pkcs11-shim.c", import.meta.url));
  const headers = fileURLToPath(new URL("../../node_modules/pkcs11js/includes/pkcs11", import.meta.url));
  execFileSync("cc", [
    "-shared",
    "-fPIC",
    "-O2",
    "-Wall",
    "-Werror",
    "-I",
    headers,
    "-o",
    module,
    source,
    "-ldl",
    "-lpthread",
  ]);
  writeFileSync(counts, Buffer.alloc(8 * (FUNCTIONS.length + 1)));
  const read = (index: number) => Number(readFileSync(counts).readBigUInt64LE(8 * index));
  Object.assign(process.env, {
    HARDPROOF_SHIM_MODULE: behind,
    HARDPROOF_SHIM_PLAN: plan,
    HARDPROOF_SHIM_COUNTS: counts,
  });
  return {
    module,
    order: (...orders) => {
      writeFileSync(`${plan}.new`, orders.map((one) => `${line(one)}\n`).join(""));
      renameSync(`${plan}.new`, plan);
    },
    count: (name) => read(FUNCTIONS.indexOf(name)),
    openSessions: () => read(FUNCTIONS.length),
    close: () => rmSync(directory, { recursive: true }),
  };
}

function line({ on, from = 1, times = 0, act, until }: Order): string {
  const [action, value] = act === "hang" ? ["hang", 0] : (Object.entries(act)[0] ?? ["hang", 0]);
  return `${on} ${from} ${times} ${action} ${value} ${until ?? "-"}`;
}
