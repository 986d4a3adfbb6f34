/** The option `--token-endpoint`: a server that is known only by the URL where it issues tokens. */
import type { Command } from "commander";
import { type ClientAuth, OAuthClient, type OAuthClientOptions } from "../index.js";
import { isHardproofError, UsageError } from "./exit-codes.js";

/** The value of the option that {@link withTokenEndpoint} adds. */
export interface TokenEndpointOption {
  tokenEndpoint?: string;
}

/** The grants that begin at another endpoint. */
const OTHER_GRANTS = ["authorization_code", "device_code"];
const EXAMPLE = "https://auth.example.com/oauth/token";

/** Adds the option to a command with `--grant`. */
export function withTokenEndpoint(command: Command): Command {
  return command
    .option("--token-endpoint <url>", "authorization server of which only this endpoint is used")
    .hook("preAction", () => {
      const { tokenEndpoint, grant } = command.opts();
      if (tokenEndpoint === undefined || !OTHER_GRANTS.includes(grant)) return;
      throw new UsageError(`--grant ${grant} needs more than --token-endpoint: use --issuer or --base-url.`);
    });
}

/** The grant of a command that requests tokens. Other commands don't have one, or a list of grants to register. */
export interface RequestedGrant {
  readonly grant?: unknown;
}

/** Returns the options that can name the server of a command. */
export function serverOptions({ grant }: RequestedGrant): string {
  const isEnough = typeof grant === "string" && !OTHER_GRANTS.includes(grant);
  return isEnough ? "--issuer, --base-url or --token-endpoint" : "--issuer or --base-url";
}

/**
 * Creates a client that only requests tokens. Assertions have the endpoint as their audience (RFC 7523 §3).
 *
 * @throws {UsageError} If secrets must not be sent to the URL.
 */
export function clientOfTokenEndpoint(
  tokenEndpoint: string,
  options: Omit<OAuthClientOptions, "baseUrl" | "endpoints"> & { clientAuth: ClientAuth | undefined },
): OAuthClient {
  if (!/^https?:/i.test(tokenEndpoint) || !URL.canParse(tokenEndpoint))
    throw new UsageError(`--token-endpoint must be an https: URL, such as ${EXAMPLE}.`);
  try {
    return new OAuthClient({ ...options, baseUrl: new URL(tokenEndpoint).origin, endpoints: { token: tokenEndpoint } });
  } catch (error) {
    if (!isHardproofError(error) || error.code !== "misconfigured") throw error;
    throw new UsageError(error.message.replace(/^(?:baseUrl|endpoints\.token) /, "--token-endpoint "), error);
  }
}
