/** Sessions of each client: calls, notifications, new nonces, tokens that end, and a stream that is cut. */
import { decodeJwt } from "jose";
import type { Agent } from "../../clients/mcp-agents.js";
import { check } from "../scenario.js";
import { CLIENT_ID, CLIENTS, requestsSince, type Setting, until, withAgent } from "./setting.js";

/** Runs the scenarios. */
export async function sessionScenarios(setting: Setting): Promise<void> {
  for (const [name, connect] of Object.entries(CLIENTS)) {
    const run = (work: (agent: Agent) => Promise<string>) => () => withAgent(setting, connect, work);
    await calls(setting, name, run);
    await changes(setting, name, run);
    await cutStream(setting, name, run);
  }
}

type Run = (work: (agent: Agent) => Promise<string>) => () => Promise<string>;

async function whoAmI(agent: Agent): Promise<void> {
  const name = await agent.call("whoami");
  check(name === CLIENT_ID, `the tool's result is ${name}`);
}

async function announced({ notifications }: Agent, count: number): Promise<void> {
  await until(() => notifications.length >= count, `${notifications.length} of ${count} notifications`);
}

async function calls({ scenario, server }: Setting, name: string, run: Run): Promise<void> {
  await scenario("protected resource", `${name}: calls, a notification, and the end of the session`, async () => {
    const requests = requestsSince(server);
    await run(async (agent) => {
      await whoAmI(agent);
      await agent.call("announce");
      await announced(agent, 1);
      return "";
    })();
    const proofs = requests.since().flatMap(({ headers }) => (headers.dpop ? [decodeJwt(String(headers.dpop))] : []));
    check(new Set(proofs.map(({ jti }) => jti)).size === proofs.length, "a proof was sent twice");
    return requests.statuses();
  });
  await scenario(
    "200 calls at once",
    name,
    run(async (agent) => {
      const names = await Promise.all(Array.from({ length: 200 }, () => agent.call("whoami")));
      check(
        names.every((each) => each === CLIENT_ID),
        `the tool's results are ${new Set(names)}`,
      );
      return "200 results";
    }),
  );
}

async function changes({ scenario, issuer, server }: Setting, name: string, run: Run): Promise<void> {
  await scenario(
    "nonces",
    `${name}: the server's nonce changes in mid-session`,
    run(async (agent) => {
      await whoAmI(agent);
      server.rotateNonce();
      const requests = requestsSince(server);
      await whoAmI(agent);
      check(requests.statuses() === "POST 401, POST 200", requests.statuses());
      return requests.statuses();
    }),
  );
  await scenario(
    "token that ended",
    `${name}: in mid-session, while the nonces of both servers change`,
    run(async (agent) => {
      await whoAmI(agent);
      server.revokeTokens();
      server.rotateNonce();
      await issuer.order("rotateNonces");
      const requests = requestsSince(server);
      await whoAmI(agent);
      return requests.statuses();
    }),
  );
}

async function cutStream({ scenario, server }: Setting, name: string, run: Run): Promise<void> {
  for (const [title, meanwhile] of [
    ["is resumed with the notification that it missed", () => undefined],
    ["is resumed after a new nonce", server.rotateNonce],
    ["is resumed after the token has ended", server.revokeTokens],
  ] as const)
    await scenario(
      "cut stream",
      `${name}: ${title}`,
      run(async (agent) => {
        await agent.call("announce");
        await announced(agent, 1);
        const requests = requestsSince(server);
        server.cutStreams();
        await agent.call("announce");
        meanwhile();
        await announced(agent, 2);
        const resumed = requests.since().filter(({ method }) => method === "GET");
        check(resumed.at(-1)?.headers["last-event-id"] !== undefined, "without Last-Event-ID");
        return requests.statuses();
      }),
    );
}
