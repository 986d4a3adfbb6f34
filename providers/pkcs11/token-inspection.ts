/** Reads what a token reports about itself without a login, for `hardproof doctor`. */
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import type { Cryptoki } from "./binding.js";
import { algorithmsOfToken } from "./key-algorithms.js";
import type { KeySpec } from "./protocol.js";
import { findToken, type Token } from "./token.js";

/** The token's description of itself. */
export interface InspectedToken extends Pick<Token, "label" | "serial" | "model" | "firmware" | "flags"> {
  /** The algorithms for which the token has a mechanism. */
  readonly algorithms: readonly AlgorithmName[];
}

/** Finds the token and reads its description. Doesn't open a session. */
export function inspectToken(lib: Cryptoki, spec: KeySpec): InspectedToken {
  const { mechanisms, label, serial, model, firmware, flags } = findToken(lib, spec.token);
  return { label, serial, model, firmware, flags, algorithms: algorithmsOfToken(mechanisms) };
}
