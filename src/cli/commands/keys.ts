/** `hardproof keys`: lists the URIs of a store's keys that can sign, or its tokens. */
import type { Command } from "commander";
import { listTokens, type StoreToken, streamKeys } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { keyUri } from "../key-uri.js";
import type { Output } from "../output.js";
import { pinSourceHint } from "../pin-source-hint.js";
import { type TimeoutOption, withTimeoutOption } from "../timeout-option.js";

interface KeysOptions extends TimeoutOption {
  tokens?: true;
}

/** Returns the command `keys`. */
export function keys(context: Context): Command {
  const { io } = context;
  const command = newCommand("keys", "list the URIs of a store's keys that can sign, or its tokens")
    .argument("[uri]", "URI of the store; more attributes narrow the search (or HARDPROOF_KEY)")
    .option("--tokens", "list the tokens of a PKCS#11 library or of a TPM, without a login");
  return withTimeoutOption(command, "store").action((argument: string | undefined, options: KeysOptions) =>
    (options.tokens ? printTokens : printKeys)(keyUri(argument, io), options, context),
  );
}

async function printKeys(uri: string, { timeout }: TimeoutOption, { io, output, secrets }: Context): Promise<void> {
  const uris = await secrets.with(uri, async (secret) => {
    const printed: string[] = [];
    for await (const each of streamKeys(uri, { timeout, signal: io.signal, ...secret })) {
      printed.push(each);
      output.line(each);
    }
    return printed;
  });
  const hint = uris[0] === undefined ? "No key was found that can sign." : pinSourceHint(uri, uris[0]);
  output.document({ keys: uris.sort() });
  if (hint !== undefined) output.note(hint);
}

async function printTokens(uri: string, { timeout }: TimeoutOption, { io, output }: Context): Promise<void> {
  const list = (searched: string) => listTokens(searched, { timeout, signal: io.signal });
  const tokens = await list(uri);
  output.document({ tokens });
  for (const token of tokens) printToken(token, output);
  if (tokens.length === 0) output.note(noToken(await otherTokens(uri, list)));
}

const MAX_NAMES = 10;

/** Returns the tokens that the URI without its search would list. Only an addition to a message, so that it never fails. */
async function otherTokens(uri: string, list: (uri: string) => Promise<StoreToken[]>): Promise<StoreToken[]> {
  const everything = uri.replace(/^([^:]*:)[^?]+/, "$1");
  return everything === uri ? [] : list(everything).catch(() => []);
}

function noToken(others: readonly StoreToken[]): string {
  if (others.length === 0) return "No token was found.";
  const names = others.slice(0, MAX_NAMES).map(tokenName);
  if (others.length > MAX_NAMES) names.push(`${others.length - MAX_NAMES} more`);
  return `No token was found that matches the URI. The store has ${names.join(", ")}.`;
}

function tokenName({ label, serial, slot, initialized }: StoreToken): string {
  return initialized ? `${label} (serial ${serial})` : `a token that isn't initialised (slot ${slot})`;
}

const PIN_STATES: Readonly<Record<StoreToken["pin"], string>> = {
  set: "set; the token doesn't report a wrong one",
  "not-set": "not set yet",
  low: "set; the token reports that a wrong one was tried",
  "final-try": "one more wrong one locks it",
  locked: "locked",
};

function printToken(token: StoreToken, output: Output): void {
  const { uri, label, serial, manufacturer, model, firmware, slot, protection, software } = token;
  output.line(uri, "bold");
  output.row("  label", label);
  output.row("  serial", serial);
  output.row("  made by", `${manufacturer}, ${model}, firmware ${firmware}`);
  output.row("  slot", slot);
  output.row("  protection", software === undefined ? protection : `${protection}: ${software}`);
  if (token.initialized) printState(token, output);
  else output.row("  state", "not initialised: it can't have keys yet");
}

function printState(token: StoreToken, output: Output): void {
  output.row("  login", loginOf(token));
  output.row("  PIN", PIN_STATES[token.pin]);
  if (token.writeProtected) output.row("  writing", "protected: keys can't be created or deleted");
}

function loginOf({ loginRequired, pinPad }: StoreToken): string {
  if (!loginRequired) return "not required";
  return pinPad ? "required; the PIN is entered at the token" : "required";
}
