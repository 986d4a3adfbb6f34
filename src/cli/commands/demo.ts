/**
 * `hardproof demo`: gets a bound token, calls an API with it, and shows that a stolen token is useless without its key.
 */
import type { Command } from "commander";
import { DPoPProver, dpopFetch, OAuthClient, type Signer, type Token } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { type Settings, serverSettings, serveUntilInterrupted } from "../demo/serve.js";
import { softHsmKey } from "../demo/softhsm-key.js";
import { EXIT, UsageError } from "../exit-codes.js";
import { cleaningUpAfterHangUp } from "../hang-up.js";
import { type OpenKeyOptions, openKey, withPublicKeyOption } from "../open-key.js";
import { withTimeoutOption } from "../timeout-option.js";

/** The values of the command's options. */
interface DemoOptions extends OpenKeyOptions {
  serve?: true;
  softhsm?: true;
  output?: string;
}

/** Returns the command `demo`. */
export function demo(context: Context): Command {
  const command = newCommand("demo", "show on this machine that a stolen token is useless without its key")
    .argument("[uri]", "URI of the key (or HARDPROOF_KEY; default: a new key in memory)")
    .option(
      "--softhsm",
      "use a key on a new SoftHSM token, which is deleted at the end. Installs SoftHSM if that doesn't need a password",
    )
    .option("--serve", "keep the servers running until Ctrl-C, and print the settings to use them")
    .option("--output <file>", "with --serve: write the settings to a new file, which only you can read");
  return withTimeoutOption(withPublicKeyOption(command), "store").action(
    async (uri: string | undefined, options: DemoOptions) => {
      assertCompatible(uri, options);
      await cleaningUpAfterHangUp(context, (own) => runDemo(uri, options, own));
    },
  );
}

async function runDemo(uri: string | undefined, options: DemoOptions, context: Context): Promise<void> {
  await using ownKey = options.softhsm && (await softHsmKey(context));
  context.io.signal.throwIfAborted(); // while the token was made
  const open = () => openKey(uri ?? context.io.env.HARDPROOF_KEY ?? "memory:", options, context);
  if (options.serve) await serve(ownKey ? ownKey.settings : {}, options, context);
  else await show(ownKey ? ownKey.open : open, context);
}

function assertCompatible(uri: string | undefined, options: DemoOptions): void {
  const { serve, softhsm, output, publicKey, require } = options;
  const keyOptions = { "the URI of a key": uri, "--public-key": publicKey, "--require": require };
  const other = Object.entries(keyOptions).find(([, value]) => value !== undefined)?.[0];
  if (softhsm && other) throw new UsageError(`--softhsm creates a key of its own: leave out --softhsm or ${other}.`);
  if (serve && other) throw new UsageError("With --serve, pass the key to the commands that use the servers.");
  if (output !== undefined && !serve) throw new UsageError("--output needs --serve.");
}

async function serve(keySettings: Settings, { output }: DemoOptions, context: Context): Promise<void> {
  const { testServer } = await import("hardproof/testing");
  await using server = await testServer({ clientId: "demo-agent" });
  await serveUntilInterrupted({ ...serverSettings(server), ...keySettings }, output, context);
}

/** Runs the scenario with the key, and prints what happened. */
async function show(open: () => Promise<Signer>, context: Context): Promise<void> {
  const { io, output } = context;
  await using signer = await open();
  const prover = await DPoPProver.create(signer, { signal: io.signal });
  const { token, called, stolen } = await runScenario(prover, io.signal);
  const { uri, protection, exportable, evidence } = await signer.describe({ signal: io.signal });
  const bound = token.cnfJkt === prover.jkt;
  const key = { uri, protection, exportable, evidence, jkt: prover.jkt };
  output.document({ ...key, cnfJkt: token.cnfJkt, bound, called, stolen });
  output.row("key", uri);
  output.row("protection", `${protection}, exportable: ${String(exportable)}`);
  for (const [name, value] of Object.entries(evidence))
    if (value !== undefined) output.row(`  ${name}`, JSON.stringify(value));
  output.row("key jkt", prover.jkt);
  output.row("token cnf.jkt", `${token.cnfJkt} (${bound ? "equal" : "NOT EQUAL"})`);
  output.row("call by owner", `${called.status} ${called.body}`);
  output.row("call by thief", `${stolen.status} ${stolen.body}`);
  context.exitCode = bound && called.status === 200 && stolen.status === 401 ? EXIT.ok : EXIT.failed;
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
