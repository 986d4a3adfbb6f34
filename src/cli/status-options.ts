/** The options of a request about a token (RFC 7662, RFC 7009), and the parts of that request. */
import type { Command } from "commander";
import type { OAuthClient, Signer, TokenStatusRequest } from "../index.js";
import { type ClientOptions, findClient, openClientKey, withClientOptions } from "./client-options.js";
import { type Context, oneOf } from "./context.js";
import { UsageError } from "./exit-codes.js";
import { keyUri } from "./key-uri.js";
import { openKey, type PublicKeyOption, rejectWithoutKey, withPublicKeyOption } from "./open-key.js";
import { withTimeoutOption } from "./timeout-option.js";
import { readAnyToken, type TokenOptions, withTokenOptions } from "./token-options.js";

const HINTS = ["access_token", "refresh_token"] as const;

/** The values of the options that {@link withStatusOptions} adds. */
export interface StatusOptions extends ClientOptions, TokenOptions, PublicKeyOption {
  key?: string;
  tokenTypeHint?: (typeof HINTS)[number];
}

/** A request about a token. */
export interface StatusCall {
  readonly client: OAuthClient;
  readonly request: TokenStatusRequest;
  /** The key of `--key`. Without that option, the one of `HARDPROOF_KEY` if the client authenticates by it. */
  readonly key: Signer | undefined;
}

/** Adds the options of a request about a token to a command. */
export function withStatusOptions(command: Command, keyDescription: string): Command {
  const withKey = withPublicKeyOption(command.option("--key <uri>", keyDescription));
  const withToken = withTokenOptions(withKey, "token").option(
    "--token-type-hint <type>",
    HINTS.join(", "),
    oneOf("--token-type-hint", HINTS),
  );
  return withTimeoutOption(withClientOptions(withToken, "--key, or HARDPROOF_KEY"), "server", "store");
}

/**
 * Sends a request about a token.
 *
 * @param send - Is called with the parts of the request. The keys are closed when it is done.
 * @throws {UsageError} If the token or an option is missing, or can't be used.
 */
export async function sendStatusRequest<T>(
  options: StatusOptions,
  context: Context,
  send: (call: StatusCall) => Promise<T>,
): Promise<T> {
  const { keyId, tokenTypeHint } = options;
  const { io } = context;
  const token = await readAnyToken(options, io);
  if (token === undefined) throw new UsageError("Pass the token with --token -, --token-env or --token-file.");
  assertRestrictsKey(options);
  await using key = await openOwnKey(options, context);
  await using clientKey = await openClientKey(options, context);
  const signer = clientKey ?? key;
  const { client, credentials } = await findClient(options, signer && { signer, keyId }, context);
  return await send({ client, request: { ...credentials, token, tokenTypeHint, signal: io.signal }, key });
}

/** `--client-key` has a public key of its own, but must meet `--require`, too. */
function assertRestrictsKey(options: StatusOptions): void {
  if (usesOwnKey(options)) return;
  const { publicKey, require } = options;
  const isChecked = options.clientKey !== undefined;
  rejectWithoutKey({ publicKey, require: isChecked ? undefined : require }, "a key: pass --key");
}

/** Whether the key of `--key` or, if the client authenticates by it, of `HARDPROOF_KEY` is opened. */
function usesOwnKey({ key, clientAuth, clientKey }: StatusOptions): boolean {
  return key !== undefined || (clientAuth === "private_key_jwt" && clientKey === undefined);
}

async function openOwnKey(options: StatusOptions, context: Context): Promise<Signer | undefined> {
  return usesOwnKey(options) ? openKey(keyUri(options.key, context.io), options, context) : undefined;
}
