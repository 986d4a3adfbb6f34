/**
 * What stands between a URI and a key on a token, from the outside in: the addon, the library, the token, the PIN. No
 * login is tried: what is said of the PIN is what the token's flags say (PKCS #11 v2.40, `CK_TOKEN_INFO`).
 */
import { readFile, stat } from "node:fs/promises";
import { checkPermissions, pathWithMode } from "../../src/keystore/file-permissions.js";
import type { Finding } from "../../src/keystore/finding.js";
import { importBinding } from "./bindings.js";
import {
  CKF_LOGIN_REQUIRED,
  CKF_PROTECTED_AUTHENTICATION_PATH,
  CKF_USER_PIN_COUNT_LOW,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_INITIALIZED,
  CKF_USER_PIN_LOCKED,
} from "./constants.js";
import { findModule } from "./module-path.js";
import type { PinSource } from "./pin.js";
import type { InspectedToken } from "./token-inspection.js";
import { type KeyOnToken, useToken } from "./token-use.js";

const OTHERS_WRITE = 0o022;

/** @throws {SignerError} code `misconfigured`, `unavailable`, `key-not-found` or `ambiguous-key` */
export async function* diagnoseToken(wanted: KeyOnToken): AsyncGenerator<Finding> {
  const { name } = await importBinding(wanted.binding);
  yield { check: "addon", ok: true, found: `${name} is here, and its native part loads` };
  const path = await findModule(wanted.module);
  yield moduleFile(path, (await stat(path)).mode);
  yield* diagnoseLibrary(path, wanted);
  yield await pinSource(wanted.pin);
}

async function* diagnoseLibrary(path: string, wanted: KeyOnToken): AsyncGenerator<Finding> {
  const library = await useToken({ ...wanted, module: path });
  try {
    const { label, serial, model, firmware, flags } = (await library.run({ name: "inspect" })) as InspectedToken;
    yield { check: "token", ok: true, found: `"${label}", serial ${serial}, ${model}, firmware ${firmware}` };
    yield pinState(flags);
  } finally {
    await library.close();
  }
}

/** PKCS#11 has no number of tries: a token says that there were failures, that one try is left, or that none is. */
function pinState(flags: number): Finding {
  const check = "PIN state";
  const is = (flag: number) => (flags & flag) !== 0;
  const bad = (found: string, remedy: string) => ({ check, ok: false, found, remedy });
  if (is(CKF_USER_PIN_LOCKED)) return bad("locked: no try is left", "The security officer must unlock it.");
  if (is(CKF_USER_PIN_FINAL_TRY)) return bad("one try is left", "Be sure of the PIN, then log in with forceLogin.");
  if (!is(CKF_LOGIN_REQUIRED)) return { check, ok: true, found: "the token needs no login" };
  if (!is(CKF_USER_PIN_INITIALIZED)) return bad("there is no user PIN yet", "Set one with the vendor's tool.");
  if (is(CKF_USER_PIN_COUNT_LOW)) return { check, ok: null, found: "a wrong PIN was tried since the last login" };
  const pad = is(CKF_PROTECTED_AUTHENTICATION_PATH) ? ", entered at the token itself" : "";
  return { check, ok: true, found: `no wrong PIN since the last login${pad}` };
}

async function pinSource(pin: PinSource | undefined): Promise<Finding> {
  const check = "PIN source";
  if (pin === undefined) return { check, ok: null, found: "none given" };
  if (typeof pin === "string")
    return { check, ok: null, found: "the PIN itself is given: pin-source keeps it out of lists" };
  if (typeof pin === "function") return { check, ok: null, found: "a function" };
  if ("env" in pin) return pinVariable(pin.env);
  const read = await readFile(pin.file, "utf8").catch(() => undefined);
  const remedy = "Write the PIN into it, and let this user alone read it.";
  if (read === undefined) return { check, ok: false, found: `${pin.file} can't be read`, remedy };
  if (read.trimEnd() === "") return { check, ok: false, found: `${pin.file} is empty`, remedy };
  const { mode } = await stat(pin.file);
  return checkPermissions({ check, secret: "PIN", path: pin.file, mode });
}

function pinVariable(name: string): Finding {
  const check = "PIN source";
  if (process.env[name]) return { check, ok: true, found: `the environment variable ${name} is set` };
  return { check, ok: false, found: `the environment variable ${name} is not set`, remedy: "Set it to the PIN." };
}

function moduleFile(path: string, mode: number): Finding {
  const [check, found] = ["module", pathWithMode(path, mode)];
  if ((mode & OTHERS_WRITE) === 0) return { check, ok: true, found };
  return { check, ok: false, found, remedy: "chmod go-w: who writes it is who signs" };
}
