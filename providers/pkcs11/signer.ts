/** A signer whose key is on a PKCS#11 token, such as an HSM, a smart card, a security key or SoftHSM. */
import { assertObject } from "../../src/keystore/assert.js";
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import { encodePublicKey } from "../../src/keystore/public-key-input.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { BINDINGS, type BindingName } from "./binding.js";
import { idBytes, type KeySelector } from "./objects.js";
import { Pkcs11Key } from "./open-key.js";
import type { PinSource } from "./pin.js";
import type { TokenSelector } from "./token.js";
import type { KeyOnToken } from "./token-use.js";
import { formatPkcs11Uri } from "./uri.js";

/** A token, and how to load its library and log in. */
export interface Pkcs11TokenOptions {
  /** Path of the vendor's PKCS#11 library, or its name, such as `softhsm2`, which is searched for in the usual directories. */
  module: string;
  /** The token, by its label, or by label, serial, manufacturer, model and slot id. */
  token: string | TokenSelector;
  /** The user PIN, or where to read it. Leave it out for a token that needs no login, or has a PIN pad. */
  pin?: PinSource | undefined;
  /** Tries the PIN even if the token reports that one more wrong PIN locks it. Default: `false`. */
  forceLogin?: boolean | undefined;
  /**
   * Names and paths of the libraries that may be loaded, for an application that takes URIs from elsewhere. Default: those
   * in the environment variable `HARDPROOF_PKCS11_MODULES`, separated as in `PATH`; if it isn't set, any library.
   */
  allowedModules?: readonly string[] | undefined;
  /**
   * For NSS: what `C_Initialize` takes in `pReserved`. Default: the environment variable
   * `HARDPROOF_PKCS11_LIBRARY_PARAMETERS`.
   */
  libraryParameters?: string | undefined;
  /**
   * Environment variables that the library reads when it is initialised, such as `SOFTHSM2_CONF`. They are set in this process
   * while the library is in use, so all signers of a library must agree, or set `isolate`. Default: those of this process.
   */
  environment?: Readonly<Record<string, string>> | undefined;
  /**
   * The package that calls the library: `graphene-pk11` or `koffi`. Default: the environment variable
   * `HARDPROOF_PKCS11_BINDING`, or else the one that is installed; graphene-pk11 if both are.
   */
  binding?: "graphene-pk11" | "koffi" | undefined;
  /**
   * Runs the library in a separate process. A library that hangs or crashes then doesn't affect the application, and the
   * environment can differ from that of other signers. Costs some milliseconds at the start, and some tens of microseconds
   * for each signature. Default: `false`.
   */
  isolate?: boolean | undefined;
}

/** Options of {@link Pkcs11Signer}. */
export interface Pkcs11SignerOptions extends Pkcs11TokenOptions, KeySignerOptions {
  /** The private key, by its label, or by label and id. */
  key: string | KeySelector;
  /** The most sessions to open. Default: 4, or fewer if the token allows fewer. */
  sessions?: number | undefined;
  /**
   * How many signatures may wait for a session. Further ones are rejected with `throttled`, as are those that can't be signed
   * within `timeout`. Default: 10,000.
   */
  maxWaiting?: number | undefined;
}

const DEFAULT_MAX_WAITING = 10_000;

/**
 * Signs with a key on a token, on worker threads, by the mechanism of the algorithm: such as `CKM_ECDSA` for ES256.
 *
 * @example
 * ```ts
 * const signer = new Pkcs11Signer({
 *   module: "/usr/lib/softhsm/libsofthsm2.so", token: "agents", key: "dpop", pin: { env: "HSM_PIN" },
 * });
 * ```
 */
export class Pkcs11Signer extends KeySigner {
  /**
   * Validates the options. Doesn't do any I/O: the key is opened when it is first used.
   *
   * @throws {SignerError} With code `misconfigured` if an option is invalid.
   */
  constructor(options: Pkcs11SignerOptions) {
    const key = checkOptions(options);
    const uri = formatPkcs11Uri(key.module, key.token, key.key, key.algorithm);
    super({ provider: "pkcs11", uri, open: (deadline) => Pkcs11Key.open(key, deadline) }, options);
  }
}

/**
 * Validates the options, and completes them from the environment.
 *
 * @throws {SignerError} With code `misconfigured` if an option is invalid.
 */
export function checkOptions(options: Pkcs11SignerOptions): KeyOnToken {
  assertObject(options, "The options of Pkcs11Signer");
  const { module, allowedModules, pin, forceLogin, publicKey, sessions, maxWaiting = DEFAULT_MAX_WAITING } = options;
  const { libraryParameters = process.env.HARDPROOF_PKCS11_LIBRARY_PARAMETERS || undefined } = options;
  const token = typeof options.token === "string" ? { label: options.token } : options.token;
  const key = typeof options.key === "string" ? { label: options.key } : options.key;
  if (!module) throw misconfigured("module must be the path or the name of a PKCS#11 library.");
  if (!token || !(token.label || token.serial || token.manufacturer || token.model || token.slot !== undefined))
    throw misconfigured("token must be a label, or { label, serial, slot, … } with at least one of them.");
  if (!key || !(key.label || key.id))
    throw misconfigured("key must be a label, or { label, id } with at least one of them.");
  if (key.id !== undefined) idBytes(key.id);
  if (sessions !== undefined && !(Number.isInteger(sessions) && sessions > 0))
    throw misconfigured("sessions must be a positive integer.");
  if (!(maxWaiting >= 0)) throw misconfigured("maxWaiting must be a number that isn't negative.");
  return {
    module,
    allowedModules,
    libraryParameters,
    token,
    key,
    publicKey: publicKey === undefined ? undefined : encodePublicKey(publicKey),
    algorithm: options.algorithm,
    pin,
    forceLogin,
    sessions,
    maxWaiting,
    environment: checkEnvironment(options.environment),
    isolate: options.isolate,
    binding: bindingName(options.binding ?? process.env.HARDPROOF_PKCS11_BINDING),
  };
}

function checkEnvironment(environment: Pkcs11TokenOptions["environment"]) {
  if (environment === undefined) return undefined;
  const values = Object.values(assertObject(environment, "environment"));
  if (values.every((value) => typeof value === "string")) return { ...environment };
  throw misconfigured("environment must have a string for each variable, such as { SOFTHSM2_CONF: path }.");
}

function bindingName(name: string | undefined): BindingName | undefined {
  if (!name) return undefined;
  const supported = BINDINGS.find((binding) => binding === name);
  if (supported) return supported;
  throw misconfigured(`binding must be ${BINDINGS.join(" or ")} (option binding, or HARDPROOF_PKCS11_BINDING).`);
}
