/** Reads what the token reports about a key: where it was generated, and whether it can be exported. */
import type { KeyFacts } from "../../src/keystore/signer.js";
import { type Cryptoki, fromUlong, type LibraryInfo } from "./binding.js";
import {
  CKA_ALWAYS_SENSITIVE,
  CKA_EXTRACTABLE,
  CKA_KEY_GEN_MECHANISM,
  CKA_LOCAL,
  CKA_NEVER_EXTRACTABLE,
  CKA_SENSITIVE,
  CKF_HW_SLOT,
  CKM_EC_EDWARDS_KEY_PAIR_GEN,
  CKM_EC_KEY_PAIR_GEN,
  CKM_ML_DSA_KEY_PAIR_GEN,
  CKM_RSA_PKCS_KEY_PAIR_GEN,
} from "./constants.js";
import { algorithmsOf } from "./key-algorithms.js";
import { readAttributes } from "./objects.js";
import type { OpenedKey } from "./open-keys.js";
import { softwareOf } from "./software-token.js";
import { type Token, unpadded } from "./token.js";

const FLAGS = {
  CKA_SENSITIVE,
  CKA_EXTRACTABLE,
  CKA_ALWAYS_SENSITIVE,
  CKA_NEVER_EXTRACTABLE,
  CKA_LOCAL,
} as const;

/**
 * Reads the facts about a key.
 *
 * @param module - The library's path.
 */
export function readFacts(lib: Cryptoki, module: string, key: OpenedKey): KeyFacts {
  const { session, handle, token } = key;
  const isRestricted = !algorithmsOf(lib, session, key, token.mechanisms).some(({ alg }) => alg === key.publicJwk.alg);
  const values = readAttributes(lib, session, handle, [[...Object.values(FLAGS), CKA_KEY_GEN_MECHANISM]]);
  const flag = (type: number) => {
    const value = values.get(type)?.[0];
    return value === undefined ? undefined : value !== 0;
  };
  const mechanism = values.get(CKA_KEY_GEN_MECHANISM);
  const { protection, software, hardwareSlot, info } = readProtection(lib, token);
  const attributes: Attributes = {
    CKA_SENSITIVE: flag(CKA_SENSITIVE),
    CKA_EXTRACTABLE: flag(CKA_EXTRACTABLE),
    CKA_ALWAYS_SENSITIVE: flag(CKA_ALWAYS_SENSITIVE),
    CKA_NEVER_EXTRACTABLE: flag(CKA_NEVER_EXTRACTABLE),
    CKA_LOCAL: flag(CKA_LOCAL),
    CKA_KEY_GEN_MECHANISM: mechanism?.length ? mechanismName(Number(fromUlong(mechanism))) : undefined,
  };
  const { slotId, label, serial, manufacturer, model, firmware } = token;
  return {
    protection,
    exportable: exportable(attributes),
    evidence: {
      ...attributes,
      ...(isRestricted ? { CKA_ALLOWED_MECHANISMS: `without ${key.algorithm.name}` } : {}),
      token: { label, serial, manufacturer, model, firmware, slot: slotId },
      CKF_HW_SLOT: hardwareSlot,
      ...(software === undefined ? {} : { software }),
      library: {
        manufacturer: unpadded(info.manufacturer),
        description: unpadded(info.description),
        version: info.version,
      },
      module,
    },
  };
}

interface Attributes extends Record<keyof typeof FLAGS, boolean | undefined> {
  CKA_KEY_GEN_MECHANISM: string | undefined;
}

/** Returns whether the library uses a TPM: the description of tpm2-pkcs11 is "TPM2.0 Cryptoki". */
export function usesTpm({ description }: Pick<LibraryInfo, "description">): boolean {
  return /\btpm/i.test(description);
}

/** Returns whether a key is in a TPM, which may be one in software. */
export function isInTpm({ evidence }: KeyFacts): boolean {
  const { description = "" } = Object(evidence.library);
  return usesTpm({ description });
}

/** Where a token stores its keys, and what the library reports about it. */
export interface TokenProtection {
  readonly protection: KeyFacts["protection"];
  /** The name of the software, if the token is known to be a program. */
  readonly software: string | undefined;
  readonly hardwareSlot: boolean;
  readonly info: LibraryInfo;
}

/** Reads where a token stores its keys. */
export function readProtection(lib: Cryptoki, token: Token): TokenProtection {
  const info = lib.C_GetInfo();
  const hardwareSlot = (lib.C_GetSlotInfo(token.slot).flags & CKF_HW_SLOT) !== 0;
  const software = softwareOf(token);
  return { protection: protectionOf(info, hardwareSlot, software), software, hardwareSlot, info };
}

/** A TPM is checked before the slot, because it is reported as a hardware slot too. */
function protectionOf(info: LibraryInfo, hardwareSlot: boolean, software: string | undefined): KeyFacts["protection"] {
  if (software !== undefined) return "software";
  if (usesTpm(info)) return "tpm";
  return hardwareSlot ? "hsm" : "software";
}

/** `false` also requires that the key was never extractable and always sensitive, and was generated on the token. */
function exportable(attributes: Attributes): boolean | "unknown" {
  const { CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_NEVER_EXTRACTABLE, CKA_ALWAYS_SENSITIVE } = attributes;
  if (CKA_EXTRACTABLE === true || CKA_SENSITIVE === false) return true;
  const always = CKA_NEVER_EXTRACTABLE === true && CKA_ALWAYS_SENSITIVE === true && wasGeneratedOnToken(attributes);
  return CKA_EXTRACTABLE === false && CKA_SENSITIVE === true && always ? false : "unknown";
}

/** Some libraries report `CKA_LOCAL` for an imported key too. Its `CKA_KEY_GEN_MECHANISM` is unavailable then. */
function wasGeneratedOnToken({ CKA_LOCAL, CKA_KEY_GEN_MECHANISM }: Attributes): boolean {
  return CKA_LOCAL === true && CKA_KEY_GEN_MECHANISM !== "unavailable";
}

/** Names of the mechanisms that generate key pairs. */
const GENERATION_NAMES: Readonly<Record<number, string>> = {
  [CKM_RSA_PKCS_KEY_PAIR_GEN]: "CKM_RSA_PKCS_KEY_PAIR_GEN",
  [CKM_EC_KEY_PAIR_GEN]: "CKM_EC_KEY_PAIR_GEN",
  [CKM_EC_EDWARDS_KEY_PAIR_GEN]: "CKM_EC_EDWARDS_KEY_PAIR_GEN",
  [CKM_ML_DSA_KEY_PAIR_GEN]: "CKM_ML_DSA_KEY_PAIR_GEN",
};

/** `CK_UNAVAILABLE_INFORMATION`, of 32 or 64 bits, stands for a key that wasn't generated on the token. */
function mechanismName(mechanism: number): string {
  return GENERATION_NAMES[mechanism] ?? (mechanism > 0xfffffffe ? "unavailable" : `0x${mechanism.toString(16)}`);
}
