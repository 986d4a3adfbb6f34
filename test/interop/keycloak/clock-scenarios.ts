/** A client whose clock is wrong: with a `Date` header one retry is enough, without it the error says why. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import {
  type ClientAuth,
  DPoPProver,
  dpopFetch,
  type GrantOptions,
  OAuthClient,
  type RejectionTrace,
  type ServerMetadata,
  type Token,
} from "hardproof";
import type { LoopbackServer } from "../../servers/loopback-server.js";
import type { Setting } from "../keycloak.js";
import { check } from "../scenario.js";
import { withClock } from "../wrong-clock.js";
import { proxy, type SendDate } from "./proxy.js";
import { createRealm } from "./realms.js";
import { REDIRECT_URI, registration } from "./registration.js";
import { logIn } from "./user.js";

const REALM = "skewed"; // without the word that an error should contain

/** How a client authenticates: Keycloak rejects a wrong time in the assertion, or else in the proof. */
type Agent = Pick<GrantOptions, "clientId" | "clientSecret"> & { clientAuth?: ClientAuth };

/** A client whose clock is wrong, and a token that it got while the clock was right. */
interface Skewed {
  readonly client: OAuthClient;
  readonly agent: Pick<GrantOptions, "clientId" | "clientSecret"> & { dpopProver: DPoPProver };
  readonly token: Token;
}

/** Requests with a proof. Their assertions are signed by the prover's clock. */
const WITH_PROOF: Readonly<Record<string, (skewed: Skewed) => Promise<unknown>>> = {
  "a token request": ({ client, agent }) => client.clientCredentials(agent),
  userinfo: userInfo,
  "a refresh": ({ client, agent, token: { refreshToken, idTokenClaims } }) =>
    client.refresh({ ...agent, refreshToken: String(refreshToken), idTokenClaims }),
};
/** Other requests in which an assertion has a time. */
const WITH_ASSERTION: typeof WITH_PROOF = {
  "a pushed request": ({ client, agent }) =>
    client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, pushed: true }),
  "device authorization": ({ client, agent }) => client.deviceAuthorization(agent),
  "backchannel authentication": ({ client, agent }) =>
    client.backchannelAuthentication({ ...agent, scope: "openid", loginHint: "alice" }),
  introspection: async ({ client, agent: { clientId }, token }) => {
    const { active } = await client.introspect({ clientId, token: token.accessToken });
    check(active, "the token isn't active");
  },
  "a pushed login with a signed response": async ({ client, agent }) => {
    const pushed = { pushed: true, responseMode: "jwt", scope: "openid" } as const;
    const pending = await client.authorizationUrl({ ...agent, ...pushed, redirectUri: REDIRECT_URI });
    await client.authorizationCode(await logIn(pending.url, REDIRECT_URI), { ...agent, ...pending });
  },
  revocation: ({ client, agent: { clientId } }) => client.revoke({ clientId, token: "unknown" }),
};

/** Runs the scenarios in a realm of their own. */
export async function clockScenarios(setting: Setting): Promise<void> {
  const { server, signer } = setting;
  const secret = { clientAuthenticatorType: "client-secret", secret: "correct-horse" };
  const clients = [await registration("agent", signer), { ...(await registration("secret-agent", signer)), ...secret }];
  await createRealm(server, { name: REALM, clients });
  const agent: Agent = { clientId: "agent", clientAuth: { method: "private_key_jwt", signer } };
  const secretAgent: Agent = { clientId: "secret-agent", clientSecret: secret.secret };
  await behind("always", async (front) => {
    for (const of of [agent, secretAgent])
      for (const seconds of [60, -60]) await correctedScenarios(setting, of, { front, seconds });
    for (const seconds of [25, -26, 300, -300]) await allScenario(setting, agent, { front, seconds });
    await boundaryScenario(setting, agent, { front, seconds: -25 });
    for (const seconds of [3600, -3600]) await largeScenario(setting, agent, { front, seconds });
  });
  await behind("on errors", async (front) => {
    for (const seconds of [60, -60])
      await allScenario(setting, agent, { front, seconds }, ", with a Date on errors only");
  });
  await behind("never", async (front) => {
    for (const of of [agent, secretAgent])
      for (const seconds of [60, -60]) await namedScenarios(setting, of, { front, seconds });
  });

  async function behind(sendDate: SendDate, work: (front: LoopbackServer) => Promise<void>): Promise<void> {
    const front = await proxy(server.origin, sendDate);
    await work(front).finally(() => front.close());
  }
}

interface Clock {
  front: LoopbackServer;
  /** By which the client's clock is fast. */
  seconds: number;
}

async function correctedScenarios({ scenario, signer }: Setting, agent: Agent, clock: Clock): Promise<void> {
  const attempt = await attempts(agent, clock, () => DPoPProver.create(signer));
  for (const [name, request] of Object.entries(WITH_PROOF))
    await scenario(
      "wrong clock",
      `${nameOf(agent, clock)}, with a Date header: ${name} succeeds by one retry`,
      async () => {
        const statuses = await attempt(request);
        check(statuses.length === 2, `statuses ${statuses}`);
        return `statuses ${statuses.join(", ")}`;
      },
    );
}

/** Every request, where the difference may be accepted, or be rejected once. */
async function allScenario({ scenario, signer }: Setting, agent: Agent, clock: Clock, when = ""): Promise<void> {
  const attempt = await attempts(agent, clock, () => DPoPProver.create(signer));
  const requests = Object.entries({ ...WITH_PROOF, ...WITH_ASSERTION });
  await scenario(
    "wrong clock",
    `${nameOf(agent, clock)}${when}: every request succeeds by one retry at most`,
    async () => {
      const seen: string[] = [];
      for (const [name, request] of requests) {
        const statuses = await attempt(request).catch((error: Error) => {
          throw new Error(`${name}: ${error.message}`);
        });
        const rejected = statuses.filter((status) => status >= 400);
        check(rejected.length <= 1, `${name} has statuses ${statuses}`);
        seen.push(`${name} ${statuses.join(" ")}`);
      }
      return seen.join(", ");
    },
  );
}

