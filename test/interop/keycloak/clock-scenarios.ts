/** A client whose clock is wrong by a minute: with a `Date` header one retry is enough, without it the error says why. */
import { type ClientAuth, DPoPProver, dpopFetch, type GrantOptions, OAuthClient, type Token } from "hardproof";
import type { LoopbackServer } from "../../servers/loopback-server.js";
import type { Setting } from "../keycloak.js";
import { check } from "../scenario.js";
import { proxy, withClock } from "./proxy.js";
import { createRealm } from "./realms.js";
import { REDIRECT_URI, registration } from "./registration.js";
import { logIn } from "./user.js";

const REALM = "skewed"; // without the word that an error should contain

/** How a client authenticates: Keycloak rejects a wrong time in the assertion, or else in the proof. */
type Agent = Pick<GrantOptions, "clientId" | "clientSecret"> & { clientAuth?: ClientAuth };

/** Runs the scenarios in a realm of their own. */
export async function clockScenarios(setting: Setting): Promise<void> {
  const { server, signer } = setting;
  const secret = { clientAuthenticatorType: "client-secret", secret: "correct-horse" };
  const clients = [await registration("agent", signer), { ...(await registration("secret-agent", signer)), ...secret }];
  await createRealm(server, { name: REALM, clients });
  const agents: Agent[] = [
    { clientId: "agent", clientAuth: { method: "private_key_jwt", signer } },
    { clientId: "secret-agent", clientSecret: secret.secret },
  ];
  for (const sendDate of [true, false]) {
    const front = await proxy(server.origin, { sendDate });
    try {
      for (const agent of agents)
        for (const seconds of [60, -60]) await scenariosAt(setting, agent, { front, seconds, sendDate });
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

async function scenariosAt({ scenario, signer }: Setting, agent: Agent, { front, seconds, sendDate }: Clock) {
  const { clientAuth, ...credentials } = agent;
  const client = await OAuthClient.discover(`${front.origin}/realms/${REALM}`, { clientAuth });
  const token = await userToken(client, { ...credentials, dpopProver: await DPoPProver.create(signer) });
  // A prover remembers a corrected clock, so each request gets a new one.
  const requests: Record<string, (dpopProver: DPoPProver) => Promise<unknown>> = {
    "a token request": (dpopProver) => client.clientCredentials({ ...credentials, dpopProver }),
    userinfo: (dpopProver) => userInfo(client, dpopProver, token),
    "a refresh": (dpopProver) =>
      client.refresh({
        ...credentials,
        dpopProver,
        refreshToken: token.refreshToken ?? "",
        idTokenClaims: token.idTokenClaims,
      }),
  };
  const clock = `${agent.clientId}, a clock ${Math.abs(seconds)} s ${seconds > 0 ? "fast" : "slow"}`;
  for (const [name, request] of Object.entries(requests)) {
    const before = front.requests.length;
    const statuses = () =>
      front.requests
        .slice(before)
        .map(({ status }) => status)
        .join(", ");
    const work = async () => withClock(seconds, async () => request(await DPoPProver.create(signer)));
    if (sendDate)
      await scenario(`${clock}, with a Date header: ${name} succeeds by one retry`, async () => {
        await work();
        check(front.requests.length - before === 2, `statuses ${statuses()}`);
        return `statuses ${statuses()}`;
      });
    else if (name !== "userinfo")
      // whose response is the caller's, and not an error
      await scenario(`${clock}, without a Date header: the error of ${name} names the clock`, async () => {
        const result = await work().then(
          () => "it succeeded",
          (error: Error) => error.message,
        );
        check(/clock/i.test(result), `${result} (statuses ${statuses()})`);
        return result;
      });
  }
}

async function userToken(client: OAuthClient, agent: GrantOptions & { dpopProver: DPoPProver }): Promise<Token> {
  const pending = await client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, scope: "openid" });
  return client.authorizationCode(await logIn(pending.url, REDIRECT_URI), { ...agent, ...pending });
}

async function userInfo({ metadata }: OAuthClient, prover: DPoPProver, token: Token): Promise<void> {
  const response = await dpopFetch({ prover, token })(String(metadata?.userinfo_endpoint));
  const challenge = response.headers.get("www-authenticate");
  check(response.ok, `userinfo responded with ${response.status}, ${challenge}`);
}
