/** The options that name an authorization server and a client that is registered with it, and that client. */
import type { Command } from "commander";
import type { AssertionKey, ClientAuth, Profile, Signer } from "../index.js";
import { type Context, oneOf } from "./context.js";
import { UsageError } from "./exit-codes.js";
import { type FoundServer, findServer, type ResourceTarget, type ServerOptions } from "./find-server.js";
import type { Io } from "./io.js";
import { openKey } from "./open-key.js";
import type { RequireOption } from "./require-option.js";
import { readSecret } from "./secrets.js";

const AUTH_METHODS = ["client_secret_post", "client_secret_basic", "private_key_jwt", "none"] as const;
const PROFILES = ["fapi2", "fapi2-message-signing"] as const satisfies readonly Profile[];

/** The values of the options that {@link withClientOptions} adds. */
export interface ClientOptions extends ServerOptions, RequireOption {
  clientId?: string;
  clientAuth?: (typeof AUTH_METHODS)[number];
  clientSecretFile?: string;
  clientKey?: string;
  clientPublicKey?: string;
  keyId?: string;
}

/** A client of the server, and how it is registered there. */
export interface FoundClient extends FoundServer {
  /** The members of each request that identify the client. */
  readonly credentials: { readonly clientId: string; readonly clientSecret: string | undefined };
}

/**
 * Adds the options of a client to a command.
 *
 * @param defaultKey - Which key signs for private_key_jwt by default, for the help.
 */
export function withClientOptions(command: Command, defaultKey: string): Command {
  return command
    .option("--issuer <url>", "authorization server, configured by its metadata (RFC 8414)")
    .option("--base-url <url>", "authorization server with endpoints such as <url>/oauth/token")
    .option("--profile <profile>", `security profile: ${PROFILES.join(", ")}`, oneOf("--profile", PROFILES))
    .option("--client-id <id>", "OAuth client ID (or HARDPROOF_CLIENT_ID)")
    .option("--client-auth <method>", AUTH_METHODS.join(", "), oneOf("--client-auth", AUTH_METHODS))
    .option("--client-secret-file <path>", "file with the client secret, - for stdin (or HARDPROOF_CLIENT_SECRET)")
    .option("--client-key <uri>", `key that signs for private_key_jwt (default: ${defaultKey})`)
    .option("--client-public-key <file>", "its public key, as for --public-key")
    .option("--key-id <kid>", "kid of that key at the server (default: its thumbprint)")
    .option("--allow-insecure", "allow http: URLs for hosts other than this machine");
}

/**
 * Opens the key of `--client-key`, if there is one. It must meet `--require`, too.
 *
 * @throws {UsageError} If there isn't one, but its public key is set.
 */
export async function openClientKey(
  { clientKey, clientPublicKey, require, timeout }: ClientOptions,
  context: Context,
): Promise<Signer | undefined> {
  if (clientKey === undefined && clientPublicKey !== undefined)
    throw new UsageError("--client-public-key needs --client-key. For the key of --key, use --public-key.");
  if (clientKey === undefined) return undefined;
  return openKey(clientKey, { publicKey: clientPublicKey, require, timeout }, context, "--client-public-key");
}

/**
 * Finds the server and creates a client of it. The client secret is read from the source that the options name.
 *
 * @param assertionKey - The key that signs for private_key_jwt.
 * @param target - The resource whose metadata names the server if the options don't.
 * @throws {UsageError} If an option is missing or can't be used, or a secret would be sent to a server that only the resource
 *   names.
 */
export async function findClient(
  options: ClientOptions,
  assertionKey: AssertionKey | undefined,
  context: Context,
  target?: Omit<ResourceTarget, "sendsSecret"> & { readonly sendsToken: boolean },
): Promise<FoundClient> {
  const { io } = context;
  const clientId = options.clientId ?? io.env.HARDPROOF_CLIENT_ID;
  if (!clientId) throw new UsageError("Pass the client ID with --client-id, or set HARDPROOF_CLIENT_ID.");
  const clientSecret = await readClientSecret(options, io);
  const resource = target && { ...target, sendsSecret: target.sendsToken || clientSecret !== undefined };
  const server = await findServer(options, clientAuthFor(options, assertionKey), context, resource);
  return { ...server, credentials: { clientId, clientSecret } };
}

function readClientSecret({ clientAuth, clientSecretFile }: ClientOptions, io: Io): Promise<string | undefined> {
  const withoutSecret = clientAuth === "none" || clientAuth === "private_key_jwt";
  const defaultEnv = withoutSecret ? undefined : "HARDPROOF_CLIENT_SECRET";
  return readSecret(
    { name: "The client secret", fileOption: "--client-secret-file", file: clientSecretFile, defaultEnv },
    io,
  );
}

function clientAuthFor({ clientAuth }: ClientOptions, key: AssertionKey | undefined): ClientAuth | undefined {
  if (clientAuth !== "private_key_jwt") return clientAuth;
  if (key !== undefined) return { method: clientAuth, ...key };
  throw new UsageError("private_key_jwt needs a key: pass --client-key.");
}
