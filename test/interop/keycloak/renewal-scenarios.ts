/** Tokens that end while they are used, and many calls at once. */
import { DPoPProver, dpopFetch, OAuthClient, tokenSource } from "hardproof";
import type { Setting } from "../keycloak.js";
import { check } from "../scenario.js";
import { REALM } from "./main-realm.js";

const CALLS = 200;

/** Runs the scenarios. */
export async function renewalScenarios({ scenario, server, signer, prover, realm }: Setting): Promise<void> {
  const { issuer, agent, endpoint, userToken } = realm;
  const userinfo = endpoint("userinfo_endpoint");
  const counting = async () => {
    const statuses: number[] = [];
    const counted: typeof fetch = async (url, init) => {
      const response = await fetch(url, init);
      if (init?.method === "POST") statuses.push(response.status);
      return response;
    };
    const clientAuth = { method: "private_key_jwt", signer } as const;
    return { client: await OAuthClient.discover(issuer, { clientAuth, fetch: counted }), statuses };
  };

  await scenario(
    "token that ended",
    "a token that ended is renewed once at the admin API, which sends a bare 401",
    async () => {
      const { client, statuses } = await counting();
      const source = tokenSource({ client, prover, grantType: "client_credentials", clientId: "agent" });
      const sent: number[] = [];
      const noted: typeof fetch = async (input, init) => {
        const response = await fetch(input, init);
        sent.push(response.status);
        return response;
      };
      const call = dpopFetch({ prover, token: source, renewOn401: true, fetch: noted });
      const url = `${server.origin}/admin/realms/${REALM}/users/count`;
      const first = await call(url);
      check(first.ok, `the admin API responded with ${first.status} to a valid token: ${await first.text()}`);
      await realm.client.revoke({ clientId: "agent", token: (await source.token()).accessToken });
      const users = await (await call(url)).text();
      check(
        sent.join() === "200,401,200" && statuses.join() === "200,200",
        `calls ${sent}, token requests ${statuses}`,
      );
      return `${users} users; calls ${sent.join(", ")}; ${statuses.length} token requests`;
    },
  );

  await scenario(
    "token that ended",
    "a token that ended is refreshed once at userinfo, for all concurrent callers",
    async () => {
      const { client, statuses } = await counting();
      const token = await userToken();
      const source = tokenSource({ client, prover, grantType: "refresh_token", clientId: "agent", token });
      await realm.client.revoke({ clientId: "agent", token: token.accessToken });
      const call = dpopFetch({ prover, token: source });
      const responses = await Promise.all(Array.from({ length: 10 }, () => call(userinfo)));
      const seen = responses.map(({ status }) => status).join();
      check(/^(200,?)+$/.test(seen) && statuses.join() === "200", `userinfo ${seen}; token requests ${statuses}`);
      return `10 calls, ${statuses.length} refresh`;
    },
  );

  await scenario(
    "thief with another key",
    "a source that gets a token of another key uses only its refresh token",
    async () => {
      const { client, statuses } = await counting();
      const token = await userToken({ clientId: "agent", dpopProver: await DPoPProver.generate() });
      const source = tokenSource({ client, prover, grantType: "refresh_token", clientId: "agent", token });
      const response = await dpopFetch({ prover, token: source })(userinfo);
      check(response.ok && statuses.join() === "200", `userinfo ${response.status}, token requests ${statuses}`);
      return `userinfo ${response.status}, ${statuses.length} refresh`;
    },
  );

  await scenario(
    "200 calls at once",
    `${CALLS} calls at once share one token, and each has a proof of its own`,
    async () => {
      const { client, statuses } = await counting();
      const proofs = new Set<string | null>();
      const noted: typeof fetch = (input, init) => {
        proofs.add(new Headers(init?.headers).get("dpop"));
        return fetch(input, init);
      };
      const source = tokenSource({ client, prover, grantType: "client_credentials", clientId: "agent" });
      const call = dpopFetch({ prover, token: source, fetch: noted });
      const url = `${server.origin}/admin/realms/${REALM}/users/count`;
      const started = performance.now();
      const responses = await Promise.all(Array.from({ length: CALLS }, () => call(url)));
      const ok = responses.filter((response) => response.ok).length;
      check(ok === CALLS && proofs.size === CALLS, `${ok} succeeded, with ${proofs.size} proofs`);
      check(statuses.length === 1, `${statuses.length} token requests`);
      return `in ${Math.round(performance.now() - started)} ms, after one token request by ${agent.clientId}`;
    },
  );
}
