/** What a token reports about itself without a login, for `doctor`. */
import type { Cryptoki } from "./binding.js";
import { CKM_ECDSA } from "./constants.js";
import type { KeySpec } from "./protocol.js";
import { findToken, type Token } from "./token.js";

export interface InspectedToken extends Pick<Token, "label" | "serial" | "model" | "firmware" | "flags"> {
  /** Whether the token signs with `CKM_ECDSA`. */
  readonly signs: boolean;
}

export function inspectToken(lib: Cryptoki, spec: KeySpec): InspectedToken {
  const { slot, label, serial, model, firmware, flags } = findToken(lib, spec.token);
  return { label, serial, model, firmware, flags, signs: lib.C_GetMechanismList(slot).includes(CKM_ECDSA) };
}
