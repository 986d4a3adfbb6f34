/** `hardproof fetch`: sends a request with a bound token and a proof, with curl's options. */
import type { Command } from "commander";
import { DPoPProver, dpopFetch } from "../../index.js";
import { type Context, collect, newCommand } from "../context.js";
import { EXIT, errorCode, UsageError } from "../exit-codes.js";
import { type GrantOptions, requestToken, withGrantOptions } from "../grant-options.js";
import { keyUris } from "../key-uri.js";
import { type KeyOption, type OpenKeyOptions, openReplicas, withKeyOption, withPublicKeyOption } from "../open-key.js";
import { withRejectionNotes } from "../rejection-notes.js";
import { assertMethod, parseHeaders, readBody } from "../request-parts.js";
import { writeResponse } from "../response-output.js";
import { withSavedNonces } from "../saved-nonces.js";
import { ServerCall } from "../server-call.js";
import { CALL_TIMEOUT, withTimeoutOption } from "../timeout-option.js";
import { readToken, type TokenOptions, withTokenOptions } from "../token-options.js";

interface FetchOptions extends GrantOptions, TokenOptions, KeyOption, OpenKeyOptions {
  request?: string;
  header?: string[];
  data?: string;
  include?: true;
  output?: string;
  fail?: true;
}

const FORM = "application/x-www-form-urlencoded";

/** Returns the command `fetch`. */
export function fetchCommand(context: Context): Command {
  const { io } = context;
  const command = newCommand("fetch", "call a resource server with a bound token and a proof, with curl's options");
  withKeyOption(command.argument("<url>", "URL of the resource"))
    .option("-X, --request <method>", "request method (default: GET, or POST with --data)")
    .option("-H, --header <header>", "header, name: value (repeatable)", collect)
    .option("-d, --data <data>", "request body, @file for a file, @- for standard input")
    .option("-i, --include", "also print the status and the headers")
    .option("-o, --output <path>", "write the body to this file, which is replaced if it exists")
    .option("-f, --fail", `exit with code ${EXIT.failed} if the status is 400 or above`);
  const withOptions = withGrantOptions(withTokenOptions(withPublicKeyOption(command)));
  return withTimeoutOption(withOptions, "call", "server", "store").action(
    async (url: string, options: FetchOptions) => {
      const target = parseTarget(url);
      const headers = parseHeaders(options.header ?? []);
      assertMethod(options);
      await using key = await openReplicas(keyUris(undefined, options.key, io), options, context);
      const prover = await DPoPProver.create(key.signer, { clockOffset: options.clockOffset, signal: io.signal });
      const { response, call } = await withSavedNonces(prover, options, io, async (nonces) => {
        const token =
          (await readToken(options, io)) ?? (await requestToken({ ...options, nonces }, prover, context, target));
        const { allowInsecure, htu } = options;
        const boundFetch = dpopFetch({ prover, token, allowInsecure, htu, nonces });
        const body = await readBody(options.data, io);
        // curl's default content type.
        if (body !== undefined && !headers.has("content-type")) headers.set("content-type", FORM);
        const method = options.request ?? (body === undefined ? "GET" : "POST");
        const call = new ServerCall(target, options.timeout ?? CALL_TIMEOUT, io.signal);
        const init = { method, headers, body: body ?? null, signal: call.signal };
        const send = () => call.run(() => boundFetch(target, init), notReached(target));
        const response = await withRejectionNotes(context.output, send);
        if (response.status === 401) nonces.forgetUsed();
        return { response, call };
      });
      await writeResponse(response, call, options, context);
      if (options.fail && response.status >= 400) context.exitCode = EXIT.failed;
    },
  );
}

function parseTarget(url: string): URL {
  if (URL.canParse(url)) return new URL(url);
  throw new UsageError("The URL must be absolute: https://…");
}

function notReached({ origin }: URL): (error: TypeError) => string {
  return ({ cause }) => `${origin} can't be reached (${errorCode(cause)}).`;
}
