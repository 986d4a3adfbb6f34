/** The interface of all throw-away tokens, and the creation of a token with `pkcs11-tool` and any PKCS#11 library. */
import { randomBytes } from "node:crypto";
import { run } from "./command.js";

/** Options of every throw-away token. */
export interface TokenOptions {
  /** The token's label, at most 32 bytes. */
  label: string;
  /** The user PIN, at least 4 bytes. Default: a random PIN. */
  pin?: string | undefined;
  /** Receives one line before packages are installed. Default: standard error. */
  log?: ((line: string) => void) | undefined;
}

/** A key type, as `pkcs11-tool --key-type` expects it. */
export type KeyType =
  | "EC:prime256v1"
  | "EC:secp384r1"
  | "EC:secp521r1"
  | "EC:secp256k1"
  | "EC:edwards25519"
  | `rsa:${1024 | 2048 | 3072 | 4096}`;

/** A key pair to generate on the token. Both keys have the same label and ID. */
export interface KeyPair {
  /** `CKA_LABEL`. */
  label: string;
  /** `CKA_ID` in hexadecimal. */
  id: string;
  type: KeyType;
  /** `CKA_ALLOWED_MECHANISMS` of the private key, as `pkcs11-tool` names them. Default: those that sign, on SoftHSM. */
  mechanisms?: string;
  /** `CKA_EXTRACTABLE` of the private key. Default: false. */
  extractable?: boolean;
  /** `CKA_ALWAYS_AUTHENTICATE` of the private key. Default: false. */
  alwaysAuthenticate?: boolean;
  /** Whether the token stores the public key too. Default: true. */
  publicObject?: boolean;
}

/** Selects an object. `label` is needed only if several objects have the same ID. */
export interface StoredObject {
  type: "pubkey" | "privkey";
  id: string;
  label?: string;
}

/** A throw-away token in a temporary directory. */
export interface Token extends AsyncDisposable {
  /** Path of the PKCS#11 library. */
  readonly module: string;
  /** The token's label. */
  readonly token: string;
  /** The token's serial number, as the library reports it. */
  readonly serial: string;
  /** The user PIN. */
  readonly pin: string;
  /** The key pair that every new token has. `id` is `CKA_ID` in hexadecimal. */
  readonly key: { readonly label: string; readonly id: string };
  /** NSS only: the parameters that `C_Initialize` takes in `pReserved`. */
  readonly libraryParameters?: string;
  /** The environment variables that another process needs to use this token. */
  readonly env: Readonly<Record<string, string>>;
  /** The directory of the token's files. */
  readonly directory: string;
  /** Generates one more key pair on the token. */
  generateKey(pair: KeyPair): Promise<void>;
  /** Deletes the first matching object. */
  deleteObject(object: StoredObject): Promise<void>;
  /**
   * Stops the processes that serve the token, and removes its directory. Close everything that uses the library first.
   */
  close(): Promise<void>;
}

/** The key pair of every new token. */
export const INITIAL_KEY = { label: "dpop", id: "01" };

interface Library {
  /** Path of `pkcs11-tool`. */
  readonly tool: string;
  readonly module: string;
  readonly env: Readonly<Record<string, string>>;
  /** Whether keys are restricted to the mechanisms that sign. Not every library supports that. */
  readonly restrictsMechanisms?: boolean;
}

/** Creates a token in the library's first slot, with a PIN and a key pair. */
export async function createToken(
  { tool, module, env, restrictsMechanisms = false }: Library,
  { label, pin = randomPin() }: TokenOptions,
) {
  const soPin = randomPin();
  // PINs are passed in the environment: any user can read command lines, where `softhsm2-util` expects them.
  const pins = { HARDPROOF_PIN: pin, HARDPROOF_SO_PIN: soPin };
  const pkcs11Tool = (...args: string[]) => run(tool, ["--module", module, ...args], { ...env, ...pins });
  const onToken = ["--token-label", label];
  const officer = ["--so-pin", "env:HARDPROOF_SO_PIN"];
  const user = ["--pin", "env:HARDPROOF_PIN"];
  const asUser = (...args: string[]) => pkcs11Tool(...onToken, "--login", ...user, ...args);

  const deleteObject = async ({ type, id, label }: StoredObject) => {
    await asUser("--delete-object", "--type", type, "--id", id, ...(label === undefined ? [] : ["--label", label]));
  };
  const generateKey = async (pair: KeyPair) => {
    await asUser("--keypairgen", ...keyArguments(pair, restrictsMechanisms));
    if (pair.publicObject === false) await deleteObject({ type: "pubkey", id: pair.id, label: pair.label });
  };

  await pkcs11Tool("--slot-index", "0", "--init-token", "--label", label, ...officer);
  await pkcs11Tool(...onToken, "--login", "--login-type", "so", ...officer, "--init-pin", ...user);
  await generateKey({ ...INITIAL_KEY, type: "EC:prime256v1" });
  const serial = /serial num\s*:\s*(\S+)/.exec(await pkcs11Tool("--list-token-slots"))?.[1];
  if (!serial)
    throw new Error("The output of pkcs11-tool --list-token-slots doesn't contain the new token's serial number.");
  return { module, token: label, serial, pin, soPin, key: INITIAL_KEY, env, generateKey, deleteObject };
}

function keyArguments(pair: KeyPair, restrictsMechanisms: boolean): string[] {
  const { label, id, type, extractable = false, alwaysAuthenticate = false } = pair;
  const required = ["--label", label, "--id", id, "--key-type", type, "--usage-sign", "--sensitive"];
  const { mechanisms = restrictsMechanisms ? signingMechanisms(type) : undefined } = pair;
  const signOnly = mechanisms === undefined ? [] : ["--allowed-mechanisms", mechanisms];
  const optional = [...(extractable ? ["--extractable"] : []), ...(alwaysAuthenticate ? ["--always-auth"] : [])];
  return [...required, ...signOnly, ...optional];
}

function signingMechanisms(type: KeyType): string {
  if (type.startsWith("rsa")) return "RSA-PKCS,RSA-PKCS-PSS";
  return type === "EC:edwards25519" ? "EDDSA" : "ECDSA";
}

/** Returns a random PIN of 24 hexadecimal digits. */
export function randomPin(): string {
  return randomBytes(12).toString("hex");
}
