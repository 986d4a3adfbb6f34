/** A client whose clock is wrong, at a server that checks the time of proofs, and at one that offers nonces instead. */
import { DPoPProver, dpopFetch } from "hardproof";
import { recordedFetch } from "../recorded-fetch.js";
import { check } from "../scenario.js";
import { responseLine } from "../seen.js";
import { withClock } from "../wrong-clock.js";
import { userinfoOf } from "./resource-scenarios.js";
import { type OidcProvider, oidcProvider } from "./server.js";
import { byKey, logIn, refusedWith, type Setting } from "./setting.js";

/** Runs the scenarios. */
export async function clockScenarios(setting: Setting): Promise<void> {
  const options = { userinfo: true, clients: [setting.registration] };
  await using withoutNonces = await oidcProvider({ ...options, offerNonces: false });
  await using offering = await oidcProvider({ ...options, requireNonce: false });
  for (const seconds of [540, -540]) {
    await corrected(setting, withoutNonces, { seconds, title: "without nonces" });
    await corrected(setting, offering, { seconds, title: "with optional nonces" });
  }
  await uncorrected(setting, withoutNonces);
}

interface Clock {
  /** By which the client's clock is fast. */
  seconds: number;
  title: string;
}

async function corrected(setting: Setting, server: OidcProvider, { seconds, title }: Clock): Promise<void> {
  const { scenario, signer, clientKey, agent } = setting;
  const clock = `${Math.abs(seconds)} s ${seconds > 0 ? "fast" : "slow"}, ${title}`;
  const seen = recordedFetch();
  const client = await byKey(server, clientKey, { fetch: seen.fetch });
  const { token } = await logIn(client, agent);
  const statuses = () => `statuses ${seen.statuses()}`;
  const { post } = server.clients;
  // A prover remembers a corrected clock, so each scenario has a new one.
  const dpopProver = () => DPoPProver.create(signer);

  await scenario("wrong clock", `${clock}: a token by private_key_jwt`, async () => {
    const request = { ...agent, dpopProver: await dpopProver() };
    statuses();
    await withClock(seconds, () => client.clientCredentials(request));
    return statuses();
  });
  await scenario("wrong clock", `${clock}: a token by a secret`, async () => {
    const bySecret = await byKey(server, clientKey, { clientAuth: "client_secret_post", fetch: seen.fetch });
    const request = { ...post, dpopProver: await dpopProver() };
    statuses();
    await withClock(seconds, () => bySecret.clientCredentials(request));
    return statuses();
  });
  await scenario("wrong clock", `${clock}: a login`, async () => {
    const request = { ...agent, dpopProver: await dpopProver() };
    statuses();
    await withClock(seconds, () => logIn(client, request, { pushed: true }));
    return statuses();
  });
  await scenario("wrong clock", `${clock}: userinfo`, async () => {
    const call = dpopFetch({ prover: await dpopProver(), token, fetch: seen.fetch });
    statuses();
    const response = await withClock(seconds, () => call(userinfoOf(client)));
    check(response.ok, await responseLine(response));
    return statuses();
  });
}

/** What the server accepts, which shows only without our correction. */
async function uncorrected({ scenario, signer }: Setting, server: OidcProvider): Promise<void> {
  const client = await byKey(server, signer, { clientAuth: "client_secret_post" });
  const dpopProver = await DPoPProver.create(signer, { maxClockSkew: 0 });
  const requestBy = (seconds: number) =>
    withClock(seconds, () => client.clientCredentials({ ...server.clients.post, dpopProver }));
  await scenario("wrong clock", "250 s fast or slow, without a correction: is accepted", async () => {
    await requestBy(250);
    await requestBy(-250);
    return "two tokens";
  });
  for (const seconds of [350, -350])
    await scenario("refusals", `a proof by a clock that is wrong by ${seconds} s`, () =>
      refusedWith("invalid_dpop_proof", () => requestBy(seconds)),
    );
}
