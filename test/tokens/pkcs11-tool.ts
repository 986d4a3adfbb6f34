/** Creates a token with OpenSC's `pkcs11-tool`, in the library of a software TPM. */
import type { KeyHalf, KeyName } from "hardproof/softhsm";
import { run } from "../../softhsm/command.js";
import { INITIAL_KEY, type KeyToGenerate, randomPin, type TokenOptions } from "./token.js";

interface Library {
  /** Path of `pkcs11-tool`. */
  readonly tool: string;
  readonly module: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Creates a token in the library's first slot, with a PIN and a key pair. */
export async function createToken({ tool, module, env }: Library, { label, pin = randomPin() }: TokenOptions) {
  // PINs are passed in the environment: any user can read command lines.
  const pins = { HARDPROOF_PIN: pin, HARDPROOF_SO_PIN: randomPin() };
  const pkcs11Tool = (...args: string[]) => run(tool, ["--module", module, ...args], { ...env, ...pins });
  const onToken = ["--token-label", label];
  const officer = ["--so-pin", "env:HARDPROOF_SO_PIN"];
  const user = ["--pin", "env:HARDPROOF_PIN"];
  const asUser = (...args: string[]) => pkcs11Tool(...onToken, "--login", ...user, ...args);

  const deleteKey = async ({ label, id }: KeyName, { only }: { readonly only?: KeyHalf } = {}) => {
    const name = [...(label === undefined ? [] : ["--label", label]), ...(id === undefined ? [] : ["--id", id])];
    if (only !== "public") await asUser("--delete-object", "--type", "privkey", ...name);
    if (only !== "private") await asUser("--delete-object", "--type", "pubkey", ...name);
  };
  const addKey = async (key: KeyToGenerate) => {
    await asUser("--keypairgen", ...keyArguments(key));
    if (key.publicObject === false) await deleteKey({ label: key.label, id: key.id }, { only: "public" });
  };

  await pkcs11Tool("--slot-index", "0", "--init-token", "--label", label, ...officer);
  await pkcs11Tool(...onToken, "--login", "--login-type", "so", ...officer, "--init-pin", ...user);
  await addKey(INITIAL_KEY);
  const serial = /serial num\s*:\s*(\S+)/.exec(await pkcs11Tool("--list-token-slots"))?.[1];
  if (!serial)
    throw new Error("The output of pkcs11-tool --list-token-slots doesn't contain the new token's serial number.");
  return { module, token: label, serial, pin, key: INITIAL_KEY, env, addKey, deleteKey };
}

function keyArguments({ label, id = "", algorithm = "ES256", modulusLength = 2048, ...more }: KeyToGenerate): string[] {
  const type =
    algorithm === "ES256" ? "EC:prime256v1" : algorithm === "ES384" ? "EC:secp384r1" : `rsa:${modulusLength}`;
  const required = ["--label", label, "--id", id, "--key-type", type, "--usage-sign", "--sensitive"];
  const optional = [
    ...(more.extractable ? ["--extractable"] : []),
    ...(more.alwaysAuthenticate ? ["--always-auth"] : []),
  ];
  return [...required, ...optional];
}
