/** A client whose clock is wrong. Spring accepts a minute in both directions, and Tomcat sends a `Date`. */
import { DPoPProver, dpopFetch } from "hardproof";
import { check } from "../scenario.js";
import { refusal, seenResponse, seenToken } from "../seen.js";
import { withClock } from "../wrong-clock.js";
import type { Setting } from "./setting.js";

/** Runs the scenarios. */
export async function clockScenarios(setting: Setting): Promise<void> {
  await corrected(setting);
  await accepted(setting);
}

async function corrected({ scenario, server, signer, client, keyClient, basic, byKey }: Setting): Promise<void> {
  const token = await client.clientCredentials(basic);
  for (const seconds of [300, -300]) {
    const clock = `${Math.abs(seconds)} s ${seconds > 0 ? "fast" : "slow"}`;
    // A prover remembers a corrected clock, so each request gets a new one.
    await scenario("wrong clock", `${clock}: a token by a secret`, async () => {
      const dpopProver = await DPoPProver.create(signer);
      return seenToken(await withClock(seconds, () => client.clientCredentials({ ...basic, dpopProver })), dpopProver);
    });
    await scenario("wrong clock", `${clock}: a token by private_key_jwt`, async () => {
      const dpopProver = await DPoPProver.create(signer);
      return seenToken(
        await withClock(seconds, () => keyClient.clientCredentials({ ...byKey, dpopProver })),
        dpopProver,
      );
    });
    await scenario("wrong clock", `${clock}: a call`, async () => {
      const call = dpopFetch({ prover: await DPoPProver.create(signer), token });
      const response = await withClock(seconds, () => call(`${server.origin}/resource/accounts`));
      check(response.ok, seenResponse(response));
      return seenResponse(response);
    });
  }
}

/** The window of proofs, which shows only without our correction. */
async function accepted({ scenario, signer, client, basic }: Setting): Promise<void> {
  const dpopProver = await DPoPProver.create(signer, { maxClockSkew: 0 });
  const requestBy = (seconds: number) => withClock(seconds, () => client.clientCredentials({ ...basic, dpopProver }));
  await scenario("wrong clock", "45 s fast or slow: is accepted", async () => {
    await requestBy(-45);
    return seenToken(await requestBy(45), dpopProver);
  });
  for (const seconds of [75, -75])
    await scenario("refusals", `a proof by a clock that is wrong by ${seconds} s`, () =>
      refusal(requestBy(seconds), "invalid_dpop_proof"),
    );
}
