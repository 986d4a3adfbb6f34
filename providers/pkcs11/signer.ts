/** A signer whose key is on a PKCS#11 token: an HSM, a smart card, a security key, SoftHSM. */
import { SignerError } from "../../src/errors.js";
import { KeySigner, type KeySignerOptions, type PublicJwk } from "../../src/signer.js";
import { idBytes, type KeySelector } from "./keys.js";
import { Pkcs11Key } from "./open-key.js";
import type { PinSource } from "./pin.js";
import type { TokenSelector } from "./token.js";
import { formatPkcs11Uri } from "./uri.js";

export interface Pkcs11SignerOptions extends KeySignerOptions {
  /** Path of the vendor's PKCS#11 library. */
  module: string;
  /** The token, by its label, or by label, serial and slot id. */
  token: string | TokenSelector;
  /** The private key, by its label, or by label and id. */
  key: string | KeySelector;
  /** The user PIN, or where to read it. Left out for a token that needs none, or has a PIN pad. */
  pin?: PinSource | undefined;
  /** Tries the PIN even if the token says that one more failure locks it. */
  forceLogin?: boolean | undefined;
  /** The public half, for a token that does not keep it. Each signature is verified with it. */
  publicJwk?: PublicJwk | undefined;
  /** How many sessions at most. Default 4, or what the token can do if that is less. */
  sessions?: number | undefined;
  /** How many signatures may wait for a session; more are refused with `throttled`. Default 10,000. */
  maxWaiting?: number | undefined;
  /** For NSS: what `C_Initialize` takes in `pReserved`. */
  libraryParameters?: string | undefined;
}

const MOST_WAITING = 10_000;

/**
 * ES256 by `CKM_ECDSA` over the SHA-256 digest, off the event loop.
 *
 * @example
 * ```ts
 * const signer = new Pkcs11Signer({
 *   module: "/usr/lib/softhsm/libsofthsm2.so", token: "agents", key: "dpop", pin: { env: "HSM_PIN" },
 * });
 * ```
 */
export class Pkcs11Signer extends KeySigner {
  /** @throws {SignerError} code `misconfigured` if an option can't be right */
  constructor(options: Pkcs11SignerOptions) {
    const token = typeof options.token === "string" ? { label: options.token } : options.token;
    const key = typeof options.key === "string" ? { label: options.key } : options.key;
    checkSelectors(options.module, token, key, options.sessions);
    const wanted = {
      module: options.module,
      libraryParameters: options.libraryParameters,
      token,
      key,
      publicJwk: options.publicJwk,
      login: { pin: options.pin, force: options.forceLogin },
      sessions: options.sessions,
      maxWaiting: options.maxWaiting ?? MOST_WAITING,
    };
    super(
      { provider: "pkcs11", uri: formatPkcs11Uri(options.module, token, key), open: () => Pkcs11Key.open(wanted) },
      options,
    );
  }
}

function checkSelectors(module: string, token: TokenSelector, key: KeySelector, sessions: number | undefined): void {
  const refuse = (message: string) => {
    throw new SignerError("misconfigured", message);
  };
  if (!module) refuse("module must be the path of a PKCS#11 library.");
  if (!token || !(token.label || token.serial || token.slot !== undefined))
    refuse("token must be a label, or { label, serial, slot } with at least one of them.");
  if (!key || !(key.label || key.id)) refuse("key must be a label, or { label, id } with at least one of them.");
  if (key.id !== undefined) idBytes(key.id);
  if (sessions !== undefined && !(Number.isInteger(sessions) && sessions > 0))
    refuse("sessions must be a whole number above 0.");
}
