/** Reads what a token reports about itself without a login, for `hardproof doctor`. */
import type { Cryptoki } from "./binding.js";
import { CKM_ECDSA } from "./constants.js";
import type { KeySpec } from "./protocol.js";
import { findToken, type Token } from "./token.js";

/** The token's description of itself. */
export interface InspectedToken extends Pick<Token, "label" | "serial" | "model" | "firmware" | "flags"> {
  /** Whether the token supports `CKM_ECDSA`. */
  readonly signs: boolean;
}

/** Finds the token and reads its description. Doesn't open a session. */
export function inspectToken(lib: Cryptoki, spec: KeySpec): InspectedToken {
  const { slot, label, serial, model, firmware, flags } = findToken(lib, spec.token);
  return { label, serial, model, firmware, flags, signs: lib.C_GetMechanismList(slot).includes(CKM_ECDSA) };
}
