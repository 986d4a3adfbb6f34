/** A client whose clock is wrong by a minute: with a `Date` header one retry is enough, without it the error says why. */
import { DPoPProver, dpopFetch, OAuthClient, type Token } from "hardproof";
import type { LoopbackServer } from "../../servers/loopback-server.js";
import type { Setting } from "../keycloak.js";
import { check } from "../scenario.js";
import { proxy, withClock } from "./proxy.js";
import { createRealm } from "./realms.js";
import { REDIRECT_URI, registration } from "./registration.js";
import { logIn } from "./user.js";

const clientId = "agent";

/** Runs the scenarios in a realm of their own. */
export async function clockScenarios(setting: Setting): Promise<void> {
  const { server, signer } = setting;
  await createRealm(server, { name: "clocks", clients: [await registration(clientId, signer)] });
  for (const sendDate of [true, false]) {
    const front = await proxy(server.origin, { sendDate });
    try {
      for (const seconds of [60, -60]) await scenariosAt(setting, { front, seconds, sendDate });
    } finally {
      await front.close();
    }
  }
}

interface Clock {
  front: LoopbackServer;
  /** By which the client's clock is fast. */
  seconds: number;
  sendDate: boolean;
}

async function scenariosAt({ scenario, signer }: Setting, { front, seconds, sendDate }: Clock): Promise<void> {
  const client = await OAuthClient.discover(`${front.origin}/realms/clocks`, {
    clientAuth: { method: "private_key_jwt", signer },
  });
  const token = await userToken(client, await DPoPProver.create(signer));
  // A prover remembers a corrected clock, so each request gets a new one.
  const requests: Record<string, (dpopProver: DPoPProver) => Promise<unknown>> = {
    "a token request": (dpopProver) => client.clientCredentials({ clientId, dpopProver }),
    userinfo: (dpopProver) => userInfo(client, dpopProver, token),
    "a refresh": (dpopProver) =>
      client.refresh({
        clientId,
        dpopProver,
        refreshToken: token.refreshToken ?? "",
        idTokenClaims: token.idTokenClaims,
      }),
  };
  const clock = `a clock ${Math.abs(seconds)} s ${seconds > 0 ? "fast" : "slow"}`;
  for (const [name, request] of Object.entries(requests)) {
    const before = front.requests.length;
    const statuses = () =>
      front.requests
        .slice(before)
        .map(({ status }) => status)
        .join(", ");
    const work = async () => withClock(seconds, async () => request(await DPoPProver.create(signer)));
    if (sendDate)
      await scenario(`${name} with ${clock}, and a Date header, succeeds by one retry`, async () => {
        await work();
        check(front.requests.length - before === 2, `statuses ${statuses()}`);
        return `statuses ${statuses()}`;
      });
    else
      await scenario(`${name} with ${clock}, without a Date header, fails and names the clock`, async () => {
        const result = await work().then(
          () => "it succeeded",
          (error: Error) => error.message,
        );
        check(/clock/i.test(result), `${result} (statuses ${statuses()})`);
        return result;
      });
  }
}

async function userToken(client: OAuthClient, dpopProver: DPoPProver): Promise<Token> {
  const agent = { clientId, dpopProver };
  const pending = await client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, scope: "openid" });
  return client.authorizationCode(await logIn(pending.url, REDIRECT_URI), { ...agent, ...pending });
}

async function userInfo({ metadata }: OAuthClient, prover: DPoPProver, token: Token): Promise<void> {
  const response = await dpopFetch({ prover, token })(String(metadata?.userinfo_endpoint));
  const challenge = response.headers.get("www-authenticate");
  check(response.ok, `userinfo responded with ${response.status}, ${challenge}`);
}
