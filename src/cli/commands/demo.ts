/**
 * `hardproof demo`: gets a bound token, calls an API with it, and shows that a stolen token is useless without its key.
 */
import type { Command } from "commander";
import { DPoPProver, dpopFetch, OAuthClient, type Token } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { EXIT } from "../exit-codes.js";
import { openKey, type PublicKeyOption, withPublicKeyOption } from "../open-key.js";

/** Returns the command `demo`. */
export function demo(context: Context): Command {
  const { io, output } = context;
  const command = newCommand("demo", "show on this machine that a stolen token is useless without its key").argument(
    "[uri]",
    "URI of the key (or HARDPROOF_KEY; default: a new key in memory)",
  );
  return withPublicKeyOption(command).action(async (argument: string | undefined, options: PublicKeyOption) => {
    await using signer = await openKey(argument ?? io.env.HARDPROOF_KEY ?? "memory:", options);
    const prover = await DPoPProver.create(signer, { signal: io.signal });
    const { token, called, stolen } = await runScenario(prover, io.signal);
    const { uri, protection, exportable, evidence } = await signer.describe({ signal: io.signal });
    const bound = token.cnfJkt === prover.jkt;
    const key = { uri, protection, exportable, evidence, jkt: prover.jkt };
    output.document({ ...key, cnfJkt: token.cnfJkt, bound, called, stolen });
    output.row("key", uri);
    output.row("protection", `${protection}, exportable: ${String(exportable)}`);
    for (const [name, value] of Object.entries(evidence)) output.row(`  ${name}`, JSON.stringify(value));
    output.row("key jkt", prover.jkt);
    output.row("token cnf.jkt", `${token.cnfJkt} (${bound ? "equal" : "NOT EQUAL"})`);
    output.row("call by owner", `${called.status} ${called.body}`);
    output.row("call by thief", `${stolen.status} ${stolen.body}`);
    context.exitCode = bound && called.status === 200 && stolen.status === 401 ? EXIT.ok : EXIT.failed;
  });
}

interface Outcome {
  readonly status: number;
  readonly body: string;
}

async function runScenario(
  prover: DPoPProver,
  signal: AbortSignal,
): Promise<{ token: Token; called: Outcome; stolen: Outcome }> {
  const { testServer } = await import("hardproof/testing");
  await using server = await testServer({ clientId: "demo-agent" });
  const client = await OAuthClient.discover(server.issuer, { signal });
  const { resource } = server;
  const request = { dpopProver: prover, ...server.client, scope: "read", requireBinding: true, signal };
  const token = await client.clientCredentials(request);
  const called = await outcomeOf(await dpopFetch({ prover, token })(resource, { signal }));
  return { token, called, stolen: await outcomeOf(await server.callAsThief(token.accessToken)) };
}

async function outcomeOf(response: Response): Promise<Outcome> {
  return { status: response.status, body: await response.text() };
}
