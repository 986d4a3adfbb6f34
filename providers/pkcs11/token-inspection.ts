/** Reads what tokens report about themselves without a login, for `hardproof doctor`, `keygen --require` and `keys --tokens`. */
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import type { KeyFacts } from "../../src/keystore/signer.js";
import type { Cryptoki } from "./binding.js";
import { readProtection } from "./evidence.js";
import { algorithmsOfToken } from "./key-algorithms.js";
import type { KeySpec } from "./protocol.js";
import { Pkcs11Error } from "./return-values.js";
import { findToken, isMatch, readSlots, type Token } from "./token.js";

/** The token's description of itself. */
export interface InspectedToken
  extends Pick<Token, "label" | "serial" | "manufacturer" | "model" | "firmware" | "flags" | "slotId"> {
  /** The algorithms for which the token has a mechanism. */
  readonly algorithms: readonly AlgorithmName[];
  readonly protection: KeyFacts["protection"];
  /** The name of the software, if the token is known to be a program. */
  readonly software: string | undefined;
}

/** Finds the token and reads its description. Doesn't open a session. */
export function inspectToken(lib: Cryptoki, spec: KeySpec): InspectedToken {
  return describeToken(lib, findToken(lib, spec.token));
}

/**
 * Reads the descriptions of all tokens that match, also of those that aren't initialised. Doesn't open a session.
 *
 * @throws {Pkcs11Error} If no token can be read, and one fails.
 */
export function inspectTokens(lib: Cryptoki, { token }: KeySpec): InspectedToken[] {
  const slots = readSlots(lib);
  const tokens = slots.filter(isReadable);
  const failure = slots.find((slot) => !isReadable(slot));
  if (failure && tokens.length === 0) throw failure;
  return tokens.filter((each) => isMatch(each, token)).map((each) => describeToken(lib, each));
}

function isReadable(slot: Token | Pkcs11Error): slot is Token {
  return !(slot instanceof Pkcs11Error);
}

function describeToken(lib: Cryptoki, token: Token): InspectedToken {
  const { mechanisms, label, serial, manufacturer, model, firmware, flags, slotId } = token;
  const { protection, software } = readProtection(lib, token);
  return {
    label,
    serial,
    manufacturer,
    model,
    firmware,
    flags,
    slotId,
    algorithms: algorithmsOfToken(mechanisms),
    protection,
    software,
  };
}
