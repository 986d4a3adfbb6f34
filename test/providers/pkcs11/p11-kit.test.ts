/** SoftHSM behind `p11-kit server`: the token belongs to a separate process, which is killed and restarted. */
import { DPoPProver } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type P11KitServer, p11KitServer } from "../../tokens/index.js";
import { codesOf, proofs } from "../many-proofs.js";

const unavailable = inject("unavailable")["p11-kit"];

describe.skipIf(unavailable)(`p11-kit server${unavailable ? ` (skipped. ${unavailable})` : ""}`, () => {
  let hsm: SoftHsm;
  let server: P11KitServer;
  beforeAll(async () => {
    hsm = await softHsm({ label: "served" });
    server = await p11KitServer(hsm);
  });
  afterAll(async () => {
    await server.close();
    await hsm.close();
  });

  const newSigner = () =>
    new Pkcs11Signer({ module: server.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });

  it("signs through p11-kit server, and describes the token behind it", async () => {
    await using signer = newSigner();
    expect(await signer.describe()).toMatchObject({ exportable: false, evidence: { token: { serial: hsm.serial } } });
    expect(codesOf(await proofs(await DPoPProver.create(signer), 200))).toEqual(new Set(["proof"]));
  });

  it("several workers sign through p11-kit server, although each has its own library state", async () => {
    const signers = [newSigner(), newSigner(), newSigner()];
    const pending = signers.map(async (signer) => proofs(await DPoPProver.create(signer), 200));
    for (const results of await Promise.all(pending)) expect(codesOf(results)).toEqual(new Set(["proof"]));
    await Promise.all(signers.map((signer) => signer.close()));
  });

  it("makes proofs or fails with unavailable after p11-kit server is killed, and only makes proofs after its restart", async () => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    const pending = proofs(prover, 200);
    await server.kill();
    expect(["proof", "unavailable"]).toEqual(expect.arrayContaining([...codesOf(await pending)]));
    await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "unavailable", retryable: true });
    await server.restart();
    await expect.poll(() => signer.sign(Buffer.from("x")), { timeout: 20_000 }).toHaveLength(64);
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
  });

  it("makes every proof if p11-kit server is restarted between two of them", async () => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    await server.kill();
    await server.restart();
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
  });
});
