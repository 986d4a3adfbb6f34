/** `hardproof fetch`: a request with a bound token and a proof, in the manner of curl. */
import type { Command } from "commander";
import { DPoPProver, dpopFetch, HardproofError, openSigner } from "../../index.js";
import { type Context, newCommand, several } from "../context.js";
import { EXIT, NetworkError, UsageError } from "../exit-codes.js";
import { type GrantOptions, requestToken, withGrantOptions } from "../grant-options.js";
import { keyUri } from "../key-uri.js";
import { bodyOf, headersOf } from "../request-parts.js";
import { writeAnswer } from "../response-output.js";
import { codeOf } from "../secrets.js";
import { readToken, type TokenOptions, withTokenOptions } from "../token-options.js";

interface FetchOptions extends GrantOptions, TokenOptions {
  key?: string;
  request?: string;
  header?: string[];
  data?: string;
  include?: true;
  output?: string;
  fail?: true;
}

const FORM = "application/x-www-form-urlencoded";

export function fetchCommand(context: Context): Command {
  const { world } = context;
  const command = newCommand("fetch", "call a resource server with a bound token and a proof, in the manner of curl")
    .argument("<url>", "the resource")
    .option("--key <uri>", "the key; or HARDPROOF_KEY")
    .option("-X, --request <method>", "the method; GET unless there is data")
    .option("-H, --header <header>", "a header, name: value (repeat for more)", several)
    .option("-d, --data <data>", "the body; @file for a file, @- for standard input")
    .option("-i, --include", "print the status and the headers too")
    .option("-o, --output <path>", "write the body to this file")
    .option("-f, --fail", `end with exit code ${EXIT.failed} if the status is 400 or above`);
  return withGrantOptions(withTokenOptions(command)).action(async (url: string, options: FetchOptions) => {
    const headers = headersOf(options.header ?? []);
    await using signer = await openSigner(keyUri(options.key, world));
    const prover = await DPoPProver.create(signer, { signal: world.signal });
    const token = (await readToken(options, world)) ?? (await requestToken(options, prover, context));
    const call = dpopFetch({ prover, token, allowInsecure: options.allowInsecure });
    const body = await bodyOf(options.data, world);
    // As curl does.
    if (body !== undefined && !headers.has("content-type")) headers.set("content-type", FORM);
    const method = options.request ?? (body === undefined ? "GET" : "POST");
    const answer = await answered(call, url, { method, headers, body: body ?? null, signal: world.signal });
    await writeAnswer(answer, options, context);
    if (options.fail && answer.status >= 400) context.exitCode = EXIT.failed;
  });
}

/** What `fetch` throws for a URL that is none, and for a server that can't be reached, is the same class. */
async function answered(call: typeof fetch, url: string, init: RequestInit): Promise<Response> {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (!target) throw new UsageError("The URL must be absolute: https://…");
  try {
    return await call(target, init);
  } catch (error) {
    if (error instanceof HardproofError || !(error instanceof TypeError)) throw error;
    throw new NetworkError(`${target.origin} can't be reached (${codeOf(error.cause)}).`, error);
  }
}
