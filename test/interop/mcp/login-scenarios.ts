/** A user's login by the SDK's own OAuth, its registration, and what a thief of the tokens can do. */
import { StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import type { DPoPProver } from "hardproof";
import { decodeJwt } from "jose";
import { addPrivateKeyJwt, dpopSession } from "../../../examples/clients/mcp-v2.js";
import { connectV2 } from "../../clients/mcp-agents.js";
import { LoginProvider, type LoginState } from "../../clients/mcp-login.js";
import { check } from "../scenario.js";
import { reasonOf } from "../seen.js";
import { CLIENT_ID, type Setting } from "./setting.js";

const REDIRECT_URI = "http://127.0.0.1/callback";

/** Runs the scenarios. */
export async function loginScenarios(setting: Setting): Promise<void> {
  await logins(setting);
  await restarts(setting);
}

/** Logs in, calls a tool, and returns its result. */
async function logIn({ server }: Setting, authProvider: LoginProvider): Promise<string> {
  const unauthorized = await connectV2(server.url, { authProvider }).catch((error: Error) => error);
  check(unauthorized instanceof UnauthorizedError, `the first connection: ${unauthorized}`);
  const transport = new StreamableHTTPClientTransport(new URL(server.url), { authProvider });
  await transport.finishAuth(authProvider.takeCallback());
  return whoAmI(server.url, authProvider);
}

async function whoAmI(url: string, authProvider: LoginProvider): Promise<string> {
  const agent = await connectV2(url, { authProvider });
  const name = await agent.call("whoami");
  await agent.close();
  return name;
}

function provider(by: DPoPProver, state: LoginState = {}): LoginProvider {
  return new LoginProvider(dpopSession(by), REDIRECT_URI, state);
}

const seen = ({ stored }: LoginProvider, { jkt }: DPoPProver) => {
  const { sub, cnf } = decodeJwt<{ cnf?: { jkt?: string } }>(stored.tokens?.access_token ?? "");
  check(cnf?.jkt === jkt, `the token is bound to ${cnf?.jkt}`);
  return `the token of ${sub} is bound to the key`;
};

async function logins(setting: Setting): Promise<void> {
  const { scenario, issuer, prover, clientKey } = setting;
  await scenario("registration", "SDK 2 registers itself, and logs in", async () => {
    const own = provider(prover);
    const name = await logIn(setting, own);
    check(name === own.stored.client?.client_id, `the client is ${name}`);
    return seen(own, prover);
  });
  await scenario("public client", "SDK 2: a login", async () => {
    const own = provider(prover, { client: { client_id: issuer.clients.public.clientId, issuer: issuer.issuer } });
    await logIn(setting, own);
    return seen(own, prover);
  });
  await scenario("private_key_jwt", "SDK 2: a login", async () => {
    const own = provider(prover, { client: { client_id: CLIENT_ID, issuer: issuer.issuer } });
    const keys = { issuer: issuer.issuer, clientId: CLIENT_ID, signer: clientKey };
    await logIn(setting, Object.assign(own, { addClientAuthentication: addPrivateKeyJwt(keys) }));
    return seen(own, prover);
  });
}

async function restarts(setting: Setting): Promise<void> {
  const { scenario, server, prover, thief } = setting;
  const own = provider(prover);
  await logIn(setting, own);
  server.revokeTokens();
  const { client, tokens } = own.stored;

  await scenario("thief with another key", "SDK 2: can't refresh", async () => {
    const { warn } = console;
    console.warn = () => undefined; // The SDK warns about the refusal.
    try {
      const words = await reasonOf(() => whoAmI(server.url, provider(thief, { client, tokens })));
      check(words === "grant request is invalid", words); // The words of oidc-provider.
      return words;
    } finally {
      console.warn = warn;
    }
  });
  await scenario("refresh, rotation", "SDK 2: after a restart, with the stored token and the key", async () => {
    const restarted = provider(prover, { client, tokens });
    await whoAmI(server.url, restarted);
    check(restarted.stored.tokens?.refresh_token !== tokens?.refresh_token, "the refresh token is the same");
    return seen(restarted, prover);
  });
}
