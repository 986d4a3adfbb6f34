/** Keys on a throw-away SoftHSM token: a client's two keys, and somebody else's. */
import { DPoPProver, type Signer } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { disposable } from "./disposable.js";

/** The keys of a run. */
export interface HardwareKeys {
  /** The key that tokens are bound to. */
  readonly prover: DPoPProver;
  /** The key of client assertions. */
  readonly clientKey: Signer;
  /** A key that no token is bound to. */
  readonly thief: DPoPProver;
}

/** Creates a token with this label, and its keys. */
export async function hardwareKeys(label: string): Promise<HardwareKeys & AsyncDisposable> {
  return disposable(async (onStop) => {
    const hsm = await softHsm({ label });
    onStop(() => hsm.close());
    await hsm.addKey({ label: "client", id: "02", algorithm: "ES256" });
    await hsm.addKey({ label: "thief", id: "03", algorithm: "ES256" });
    const open = (key: string) => {
      const signer = new Pkcs11Signer({ module: hsm.module, token: hsm.token, pin: hsm.pin, key });
      onStop(() => signer.close());
      return signer;
    };
    return {
      prover: await DPoPProver.create(open(hsm.key.label)),
      clientKey: open("client"),
      thief: await DPoPProver.create(open("thief")),
    };
  });
}