/** Keycloak 26.7 fails with status 500 if a proof is exactly as old as it may be, and rejects one that is older. */
async function boundaryScenario({ scenario, signer }: Setting, agent: Agent, clock: Clock): Promise<void> {
  await scenario(
    "wrong clock",
    `${nameOf(agent, clock)}: one retry, or the difference in the error of Keycloak's status 500`,
    async () => {
      const attempt = await attempts(agent, clock, () => DPoPProver.create(signer));
      const request = attempt(({ client, agent }) => client.clientCredentials(agent));
      const seen = await request.catch((error) => messageOf(Promise.reject(error)));
      const isRetried = typeof seen !== "string" && seen.length === 2;
      check(
        isRetried || /status 500.*differs from that of the proof by 2[456] seconds/.test(String(seen)),
        String(seen),
      );
      return String(seen);
    },
  );
}

/** A difference that is larger than the limit, and a limit that is larger than the difference. */
async function largeScenario({ scenario, signer }: Setting, agent: Agent, clock: Clock): Promise<void> {
  await scenario(
    "wrong clock",
    `${nameOf(agent, clock)}: the error names the difference, and maxClockSkew accepts it`,
    async () => {
      const attempt = await attempts(agent, clock, () => DPoPProver.create(signer));
      const tolerant = await attempts(agent, clock, () => DPoPProver.create(signer, { maxClockSkew: 7200 }));
      for (const request of Object.values(WITH_PROOF)) {
        const statuses = await tolerant(request);
        check(statuses.length === 2, `statuses ${statuses}`);
      }
      const message = await messageOf(attempt(WITH_PROOF["a token request"] ?? userInfo));
      check(/differs from that of the \w+ by (3599|360[01]) seconds/.test(message), message);
      return message;
    },
  );
}

async function namedScenarios({ scenario, signer }: Setting, agent: Agent, clock: Clock): Promise<void> {
  const attempt = await attempts(agent, clock, () => DPoPProver.create(signer));
  const { userinfo = userInfo, ...others } = agent.clientAuth ? { ...WITH_PROOF, ...WITH_ASSERTION } : WITH_PROOF;
  for (const [name, request] of Object.entries(others))
    await scenario(
      "wrong clock",
      `${nameOf(agent, clock)}, without a Date header: the error of ${name} names the clock`,
      async () => {
        const message = await messageOf(attempt(request));
        check(/the clock of this machine/.test(message), message);
        return message;
      },
    );
  await scenario(
    "wrong clock",
    `${nameOf(agent, clock)}, without a Date header: the channel names the clock at userinfo`,
    async () => {
      const hints: unknown[] = [];
      const listen = (message: unknown) => hints.push((message as RejectionTrace).hint);
      subscribe("hardproof.rejection", listen);
      await messageOf(attempt(userinfo)).finally(() => unsubscribe("hardproof.rejection", listen));
      check(hints.length === 1 && /the clock of this machine/.test(String(hints[0])), `hints ${hints}`);
      return String(hints[0]).replace(ADVICE, "");
    },
  );
}

/** Requests for the server's keys, and of the user's device and browser. */
const OTHERS = /\/(certs$|ciba\/auth\/callback$|openid-connect\/auth\?|login-actions\/)/;

/** Sends a request by a wrong clock, and returns the statuses of its responses. */
type Attempt = (request: (skewed: Skewed) => Promise<unknown>) => Promise<number[]>;

async function attempts(
  { clientAuth, ...credentials }: Agent,
  { front, seconds }: Clock,
  newProver: () => Promise<DPoPProver>,
): Promise<Attempt> {
  const issuer = `${front.origin}/realms/${REALM}`;
  const discovered = await OAuthClient.discover(issuer, { clientAuth });
  const agent = { ...credentials, dpopProver: await newProver() };
  const metadata = discovered.metadata as ServerMetadata;
  const token = await userToken(discovered, agent);
  return async (request) => {
    // A prover and a client remember a corrected clock, so each request gets new ones.
    const client = new OAuthClient({ baseUrl: issuer, metadata, clientAuth });
    const before = front.requests.length;
    await withClock(seconds, async () =>
      request({ client, agent: { ...agent, dpopProver: await newProver() }, token }),
    );
    const requests = front.requests.slice(before).filter(({ url }) => !OTHERS.test(url));
    return requests.map(({ status }) => status);
  };
}

async function userToken(client: OAuthClient, agent: GrantOptions & { dpopProver: DPoPProver }): Promise<Token> {
  const pending = await client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, scope: "openid" });
  return client.authorizationCode(await logIn(pending.url, REDIRECT_URI), { ...agent, ...pending });
}

async function userInfo({ client, agent, token }: Skewed): Promise<void> {
  const response = await dpopFetch({ prover: agent.dpopProver, token })(String(client.metadata?.userinfo_endpoint));
  const challenge = response.headers.get("www-authenticate");
  check(response.ok, `userinfo responded with ${response.status}, ${challenge}`);
}

/** Returns the message of an error, without its URL and its last sentences, which are always the same. */
function messageOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "it succeeded",
    ({ message }: Error) => message.replace(/^http\S+ responded with /, "").replace(ADVICE, ""),
  );
}

const ADVICE = / Check the clock .*/;

function nameOf({ clientId }: Agent, { seconds }: Clock): string {
  return `${clientId}, a clock ${Math.abs(seconds)} s ${seconds > 0 ? "fast" : "slow"}`;
}
