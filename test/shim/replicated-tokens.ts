/** Two SoftHSM tokens in one library, with the same key on both, as on a pair of HSMs. Each token can be taken away. */
import { generateKeyPairSync } from "node:crypto";
import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { Pkcs11Signer, type Pkcs11SignerOptions } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";

/** The label of the key that is on both tokens. The first token also has a key of its own. */
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
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const keys = [{ label: "dpop" }, { label: SHARED_KEY, id: "77", privateKey }];
  const hsm = await softHsm({ label: "site-a", keys });
  const files = join(hsm.directory, "tokens");
  const [first = ""] = readdirSync(files);
  await hsm.addToken({ label: "site-b", pin: hsm.pin, keys: [{ label: SHARED_KEY, id: "77", privateKey }] });
  const second = readdirSync(files).find((name) => name !== first) ?? "";
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
