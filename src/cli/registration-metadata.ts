/** The metadata of a client to register (RFC 7591 §2), from a file and from options. */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import type { ClientMetadata } from "../index.js";
import { collect } from "./context.js";
import { errorCode, UsageError } from "./exit-codes.js";

/** The values of the options that {@link withMetadataOptions} adds. */
export interface MetadataOptions {
  metadata?: string;
  clientName?: string;
  grant?: string[];
  redirectUri?: string[];
  scope?: string;
}

/** Adds the options that describe the client to a command. */
export function withMetadataOptions(command: Command): Command {
  return command
    .option("--metadata <file>", "JSON file with client metadata; options take precedence")
    .option("--client-name <name>", "name of the client, for people")
    .option(
      "--grant <grant>",
      "grant that the client may use, as in hardproof token (repeatable; default: client_credentials)",
      collect,
    )
    .option("--redirect-uri <url>", "callback URL of the authorization code grant (repeatable)", collect)
    .option("--scope <scope>", "scope that the client may request, space-separated");
}

/**
 * Returns the metadata. Without grants it is that of a client for client credentials, or, with a callback URL, for the
 * authorization code grant.
 *
 * @throws {UsageError} If the file isn't a JSON object.
 */
export async function registrationMetadata(options: MetadataOptions): Promise<ClientMetadata> {
  const { metadata, clientName, grant, redirectUri, scope } = options;
  const fromFile = metadata === undefined ? {} : await readMetadata(metadata);
  const named = { client_name: clientName, grant_types: grant?.map(grantType), redirect_uris: redirectUri, scope };
  const fromOptions = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
  const combined: ClientMetadata = { ...fromFile, ...fromOptions };
  return { ...defaultsFor(combined), ...combined };
}

/** `hardproof token` has short names for these grant types (RFC 8628 §3.4, RFC 8693 §2.1). */
const GRANT_TYPES = new Map([
  ["device_code", "urn:ietf:params:oauth:grant-type:device_code"],
  ["token_exchange", "urn:ietf:params:oauth:grant-type:token-exchange"],
]);

function grantType(grant: string): string {
  return GRANT_TYPES.get(grant) ?? grant;
}

function defaultsFor({ redirect_uris, grant_types }: ClientMetadata): ClientMetadata {
  if (redirect_uris !== undefined)
    return { grant_types: ["authorization_code", "refresh_token"], response_types: ["code"] };
  const usesCode = Array.isArray(grant_types) && grant_types.includes("authorization_code");
  return usesCode ? {} : { grant_types: ["client_credentials"], response_types: [], redirect_uris: [] };
}

async function readMetadata(path: string): Promise<ClientMetadata> {
  const text = await readFile(path, "utf8").catch((cause) => {
    throw new UsageError(`--metadata: the file can't be read (${errorCode(cause)}).`, cause);
  });
  const value = parseJson(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new UsageError("--metadata: the file must contain a JSON object.");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    return undefined;
  }
}
