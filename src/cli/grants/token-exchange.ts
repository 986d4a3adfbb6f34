/** `--grant token_exchange`: exchanges one token for another (RFC 8693). */
import type { Command } from "commander";
import type { Token } from "../../index.js";
import { collect } from "../context.js";
import { UsageError } from "../exit-codes.js";
import { readTokenSecret } from "../token-secret.js";
import type { GrantCall } from "./grant-call.js";
import { withOwnOptions } from "./own-options.js";

const TYPE = "urn:ietf:params:oauth:token-type:";
/** The token types of RFC 8693 §3, without their prefix. */
const TYPES = ["access_token", "refresh_token", "id_token", "jwt", "saml1", "saml2"];

/** The values of the options that {@link withExchangeOptions} adds. */
export interface ExchangeOptions {
  subjectTokenFile?: string;
  subjectTokenType?: string;
  actorTokenFile?: string;
  actorTokenType?: string;
  requestedTokenType?: string;
  audience?: string[];
}

/** Adds the options of a token exchange to a command. */
export function withExchangeOptions(command: Command): Command {
  return withOwnOptions(command, "token_exchange", (own) =>
    own
      .option(
        "--subject-token-file <path>",
        "file with the token to exchange, - for stdin (or HARDPROOF_SUBJECT_TOKEN)",
      )
      .option(
        "--subject-token-type <type>",
        `its type: ${TYPES.join(", ")}, or a URI`,
        tokenType("--subject-token-type"),
      )
      .option(
        "--actor-token-file <path>",
        "file with the token of the party that acts for the subject, - for stdin (or HARDPROOF_ACTOR_TOKEN)",
      )
      .option("--actor-token-type <type>", "its type", tokenType("--actor-token-type"))
      .option("--requested-token-type <type>", "type of the new token", tokenType("--requested-token-type"))
      .option("--audience <name>", "service that the new token is for (repeatable)", collect),
  );
}

/**
 * Exchanges the token.
 *
 * @throws {UsageError} If there is no subject token.
 */
export async function tokenExchange({ client, request, context }: GrantCall, options: ExchangeOptions): Promise<Token> {
  const { subjectTokenFile, actorTokenFile, subjectTokenType, actorTokenType, requestedTokenType, audience } = options;
  const read = (party: "subject" | "actor", file: string | undefined, defaultEnv: string) =>
    readTokenSecret({ name: `The ${party} token`, fileOption: `--${party}-token-file`, file, defaultEnv }, context.io);
  const subjectToken = await read("subject", subjectTokenFile, "HARDPROOF_SUBJECT_TOKEN");
  const actorToken = await read("actor", actorTokenFile, "HARDPROOF_ACTOR_TOKEN");
  if (subjectToken === undefined)
    throw new UsageError("Pass the token to exchange with --subject-token-file, or set HARDPROOF_SUBJECT_TOKEN.");
  const types = { subjectTokenType, actorTokenType, requestedTokenType };
  return client.exchangeToken({ ...request, subjectToken, actorToken, ...types, audience });
}

/** Returns a parser for a token type: a name of RFC 8693 §3, or any URI. */
function tokenType(option: string): (value: string) => string {
  return (value) => {
    if (URL.canParse(value)) return value;
    if (TYPES.includes(value)) return TYPE + value;
    throw new UsageError(`${option} must be one of ${TYPES.join(", ")}, or a URI.`);
  };
}
