/** What the token itself says of a key: where it was made, and whether it can leave. */
import type { KeyFacts } from "../../src/keystore/signer.js";
import type { Cryptoki, Handle } from "./client.js";
import {
  CKA_ALWAYS_SENSITIVE,
  CKA_EXTRACTABLE,
  CKA_KEY_GEN_MECHANISM,
  CKA_LOCAL,
  CKA_NEVER_EXTRACTABLE,
  CKA_SENSITIVE,
  CKF_HW_SLOT,
} from "./cryptoki.js";
import { readAttribute } from "./objects.js";
import { type Token, toNumber, unpadded } from "./token.js";

/** @throws what the library throws */
export function readFacts(lib: Cryptoki, session: Handle, key: Handle, token: Token): KeyFacts {
  const flag = (type: number) => {
    const value = readAttribute(lib, session, key, type)?.[0];
    return value === undefined ? undefined : value !== 0;
  };
  const mechanism = readAttribute(lib, session, key, CKA_KEY_GEN_MECHANISM);
  const hardwareSlot = (lib.C_GetSlotInfo(token.slot).flags & CKF_HW_SLOT) !== 0;
  const attributes = {
    CKA_SENSITIVE: flag(CKA_SENSITIVE),
    CKA_EXTRACTABLE: flag(CKA_EXTRACTABLE),
    CKA_ALWAYS_SENSITIVE: flag(CKA_ALWAYS_SENSITIVE),
    CKA_NEVER_EXTRACTABLE: flag(CKA_NEVER_EXTRACTABLE),
    CKA_LOCAL: flag(CKA_LOCAL),
    CKA_KEY_GEN_MECHANISM: mechanism && mechanismName(toNumber(mechanism)),
  };
  const { slotId, label, serial, manufacturer, model, firmware } = token;
  return {
    protection: protection(lib, hardwareSlot),
    exportable: exportable(attributes),
    evidence: {
      ...attributes,
      token: { label, serial, manufacturer, model, firmware, slot: slotId },
      CKF_HW_SLOT: hardwareSlot,
      library: libraryInfo(lib),
      module: lib.libPath,
    },
  };
}

/** The library says what it speaks to: tpm2-pkcs11's description is "TPM2.0 Cryptoki". */
export function speaksToTpm(lib: Cryptoki): boolean {
  return /\btpm/i.test(lib.C_GetInfo().libraryDescription);
}

function libraryInfo(lib: Cryptoki): { manufacturer: string; description: string; version: string } {
  const { manufacturerID, libraryDescription, libraryVersion } = lib.C_GetInfo();
  return {
    manufacturer: unpadded(manufacturerID),
    description: unpadded(libraryDescription),
    version: `${libraryVersion.major}.${libraryVersion.minor}`,
  };
}

/** A TPM's slot says that it is hardware as well. */
function protection(lib: Cryptoki, hardwareSlot: boolean): KeyFacts["protection"] {
  if (speaksToTpm(lib)) return "tpm";
  return hardwareSlot ? "hsm" : "software";
}

/** Not extractable now is not enough: it must never have been, and must have been made here. */
function exportable(attributes: Record<string, boolean | string | undefined>): boolean | "unknown" {
  const { CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_NEVER_EXTRACTABLE, CKA_ALWAYS_SENSITIVE, CKA_LOCAL } = attributes;
  if (CKA_EXTRACTABLE === true || CKA_SENSITIVE === false) return true;
  const always = CKA_NEVER_EXTRACTABLE === true && CKA_ALWAYS_SENSITIVE === true && CKA_LOCAL === true;
  return CKA_EXTRACTABLE === false && CKA_SENSITIVE === true && always ? false : "unknown";
}

/** `CK_UNAVAILABLE_INFORMATION` for a key that was not made on the token. */
function mechanismName(mechanism: number): string {
  if (mechanism === 0x1040) return "CKM_EC_KEY_PAIR_GEN";
  return mechanism > 0xfffffffe ? "unavailable" : `0x${mechanism.toString(16)}`;
}
