/** A PKCS#11 token of whatever library, set up through `pkcs11-tool`: what all throw-away tokens have in common. */
import { randomBytes } from "node:crypto";
import { run } from "./command.js";

export interface TokenOptions {
  /** The token's label, at most 32 bytes. */
  label: string;
  /** At least 4 bytes; random unless given. */
  pin?: string | undefined;
  /** Hears what is installed, if anything is (standard error unless set). */
  log?: ((line: string) => void) | undefined;
}

/** A key pair to be made on the token. Both halves carry the label and the id. */
export interface KeyPair {
  label: string;
  /** `CKA_ID` in hexadecimal. */
  id: string;
  type: "EC:prime256v1" | "EC:secp384r1" | "rsa:2048";
  /** `CKA_EXTRACTABLE` of the private key; false unless set. */
  extractable?: boolean;
  /** `CKA_ALWAYS_AUTHENTICATE` of the private key; false unless set. */
  alwaysAuthenticate?: boolean;
  /** False leaves the private key alone on the token. */
  publicObject?: boolean;
}

/** Names an object; `label` tells apart those of one id. */
export interface StoredObject {
  type: "pubkey" | "privkey";
  id: string;
  label?: string;
}

/** A token in a directory of its own. */
export interface Token extends AsyncDisposable {
  /** Path of the PKCS#11 library. */
  readonly module: string;
  /** The token's label, and its serial number. */
  readonly token: string;
  readonly serial: string;
  readonly pin: string;
  /** The key pair that is on the token from the start; `id` is `CKA_ID` in hexadecimal. */
  readonly key: { readonly label: string; readonly id: string };
  /** For NSS alone: what `C_Initialize` takes in `pReserved`. */
  readonly libraryParameters?: string;
  /** What another process needs to see this token. */
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  generateKey(pair: KeyPair): Promise<void>;
  /** Removes the first object that fits. */
  deleteObject(object: StoredObject): Promise<void>;
  /** Ends what serves the token and removes the directory. Close what has the library open first. */
  close(): Promise<void>;
}

/** The key pair of each new token. */
export const FIRST_KEY = { label: "dpop", id: "01" };

interface Library {
  /** Path of `pkcs11-tool`. */
  readonly tool: string;
  readonly module: string;
  readonly env: Readonly<Record<string, string>>;
  /** The only mechanism that an EC key may be used with, where the library takes such a limit. */
  readonly mechanism?: string;
}

/** Sets up the token in the library's first slot, with a PIN and a key pair. */
export async function makeToken({ tool, module, env, mechanism }: Library, { label, pin = secret() }: TokenOptions) {
  const soPin = secret();
  // PINs travel by environment: any user can read a command line. That is why it is not `softhsm2-util --pin …`.
  const secrets = { HARDPROOF_PIN: pin, HARDPROOF_SO_PIN: soPin };
  const pkcs11Tool = (...args: string[]) => run(tool, ["--module", module, ...args], { ...env, ...secrets });
  const onToken = ["--token-label", label];
  const officer = ["--so-pin", "env:HARDPROOF_SO_PIN"];
  const user = ["--pin", "env:HARDPROOF_PIN"];
  const asUser = (...args: string[]) => pkcs11Tool(...onToken, "--login", ...user, ...args);

  const deleteObject = async ({ type, id, label }: StoredObject) => {
    await asUser("--delete-object", "--type", type, "--id", id, ...(label === undefined ? [] : ["--label", label]));
  };
  const generateKey = async (pair: KeyPair) => {
    await asUser("--keypairgen", ...keyArguments(pair, mechanism));
    if (pair.publicObject === false) await deleteObject({ type: "pubkey", id: pair.id, label: pair.label });
  };

  await pkcs11Tool("--slot-index", "0", "--init-token", "--label", label, ...officer);
  await pkcs11Tool(...onToken, "--login", "--login-type", "so", ...officer, "--init-pin", ...user);
  await generateKey({ ...FIRST_KEY, type: "EC:prime256v1" });
  const serial = /serial num\s*:\s*(\S+)/.exec(await pkcs11Tool("--list-token-slots"))?.[1];
  if (!serial) throw new Error("pkcs11-tool --list-token-slots shows no serial number of the new token.");
  return { module, token: label, serial, pin, soPin, key: FIRST_KEY, env, generateKey, deleteObject };
}

function keyArguments(pair: KeyPair, mechanism: string | undefined): string[] {
  const { label, id, type, extractable = false, alwaysAuthenticate = false } = pair;
  const wanted = ["--label", label, "--id", id, "--key-type", type, "--usage-sign", "--sensitive"];
  const signOnly = mechanism && type.startsWith("EC:") ? ["--allowed-mechanisms", mechanism] : [];
  const more = [...(extractable ? ["--extractable"] : []), ...(alwaysAuthenticate ? ["--always-auth"] : [])];
  return [...wanted, ...signOnly, ...more];
}

export function secret(): string {
  return randomBytes(12).toString("hex");
}
