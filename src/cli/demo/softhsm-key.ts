/** The key of `hardproof demo --softhsm`: on a throw-away SoftHSM token. */
import { openSigner, type Signer } from "../../index.js";
import type { Context } from "../context.js";
import type { Settings } from "./serve.js";

/** A key on a new SoftHSM token, which is deleted when the demo ends. */
export interface SoftHsmKey extends AsyncDisposable {
  /** The variables that another process needs to use the key. */
  readonly settings: Settings;
  open(): Promise<Signer>;
}

/** Makes a SoftHSM token with one key. SoftHSM is installed if that doesn't need a password. */
export async function softHsmKey({ output }: Context): Promise<SoftHsmKey> {
  const { softHsm } = await import("hardproof/softhsm");
  const hsm = await softHsm({ label: "demo", log: (line) => output.note(line) });
  const uri = hsm.uri(hsm.key);
  return {
    settings: { ...hsm.env, HARDPROOF_KEY: uri },
    open: () => openSigner(uri, hsm.access),
    [Symbol.asyncDispose]: () => hsm.close(),
  };
}
