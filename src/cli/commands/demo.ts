/** `hardproof demo`: a token that is bound to a key, a call with it, and a thief who has the token but not the key. */
import type { Command } from "commander";
import { DPoPProver, dpopFetch, OAuthClient, openSigner, type Token } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { demoAuthorizationServer } from "../demo/authorization-server.js";
import { demoResourceServer } from "../demo/resource-server.js";
import { EXIT } from "../exit-codes.js";

const AUDIENCE = "urn:hardproof:demo";

export function demo(context: Context): Command {
  const { world, output } = context;
  return newCommand("demo", "the main job against servers of its own, on this machine alone")
    .argument("[uri]", "the key; or HARDPROOF_KEY; else a fresh one in memory")
    .action(async (given: string | undefined) => {
      await using signer = await openSigner(given ?? world.env.HARDPROOF_KEY ?? "memory:");
      const prover = await DPoPProver.create(signer, { signal: world.signal });
      const { token, called, stolen } = await mainJob(prover, world.signal);
      const { uri, protection, exportable, evidence } = await signer.describe({ signal: world.signal });
      const bound = token.cnfJkt === prover.jkt;
      const key = { uri, protection, exportable, evidence, jkt: prover.jkt };
      output.document({ ...key, cnfJkt: token.cnfJkt, bound, called, stolen });
      output.row("the key", uri);
      output.row("lives in", `${protection}; can leave: ${String(exportable)}`);
      for (const [name, value] of Object.entries(evidence)) output.row(`  ${name}`, JSON.stringify(value));
      output.row("its jkt", prover.jkt);
      output.row("token's cnf", `${token.cnfJkt} (${bound ? "equal" : "NOT equal"})`);
      output.row("the owner", `${called.status} ${called.body}`);
      output.row("the thief", `${stolen.status} ${stolen.body}`);
      context.exitCode = bound && called.status === 200 && stolen.status === 401 ? EXIT.ok : EXIT.failed;
    });
}

interface Called {
  readonly status: number;
  readonly body: string;
}

async function mainJob(
  prover: DPoPProver,
  signal: AbortSignal,
): Promise<{ token: Token; called: Called; stolen: Called }> {
  const as = await demoAuthorizationServer(AUDIENCE);
  const rs = await demoResourceServer({ issuer: as.origin, audience: AUDIENCE, publicKey: as.publicKey });
  try {
    const client = new OAuthClient({ baseUrl: as.origin });
    const { clientId, clientSecret } = as;
    const request = { dpopProver: prover, clientId, clientSecret, scope: "read", requireBinding: true, signal };
    const token = await client.clientCredentials(request);
    const called = await calledWith(await dpopFetch({ prover, token })(rs.url, { signal }));
    return { token, called, stolen: await calledWith(await steal(rs.url, token.accessToken, signal)) };
  } finally {
    await Promise.all([as.close(), rs.close()]);
  }
}

async function calledWith(answer: Response): Promise<Called> {
  return { status: answer.status, body: await answer.text() };
}

/** The thief has the token and another key, plays by the server's rules, and writes no client that would stop at that. */
async function steal(url: string, accessToken: string, signal: AbortSignal): Promise<Response> {
  const thief = await DPoPProver.generate();
  const attempt = async (nonce?: string) => {
    const dpop = await thief.makeProof({ htm: "GET", htu: url, accessToken, nonce });
    return fetch(url, { headers: { authorization: `DPoP ${accessToken}`, dpop }, signal });
  };
  const challenge = await attempt();
  return attempt(challenge.headers.get("dpop-nonce") ?? undefined);
}
