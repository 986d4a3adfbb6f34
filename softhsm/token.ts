/** A throw-away SoftHSM token with a P-256 key pair that can't leave it, in a directory of its own. */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./command.js";
import { makeDirectory, removeDirectory } from "./directory.js";
import type { SoftHsmParts } from "./find.js";
import { ensureSoftHsm } from "./install.js";

export interface SoftHsmOptions {
  /** The token's label, at most 32 bytes. */
  label: string;
  /** At least 4 bytes; random unless given. */
  pin?: string;
  /** Hears what is installed, if anything is (standard error unless set). */
  log?: (line: string) => void;
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

export interface SoftHsm extends AsyncDisposable {
  /** Path of the PKCS#11 library. */
  readonly module: string;
  /** The token's label, and its serial number. */
  readonly token: string;
  readonly serial: string;
  readonly pin: string;
  readonly soPin: string;
  /** The key pair that is on the token from the start; `id` is `CKA_ID` in hexadecimal. */
  readonly key: { readonly label: string; readonly id: string };
  /** What another process needs to see this token. */
  readonly env: { readonly SOFTHSM2_CONF: string };
  readonly directory: string;
  generateKey(pair: KeyPair): Promise<void>;
  /** Removes the first object that fits; `label` tells apart those of one id. */
  deleteObject(object: { type: "pubkey" | "privkey"; id: string; label?: string }): Promise<void>;
  /** Removes the directory. Close what has the library open first. */
  close(): Promise<void>;
}

/**
 * Makes a token, and points this process at it: the library reads `SOFTHSM2_CONF` at `C_Initialize`. A process has one
 * such variable, so a second token that is open at the same time gets none of it, only its own `env`.
 *
 * @throws SoftHsmUnavailable where no token can be had.
 */
export async function softHsm(options: SoftHsmOptions): Promise<SoftHsm> {
  const parts = await ensureSoftHsm(options);
  const directory = makeDirectory("hardproof-softhsm-");
  const env = { SOFTHSM2_CONF: join(directory, "softhsm2.conf") };
  const restoreEnvironment = pointProcessAt(env.SOFTHSM2_CONF);
  const close = async () => {
    restoreEnvironment();
    removeDirectory(directory);
  };
  try {
    configure(directory, env.SOFTHSM2_CONF);
    return { ...(await makeToken(parts, options, env)), env, directory, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function configure(directory: string, file: string): void {
  const tokens = join(directory, "tokens");
  mkdirSync(tokens);
  const lines = [`directories.tokendir = ${tokens}`, "objectstore.backend = file", "log.level = ERROR"];
  writeFileSync(file, `${lines.join("\n")}\n`);
}

async function makeToken(
  { module, tool }: SoftHsmParts,
  { label, pin = secret() }: SoftHsmOptions,
  env: SoftHsm["env"],
) {
  const soPin = secret();
  // PINs travel by environment: any user can read a command line. That is why it is not `softhsm2-util --pin …`.
  const secrets = { HARDPROOF_PIN: pin, HARDPROOF_SO_PIN: soPin };
  const pkcs11Tool = (...args: string[]) => run(tool, ["--module", module, ...args], { ...env, ...secrets });
  const onToken = ["--token-label", label];
  const officer = ["--so-pin", "env:HARDPROOF_SO_PIN"];
  const user = ["--pin", "env:HARDPROOF_PIN"];
  const asUser = (...args: string[]) => pkcs11Tool(...onToken, "--login", ...user, ...args);

  const deleteObject: SoftHsm["deleteObject"] = async ({ type, id, label }) => {
    await asUser("--delete-object", "--type", type, "--id", id, ...(label === undefined ? [] : ["--label", label]));
  };
  const generateKey: SoftHsm["generateKey"] = async (pair) => {
    await asUser("--keypairgen", ...keyArguments(pair));
    if (pair.publicObject === false) await deleteObject({ type: "pubkey", id: pair.id, label: pair.label });
  };

  await pkcs11Tool("--slot-index", "0", "--init-token", "--label", label, ...officer);
  await pkcs11Tool(...onToken, "--login", "--login-type", "so", ...officer, "--init-pin", ...user);
  const key = { label: "dpop", id: "01" };
  await generateKey({ ...key, type: "EC:prime256v1" });
  const serial = /serial num\s*:\s*(\S+)/.exec(await pkcs11Tool("--list-token-slots"))?.[1];
  if (!serial) throw new Error("pkcs11-tool --list-token-slots shows no serial number of the new token.");
  return { module, token: label, serial, pin, soPin, key, generateKey, deleteObject };
}

function keyArguments({ label, id, type, extractable = false, alwaysAuthenticate = false }: KeyPair): string[] {
  const wanted = ["--label", label, "--id", id, "--key-type", type, "--usage-sign", "--sensitive"];
  // SoftHSM lets a private key decrypt and unwrap unless told not to, which pkcs11-tool can't: allow one mechanism alone.
  const signOnly = type.startsWith("EC:") ? ["--allowed-mechanisms", "ECDSA"] : [];
  const more = [...(extractable ? ["--extractable"] : []), ...(alwaysAuthenticate ? ["--always-auth"] : [])];
  return [...wanted, ...signOnly, ...more];
}

function secret(): string {
  return randomBytes(12).toString("hex");
}

let pointedAt: string | undefined;

/** Sets the process's `SOFTHSM2_CONF` if no open token has it; returns what puts the former value back. */
function pointProcessAt(file: string): () => void {
  if (pointedAt !== undefined) return () => undefined;
  const former = process.env.SOFTHSM2_CONF;
  pointedAt = file;
  process.env.SOFTHSM2_CONF = file;
  return () => {
    if (pointedAt !== file) return;
    pointedAt = undefined;
    if (process.env.SOFTHSM2_CONF !== file) return;
    if (former === undefined) delete process.env.SOFTHSM2_CONF;
    else process.env.SOFTHSM2_CONF = former;
  };
}
