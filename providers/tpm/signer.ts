/** A signer whose key is in a TPM 2.0: the PKCS#11 code over tpm2-pkcs11, one operation at a time. */
import { SignerError } from "../../src/errors.js";
import { KeySigner, type KeySignerOptions, type OpenKey, type PublicJwk } from "../../src/signer.js";
import type { KeySelector, PinSource, TokenSelector } from "../pkcs11/index.js";
import { Pkcs11Key } from "../pkcs11/open-key.js";
import { type Place, pointLibraryAt } from "./environment.js";
import { findTpmModule } from "./module.js";
import { formatTpmUri } from "./uri.js";

export interface TpmSignerOptions extends KeySignerOptions {
  /** The token of tpm2-pkcs11, by its label, or by label, serial and slot id. */
  token: string | TokenSelector;
  /** The private key, by its label, or by label and id. */
  key: string | KeySelector;
  /** The token's user PIN, or where to read it. */
  pin?: PinSource | undefined;
  /** Directory of tpm2-pkcs11's database. Default: what TPM2_PKCS11_STORE says, or else the library's own search. */
  store?: string | undefined;
  /** How to reach the TPM, such as `device:/dev/tpmrm0`. Default: what TPM2_PKCS11_TCTI says, or else the library's own search. */
  tcti?: string | undefined;
  /** Path of `libtpm2_pkcs11.so`, where it is in no usual place. */
  module?: string | undefined;
  /** The public half, where the store has lost it. Each signature is verified with it. */
  publicJwk?: PublicJwk | undefined;
  /** How many signatures may wait for the TPM; more are refused with `throttled`. Default 10,000. */
  maxWaiting?: number | undefined;
}

const MOST_WAITING = 10_000;

/**
 * ES256 by `CKM_ECDSA` over the SHA-256 digest, off the event loop. A process uses one store and one TCTI.
 *
 * @example
 * ```ts
 * const signer = new TpmSigner({ token: "agents", key: "dpop", pin: { file: "/run/secrets/tpm-pin" } });
 * ```
 */
export class TpmSigner extends KeySigner {
  /** @throws {SignerError} code `misconfigured` if an option can't be right */
  constructor(options: TpmSignerOptions) {
    const token = typeof options.token === "string" ? { label: options.token } : options.token;
    const key = typeof options.key === "string" ? { label: options.key } : options.key;
    const { pin, store, tcti, module, publicJwk, maxWaiting = MOST_WAITING } = options;
    if (module === "") throw new SignerError("misconfigured", "module must be the path of libtpm2_pkcs11.so.");
    if (!(token?.label || token?.serial || token?.slot !== undefined))
      throw new SignerError("misconfigured", "token must be a label, or { label, serial, slot } with one of them.");
    if (!(key?.label || key?.id))
      throw new SignerError("misconfigured", "key must be a label, or { label, id } with one of them.");
    const wanted = { module, place: { store, tcti }, token, key, publicJwk, login: { pin }, maxWaiting };
    super({ provider: "tpm", uri: formatTpmUri({ ...options, token, key }), open: () => openTpmKey(wanted) }, options);
  }
}

interface KeyInTpm {
  module: string | undefined;
  place: Place;
  token: TokenSelector;
  key: KeySelector;
  publicJwk: PublicJwk | undefined;
  login: { pin: PinSource | undefined };
  maxWaiting: number;
}

/** A TPM does one thing at a time: more sessions of a signer would only wait for each other. */
const ONE_SESSION = { libraryParameters: undefined, sessions: 1 };
const NEVER_ABORTED = { signal: new AbortController().signal };

async function openTpmKey({ place, module, ...wanted }: KeyInTpm): Promise<OpenKey> {
  const path = await findTpmModule(module);
  pointLibraryAt(place);
  const key = await Pkcs11Key.open({ ...ONE_SESSION, ...wanted, module: path }).catch((error) => {
    throw withRemedy(error);
  });
  try {
    await checkIsTpm(key, path);
    return key;
  } catch (error) {
    key.close();
    throw error;
  }
}

/** The option may name any PKCS#11 library: what is no TPM's must not pass as one. */
async function checkIsTpm(key: OpenKey, path: string): Promise<void> {
  const { protection } = await key.describe(NEVER_ABORTED);
  if (protection === "tpm") return;
  const message = `${path} does not say that it speaks to a TPM. Use hardproof/pkcs11 with it.`;
  throw new SignerError("misconfigured", message);
}

/** The library says no more than CKR_GENERAL_ERROR, whatever is missing. */
export function withRemedy(error: unknown): unknown {
  if (!(error instanceof SignerError) || error.code !== "unavailable") return error;
  const hint = "For a TPM: is /dev/tpmrm0 there, may this user open it (group tss), and are tcti and store right?";
  return new SignerError("unavailable", `${error.message} ${hint}`, { cause: error.cause });
}
