/** Proofs with a key in SoftHSM, compared with the same key opened by Node itself through OpenSSL's pkcs11-provider. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { softHsm } from "hardproof/softhsm";
import { noStore } from "../../test/node-keys.js";
import { p11KitServer, pkcs11ProviderPath } from "../../test/tokens/index.js";
import { startContender } from "../contender.js";
import { together } from "../program.js";
import { notMeasured, type Row, rateRow } from "../row.js";
import { type Scale, takeTurns, turnOf } from "../turns.js";
import { keyOn, proofsOn } from "./pkcs11.js";

const CALLERS = 8;
const COMPARISON = {
  work: `SoftHSM default, ${CALLERS}`,
  beside: "keyObjectSigner over Node's own key",
  mark: { atLeast: 1.1 },
};

/** Returns the row of this subject. SoftHSM crashes under pkcs11-provider, so that Node's key goes through p11-kit. */
export async function measure(scale: Scale): Promise<Row[]> {
  const provider = pkcs11ProviderPath();
  if (noStore !== undefined) return [notMeasured(COMPARISON, "×", noStore)];
  if (provider === undefined) return [notMeasured(COMPARISON, "×", "pkcs11-provider isn't installed")];
  await using hsm = await softHsm({ label: "bench" });
  await using kit = await p11KitServer(hsm);
  const key = keyOn(hsm);
  const configuration = join(hsm.directory, "openssl.cnf");
  writeFileSync(configuration, openSslConfiguration(provider, kit.module));
  const env = { ...key.env, ...kit.env, HARDPROOF_PIN: key.pin, OPENSSL_CONF: configuration };
  await using programs = await together({
    hardproof: proofsOn(key),
    keyObject: startContender("key-object", [`pkcs11:token=${key.token};object=${key.key}`], {
      title: "keyObjectSigner",
      env,
    }),
  });
  const seen = await takeTurns(
    { hardproof: turnOf(programs.hardproof, CALLERS), keyObject: turnOf(programs.keyObject, CALLERS) },
    scale({ rounds: 15, milliseconds: 120 }),
  );
  return [rateRow(COMPARISON, seen.hardproof, seen.keyObject)];
}

function openSslConfiguration(provider: string, module: string): string {
  return `nodejs_conf = init
[init]
providers = providers
[providers]
default = default_provider
pkcs11 = pkcs11_provider
[default_provider]
activate = 1
[pkcs11_provider]
module = ${provider}
pkcs11-module-path = ${module}
activate = 1
`;
}
