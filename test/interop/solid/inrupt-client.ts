/** Inrupt's client for Solid beside Hardproof's: with a key of its own in software, and with a key on a SoftHSM token. */
import type { webcrypto } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { dpopFetch, type Token, tokenSource } from "hardproof";
import { restoreSubtleCrypto, toCryptoKeyPair } from "hardproof/webcrypto";
import { installFromNpm } from "../cache.js";
import { check, type Scenario } from "../scenario.js";
import { reasonOf, responseLine } from "../seen.js";
import { type SolidSetting, withSolid } from "./setting.js";
import { logIn } from "./user.js";

/** The version that is installed. */
export const INRUPT_VERSION = "5.0.0";

/** Installs the client, and returns the directory that contains `node_modules`. */
export async function installInrupt(): Promise<string> {
  return installFromNpm("solid-client", [`@inrupt/solid-client-authn-node@${INRUPT_VERSION}`]);
}

/** A key as the client takes it. */
interface InruptKey {
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: object;
}

/** The members of the client that the scenarios use. */
interface InruptClient {
  readonly Session: {
    new (): InruptSession;
    fromTokens(tokens: object): Promise<InruptSession>;
  };
}

interface InruptSession {
  readonly info: { isLoggedIn: boolean; webId?: string };
  readonly fetch: typeof fetch;
  login(options: object): Promise<void>;
  handleIncomingRedirect(url: string): Promise<unknown>;
  logout(): Promise<void>;
}

/** The members of its core, from which it makes the `fetch` of a session. */
interface InruptCore {
  buildAuthenticatedFetch(accessToken: string, options: { dpopKey: InruptKey }): typeof fetch;
}

/** Runs the scenarios. */
export async function inruptScenarios(scenario: Scenario): Promise<void> {
  const directory = join(await installInrupt(), "node_modules/@inrupt");
  const load = (name: string) => import(pathToFileURL(join(directory, name, "dist/index.mjs")).href);
  const client: InruptClient = await load("solid-client-authn-node");
  const core: InruptCore = await load("solid-client-authn-core");
  await withSolid(scenario, async (setting) => {
    await ownKey(setting, client);
    try {
      await hardwareKey(setting, client, core);
    } finally {
      restoreSubtleCrypto();
    }
  });
}

const put = { method: "PUT", headers: { "content-type": "text/plain" }, body: "Written by one client." };

/** The user's `fetch` by Hardproof. */
function hardproofFetch({ client, agent }: SolidSetting): typeof fetch {
  const { dpopProver: prover, ...grant } = agent;
  return dpopFetch({ prover, token: tokenSource({ client, prover, grantType: "client_credentials", ...grant }) });
}

async function ownKey(setting: SolidSetting, { Session }: InruptClient): Promise<void> {
  const { scenario, server, agent } = setting;
  const session = new Session();
  await scenario("client credentials", "logs in with a key of its own, in software", async () => {
    const { clientId, clientSecret } = agent;
    await session.login({ oidcIssuer: server.issuer, clientId, clientSecret, tokenType: "DPoP" });
    check(session.info.webId === server.user.webId, `the session is of ${session.info.webId}`);
    return "a session of the user";
  });
  await scenario("protected resource", "reads what Hardproof wrote, and the reverse", async () => {
    const call = hardproofFetch(setting);
    const [mine, theirs] = [`${server.user.pod}by-hardproof.txt`, `${server.user.pod}by-inrupt.txt`];
    const statuses = [
      await call(mine, put),
      await session.fetch(mine),
      await session.fetch(theirs, put),
      await call(theirs),
    ].map(({ status }) => status);
    check(statuses.join() === "201,200,201,200", `statuses ${statuses}`);
    return statuses.join(", ");
  });
  await session.logout();
  await scenario(
    "authorization code, PKCE",
    "logs in with a key of its own, in software, and reads as well",
    async () => {
      const user = new Session();
      const redirectUrl = "http://localhost/callback";
      const url = await new Promise<string>((handleRedirect, reject) => {
        user.login({ oidcIssuer: server.issuer, redirectUrl, handleRedirect, tokenType: "DPoP" }).catch(reject);
      });
      await user.handleIncomingRedirect(await logIn(url, redirectUrl, server));
      const { status } = await user.fetch(`${server.user.pod}by-hardproof.txt`);
      await user.logout();
      check(status === 200, `the pod responds with ${status}`);
      return "a session of the user, the pod 200";
    },
  );
}

async function hardwareKey(setting: SolidSetting, { Session }: InruptClient, core: InruptCore): Promise<void> {
  const { scenario, server, client, agent } = setting;
  const url = `${server.user.pod}by-hardproof.txt`;
  const { privateKey } = await toCryptoKeyPair(agent.dpopProver.signer);
  const dpopKey = { privateKey, publicKey: { ...agent.dpopProver.publicJwk, alg: "ES256" } };
  const token: Token = await client.clientCredentials(agent);
  await scenario(
    "200 calls at once",
    "its core's fetch signs by a key on the token, with Hardproof's token",
    async () => {
      const call = core.buildAuthenticatedFetch(token.accessToken, { dpopKey });
      const responses = await Promise.all(Array.from({ length: 200 }, () => call(url)));
      const failed = responses.find(({ ok }) => !ok);
      check(failed === undefined, failed ? await responseLine(failed) : "");
      return "200 × 200";
    },
  );
  await scenario("refusals", "a session can't have a key on the token, since it stores the private key", async () => {
    const { issuer } = server;
    const tokens = {
      issuer,
      clientId: agent.clientId,
      accessToken: token.accessToken,
      webId: server.user.webId,
      dpopKey,
    };
    return reasonOf(() => Session.fromTokens(tokens));
  });
}
