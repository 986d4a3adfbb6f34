/** Two SoftHSM tokens in one library, with the same key on both, as on a pair of HSMs. Each token can be taken away. */
import { generateKeyPairSync } from "node:crypto";
import { readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Pkcs11Signer, type Pkcs11SignerOptions } from "hardproof/pkcs11";
import { run } from "../../softhsm/command.js";
import { SOFTHSM_DEPENDENCIES } from "../../softhsm/dependencies.js";
import { softHsm } from "../../softhsm/index.js";

/** The label of the key that is on both tokens. Each token also has a key of its own. */
export const SHARED_KEY = "shared";

/** One of the two tokens. */
export interface ReplicatedToken {
  readonly label: string;
  /** The URI of the shared key, with `pin-source=env:REPLICA_PIN`. */
  readonly uri: string;
  /** Returns a signer for the shared key, or for the one that the options name. */
  newSigner(options?: Partial<Pkcs11SignerOptions>): Pkcs11Signer;
  /** Renames the token's directory, so that the library can't read its objects. */
  takeAway(): void;
  bringBack(): void;
}

/** Creates the tokens. */
export async function replicatedTokens() {
  const hsm = await softHsm({ label: "site-a" });
  const files = join(hsm.directory, "tokens");
  const [first = ""] = readdirSync(files);
  const tool = SOFTHSM_DEPENDENCIES["pkcs11-tool"].find() ?? "pkcs11-tool";
  const pins = { HARDPROOF_PIN: hsm.pin, HARDPROOF_SO_PIN: hsm.soPin };
  const pkcs11Tool = (...args: string[]) => run(tool, ["--module", hsm.module, ...args], { ...hsm.env, ...pins });
  const onB = ["--token-label", "site-b", "--login"];
  const officer = ["--so-pin", "env:HARDPROOF_SO_PIN"];
  await pkcs11Tool("--slot-index", "1", "--init-token", "--label", "site-b", ...officer);
  await pkcs11Tool(...onB, "--login-type", "so", ...officer, "--init-pin", "--pin", "env:HARDPROOF_PIN");
  const second = readdirSync(files).find((name) => name !== first) ?? "";

  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pair = {
    privkey: privateKey.export({ type: "pkcs8", format: "der" }),
    pubkey: publicKey.export({ type: "spki", format: "der" }),
  };
  for (const [type, der] of Object.entries(pair)) {
    const file = join(hsm.directory, type);
    writeFileSync(file, der);
    const object = ["--write-object", file, "--type", type, "--id", "77", "--label", SHARED_KEY];
    const usage = type === "privkey" ? ["--usage-sign", "--sensitive"] : [];
    for (const label of ["site-a", "site-b"])
      await pkcs11Tool("--token-label", label, "--login", "--pin", "env:HARDPROOF_PIN", ...object, ...usage);
  }
  const token = (label: string, directory: string): ReplicatedToken => ({
    label,
    uri: `pkcs11:token=${label};object=${SHARED_KEY}?module-path=${hsm.module}&pin-source=env:REPLICA_PIN`,
    newSigner: (options = {}) =>
      new Pkcs11Signer({ module: hsm.module, token: label, key: SHARED_KEY, pin: hsm.pin, ...options }),
    takeAway: () => renameSync(join(files, directory), join(hsm.directory, directory)),
    bringBack: () => renameSync(join(hsm.directory, directory), join(files, directory)),
  });
  return { hsm, a: token("site-a", first), b: token("site-b", second) };
}
