/** Keys on a throw-away SoftHSM token: a client's two keys, and somebody else's. */
import { DPoPProver, type Signer } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "../../softhsm/index.js";

/** The keys of a run, until it disposes of them. */
export interface HardwareKeys extends AsyncDisposable {
  /** The key that tokens are bound to. */
  readonly prover: DPoPProver;
  /** The key of client assertions. */
  readonly clientKey: Signer;
  /** A key that no token is bound to. */
  readonly thief: DPoPProver;
}

/** Creates a token with this label, and its keys. */
export async function hardwareKeys(label: string): Promise<HardwareKeys> {
  const hsm = await softHsm({ label });
  await hsm.generateKey({ label: "client", id: "02", type: "EC:prime256v1" });
  await hsm.generateKey({ label: "thief", id: "03", type: "EC:prime256v1" });
  const onToken = { module: hsm.module, token: hsm.token, pin: hsm.pin };
  const proofKey = new Pkcs11Signer({ ...onToken, key: hsm.key.label });
  const clientKey = new Pkcs11Signer({ ...onToken, key: "client" });
  const thiefKey = new Pkcs11Signer({ ...onToken, key: "thief" });
  return {
    prover: await DPoPProver.create(proofKey),
    clientKey,
    thief: await DPoPProver.create(thiefKey),
    async [Symbol.asyncDispose]() {
      await Promise.all([proofKey, clientKey, thiefKey].map((signer) => signer.close()));
      await hsm.close();
    },
  };
}
