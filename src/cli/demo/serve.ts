/** `hardproof demo --serve`: keeps the demo's servers running, for the other commands and the user's own programs. */
import { once } from "node:events";
import type { TestServer } from "hardproof/testing";
import type { Context } from "../context.js";
import { newSecretFile } from "../output-file.js";
import { shellWord } from "../shell-word.js";

/** Environment variables for the programs that use the servers. */
export type Settings = Readonly<Record<string, string>>;

/** Returns the variables that name the servers and their only client. */
export function serverSettings({ issuer, resource, client }: TestServer): Settings {
  return {
    DEMO_ISSUER: issuer,
    DEMO_RESOURCE: resource,
    HARDPROOF_CLIENT_ID: client.clientId,
    HARDPROOF_CLIENT_SECRET: client.clientSecret,
  };
}

/**
 * Publishes the settings as shell variables, and waits until the command is interrupted. The settings contain a client secret,
 * so a file of them can be read only by its owner. It is deleted at the end, when the servers are gone.
 *
 * @param path - The file. Without it, the settings are printed.
 */
export async function serveUntilInterrupted(
  settings: Settings,
  path: string | undefined,
  context: Context,
): Promise<void> {
  if (path === undefined) return printUntilInterrupted(settings, context);
  const { io, output } = context;
  const file = await newSecretFile(path);
  try {
    await file.write(`${exportLines(settings).join("\n")}\n`);
    output.line(`Serving until Ctrl-C. In another terminal: . ${shellPath(path.includes("/") ? path : `./${path}`)}`);
    await interrupted(io.signal);
  } finally {
    await file.remove();
  }
}

async function printUntilInterrupted(settings: Settings, { io, output }: Context): Promise<void> {
  for (const line of exportLines(settings)) output.line(line);
  output.document(settings);
  output.end(); // Programs that start this one read the document while it runs.
  output.note("Serving until Ctrl-C. Paste these lines into another terminal.");
  await interrupted(io.signal);
}

/** Node's option `--env-file` reads these lines, too. */
function exportLines(settings: Settings): string[] {
  return Object.entries(settings).map(([name, value]) => `export ${name}=${shellWord(value)}`);
}

/** Quoted only if that is needed, as users write it. */
const shellPath = (path: string) => (/^[\w./-]+$/.test(path) ? path : shellWord(path));

async function interrupted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}
