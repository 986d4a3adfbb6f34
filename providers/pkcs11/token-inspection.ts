/** What a token reports about itself without a login, for `doctor`. */
import type { Cryptoki } from "./binding.js";
import type { KeySpec } from "./protocol.js";
import { findToken, type Token } from "./token.js";

export type InspectedToken = Pick<Token, "label" | "serial" | "model" | "firmware" | "flags">;

export function inspectToken(lib: Cryptoki, spec: KeySpec): InspectedToken {
  const { label, serial, model, firmware, flags } = findToken(lib, spec.token);
  return { label, serial, model, firmware, flags };
}
