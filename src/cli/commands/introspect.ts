/** `hardproof introspect`: asks the authorization server about a token (RFC 7662). */
import type { Command } from "commander";
import type { Introspection } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { EXIT } from "../exit-codes.js";
import type { Output } from "../output.js";
import { type StatusCall, type StatusOptions, sendStatusRequest, withStatusOptions } from "../status-options.js";

/** What the server says about a token, and whether that fits the key of `--key`. */
interface TokenStatus {
  readonly claims: Introspection;
  /** Thumbprint of the key that the token is bound to (RFC 9449 §6.2). */
  readonly cnfJkt: string | null;
  /** Thumbprint of the key of `--key`. */
  readonly jkt: string | null;
  /** Whether the token is bound to the key. `null` if there is nothing to compare. */
  readonly bound: boolean | null;
}

/** The claims that are printed without `--json` (RFC 7662 §2.2, RFC 8693 §4.1). */
const PRINTED = [
  "scope",
  "client_id",
  "username",
  "token_type",
  "exp",
  "iat",
  "nbf",
  "sub",
  "aud",
  "iss",
  "cnf",
  "act",
];
const TIMES = ["exp", "iat", "nbf"];

/** Returns the command `introspect`. */
export function introspect(context: Context): Command {
  const { output } = context;
  const command = newCommand("introspect", "ask the server whether a token is active, and what it contains (RFC 7662)");
  const key = "URI of the key that the token should be bound to";
  return withStatusOptions(command, key).action(async (options: StatusOptions) => {
    const status = await sendStatusRequest(options, context, (call) => tokenStatus(call, options));
    const { claims, ...binding } = status;
    output.document({ active: claims.active, ...binding, claims });
    print(status, output);
    context.exitCode = claims.active && binding.bound !== false ? EXIT.ok : EXIT.failed;
  });
}

async function tokenStatus({ client, request, key }: StatusCall, options: StatusOptions): Promise<TokenStatus> {
  const claims = await client.introspect(request);
  const cnfJkt = confirmedKey(claims);
  const isCompared = options.key !== undefined && key !== undefined;
  const jkt = isCompared ? (await key.describe({ signal: request.signal })).jkt : null;
  const bound = jkt === null || cnfJkt === null ? null : jkt === cnfJkt;
  return { claims, cnfJkt, jkt, bound };
}

function confirmedKey({ cnf }: Introspection): string | null {
  const jkt = typeof cnf === "object" && cnf !== null && "jkt" in cnf ? cnf.jkt : null;
  return typeof jkt === "string" ? jkt : null;
}

function print({ claims, cnfJkt, jkt, bound }: TokenStatus, output: Output): void {
  output.line(claims.active ? "active" : "inactive", "bold");
  for (const name of PRINTED) if (claims[name] !== undefined) output.row(name, printedClaim(name, claims[name]));
  if (!claims.active || jkt === null) return;
  if (bound === null) output.note("The server doesn't report which key the token is bound to.");
  else if (bound) output.note(`bound to this key, ${jkt}`);
  else output.line(`The token is bound to another key, ${cnfJkt}. This key is ${jkt}.`, "red");
}

function printedClaim(name: string, value: unknown): unknown {
  if (!TIMES.includes(name) || typeof value !== "number") return value;
  const date = new Date(value * 1000);
  return Number.isNaN(date.getTime()) ? value : `${date.toISOString()} (${value})`;
}
