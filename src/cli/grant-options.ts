/** The options of a token request, and the request itself. */
import type { Command } from "commander";
import type { DPoPProver, Token } from "../index.js";
import { type ClientOptions, findClient, openClientKey, withClientOptions } from "./client-options.js";
import { type Context, collect, oneOf } from "./context.js";
import { type ExtraParameters, parseExtra } from "./extra-parameters.js";
import { authorizationCode, type LoginOptions, withLoginOptions } from "./grants/authorization-code.js";
import { deviceCode } from "./grants/device-code.js";
import type { GrantCall } from "./grants/grant-call.js";
import { type RefreshOptions, refreshToken, withRefreshOptions } from "./grants/refresh-token.js";
import { type ExchangeOptions, tokenExchange, withExchangeOptions } from "./grants/token-exchange.js";
import { withProofOptions } from "./proof-options.js";
import { type StateOption, withStateOption } from "./saved-nonces.js";

const GRANTS = ["client_credentials", "authorization_code", "device_code", "refresh_token", "token_exchange"] as const;
/** The grants that send a token of the user. */
const SENDS_TOKEN: readonly string[] = ["refresh_token", "token_exchange"];

/** The values of the options that {@link withGrantOptions} adds. */
export interface GrantOptions extends ClientOptions, LoginOptions, RefreshOptions, ExchangeOptions, StateOption {
  grant: (typeof GRANTS)[number];
  scope?: string;
  resource?: string[];
  extra?: ExtraParameters;
  requireBinding?: true;
}

/** Adds the options of a token request to a command. */
export function withGrantOptions(command: Command): Command {
  const client = withClientOptions(command, "the token's key");
  const common = withStateOption(withProofOptions(client))
    .option("--grant <grant>", GRANTS.join(", "), oneOf("--grant", GRANTS), "client_credentials")
    .option("--scope <scope>", "requested scope, space-separated")
    .option("--resource <url>", "resource that the token is for (RFC 8707, repeatable)", collect)
    .option("--extra <name=value>", "additional parameter, such as prompt=consent (repeatable)", parseExtra)
    .option("--require-binding", "reject a token if the server doesn't confirm which key it is bound to");
  return withExchangeOptions(withRefreshOptions(withLoginOptions(common)));
}

/**
 * Requests one token. Secrets are read from the sources that the options name.
 *
 * @param url - The resource that the token is for. Its metadata names the server if the options don't.
 * @throws {UsageError} If an option is missing or can't be used.
 */
export async function requestToken(
  options: GrantOptions,
  dpopProver: DPoPProver,
  context: Context,
  url?: URL,
): Promise<Token> {
  const { keyId, scope, extra, requireBinding } = options;
  await using clientKey = await openClientKey(options, context);
  const assertionKey = { signer: clientKey ?? dpopProver.signer, keyId };
  const sendsToken = SENDS_TOKEN.includes(options.grant);
  const target = url && { url, identifier: options.resource?.[0], sendsToken };
  const { client, credentials, ...found } = await findClient(options, assertionKey, context, target);
  const resource = options.resource ?? found.resource;
  const request = { ...credentials, dpopProver, scope, resource, extra, requireBinding, signal: context.io.signal };
  return await sendGrant({ client, request, assertionKey, context }, options);
}

function sendGrant(call: GrantCall, options: GrantOptions): Promise<Token> {
  switch (options.grant) {
    case "client_credentials":
      return call.client.clientCredentials(call.request);
    case "authorization_code":
      return authorizationCode(call, options);
    case "device_code":
      return deviceCode(call);
    case "refresh_token":
      return refreshToken(call, options);
    case "token_exchange":
      return tokenExchange(call, options);
  }
}
