/** How large the headers of a request may be. nginx's default is 8 KiB for one header. */
import { type AlgorithmName, DPoPProver, dpopFetch } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { algorithmNamed } from "hardproof/provider";
import { check } from "../scenario.js";
import { seenResponse } from "../seen.js";
import { type Nginx, nginx } from "./server.js";
import type { Setting } from "./setting.js";

/** Runs the scenarios: RSA by a key on the token, and ML-DSA, which SoftHSM doesn't have, by keys in memory. */
export async function sizeScenarios(setting: Setting): Promise<void> {
  const { hsm, rawLocation } = setting;
  await hsm.addKey({ label: "rsa", id: "02", algorithm: "RS256", modulusLength: 4096 });
  const { module, token, pin } = hsm;
  await using rsa = new Pkcs11Signer({ module, token, key: "rsa", pin, algorithm: "RS512" });
  await using wide = await nginx(["large_client_header_buffers 4 16k;", rawLocation]);

  await fits(setting, "RSA with 4096 bits", await DPoPProver.create(rsa));
  await tooLarge(setting, wide, "a token of 9 kB", setting.prover, "t".repeat(9_000));
  if (!isAvailable("ML-DSA-44")) return;
  await fits(setting, "ML-DSA-44", await proverOf("ML-DSA-44"));
  for (const algorithm of ["ML-DSA-65", "ML-DSA-87"] as const)
    await tooLarge(setting, wide, algorithm, await proverOf(algorithm));
}

/** ML-DSA needs Node 24.7. */
function isAvailable(algorithm: AlgorithmName): boolean {
  try {
    return algorithmNamed(algorithm) !== undefined;
  } catch {
    return false;
  }
}

const proverOf = (algorithm: AlgorithmName) => DPoPProver.create(MemorySigner.generate({ algorithm }));

async function fits({ scenario, front }: Setting, title: string, prover: DPoPProver): Promise<void> {
  await scenario("behind a proxy", `a proof by ${title}`, async () => {
    const response = await send(front, prover, "opaque-token");
    check(response.ok, seenResponse(response));
    return `${await sizeOf(prover)} bytes, ${seenResponse(response)}`;
  });
}

async function tooLarge(
  { scenario, front }: Setting,
  wide: Nginx,
  title: string,
  prover: DPoPProver,
  token = "opaque",
) {
  await scenario("refusals", `${title}, unless large_client_header_buffers is larger`, async () => {
    const [refused, accepted] = [await send(front, prover, token), await send(wide, prover, token)];
    check(refused.status === 400 && accepted.ok, `${seenResponse(refused)}, then ${seenResponse(accepted)}`);
    const words = /<title>(.*)<\/title>/.exec(await refused.text())?.[1];
    return `a proof of ${await sizeOf(prover)} bytes: ${words}; with 16k: ${seenResponse(accepted)}`;
  });
}

const send = ({ origin, fetch }: Nginx, prover: DPoPProver, token: string) =>
  dpopFetch({ prover, token, fetch })(`${origin}/raw/accounts`);

async function sizeOf(prover: DPoPProver): Promise<number> {
  return (await prover.makeProof({ htm: "GET", htu: "https://api.example.com/raw/accounts", accessToken: "t" })).length;
}
