/** The options of a token request, and the request itself. */
import type { Command } from "commander";
import type { ClientAuth, DPoPProver, GrantRequest, OAuthClient, Signer, Token } from "../index.js";
import { type Context, collect, oneOf } from "./context.js";
import { UsageError } from "./exit-codes.js";
import { findServer, type ServerOptions } from "./find-server.js";
import type { Io } from "./io.js";
import { openKey } from "./open-key.js";
import { withProofOptions } from "./proof-options.js";
import { type StateOption, withStateOption } from "./saved-nonces.js";
import { readSecret } from "./secrets.js";

const GRANTS = ["client_credentials", "device_code", "refresh_token"] as const;
const AUTH_METHODS = ["client_secret_post", "client_secret_basic", "private_key_jwt", "none"] as const;

/** The values of the options that {@link withGrantOptions} adds. */
export interface GrantOptions extends ServerOptions, StateOption {
  grant: (typeof GRANTS)[number];
  clientId?: string;
  clientAuth?: (typeof AUTH_METHODS)[number];
  clientSecretFile?: string;
  clientKey?: string;
  clientPublicKey?: string;
  keyId?: string;
  refreshTokenFile?: string;
  scope?: string;
  resource?: string[];
  requireBinding?: true;
}

/** Adds the options of a token request to a command. */
export function withGrantOptions(command: Command): Command {
  return withStateOption(withProofOptions(command))
    .option("--issuer <url>", "authorization server, configured by its metadata (RFC 8414)")
    .option("--base-url <url>", "authorization server with the token endpoint <url>/oauth/token")
    .option("--grant <grant>", GRANTS.join(", "), oneOf("--grant", GRANTS), "client_credentials")
    .option("--client-id <id>", "OAuth client ID (or HARDPROOF_CLIENT_ID)")
    .option("--client-auth <method>", AUTH_METHODS.join(", "), oneOf("--client-auth", AUTH_METHODS))
    .option("--client-secret-file <path>", "file with the client secret, - for stdin (or HARDPROOF_CLIENT_SECRET)")
    .option("--client-key <uri>", "key that signs for private_key_jwt (default: the token's key)")
    .option("--client-public-key <file>", "its public key, as for --public-key")
    .option("--key-id <kid>", "kid of that key at the server (default: its thumbprint)")
    .option("--refresh-token-file <path>", "file with the refresh token, - for stdin (or HARDPROOF_REFRESH_TOKEN)")
    .option("--scope <scope>", "requested scope, space-separated")
    .option("--resource <url>", "resource that the token is for (RFC 8707, repeatable)", collect)
    .option("--require-binding", "reject a token if the server doesn't confirm which key it is bound to")
    .option("--allow-insecure", "allow http: URLs for hosts other than this machine");
}

/**
 * Requests one token. Secrets are read from the sources that the options name.
 *
 * @param url - The resource that the token is for. It is asked for its server if the options don't name one.
 * @throws {UsageError} If an option is missing or can't be used.
 */
export async function requestToken(
  options: GrantOptions,
  dpopProver: DPoPProver,
  context: Context,
  url?: URL,
): Promise<Token> {
  const { io } = context;
  const clientId = options.clientId ?? io.env.HARDPROOF_CLIENT_ID;
  if (!clientId) throw new UsageError("Pass the client ID with --client-id, or set HARDPROOF_CLIENT_ID.");
  const clientSecret = await readClientSecret(options, io);
  const { scope, requireBinding } = options;
  const request = { dpopProver, clientId, clientSecret, scope, requireBinding, signal: io.signal };
  const assertionKey = await openClientKey(options);
  try {
    const clientAuth = clientAuthFor(options, assertionKey ?? dpopProver.signer);
    const target = url && { url, identifier: options.resource?.[0] };
    const { client, resource } = await findServer(options, clientAuth, context, target);
    return await sendGrant(client, { ...request, resource: options.resource ?? resource }, options, context);
  } finally {
    await assertionKey?.close();
  }
}

async function openClientKey({ clientKey, clientPublicKey }: GrantOptions): Promise<Signer | undefined> {
  if (clientKey === undefined) return undefined;
  return openKey(clientKey, { publicKey: clientPublicKey }, "--client-public-key");
}

function readClientSecret({ clientAuth, clientSecretFile }: GrantOptions, io: Io): Promise<string | undefined> {
  const withoutSecret = clientAuth === "none" || clientAuth === "private_key_jwt";
  const defaultEnv = withoutSecret ? undefined : "HARDPROOF_CLIENT_SECRET";
  return readSecret({ name: "The client secret", file: clientSecretFile, defaultEnv }, io);
}

function clientAuthFor({ clientAuth, keyId }: GrantOptions, signer: DPoPProver["signer"]): ClientAuth | undefined {
  return clientAuth === "private_key_jwt" ? { method: clientAuth, signer, keyId } : clientAuth;
}

async function sendGrant(
  client: OAuthClient,
  request: GrantRequest,
  { grant, refreshTokenFile }: GrantOptions,
  context: Context,
) {
  if (grant === "device_code") return deviceCode(client, request, context);
  if (grant === "client_credentials") return client.clientCredentials(request);
  const source = { name: "The refresh token", file: refreshTokenFile, defaultEnv: "HARDPROOF_REFRESH_TOKEN" };
  const refreshToken = await readSecret(source, context.io);
  if (refreshToken !== undefined) return client.refresh({ ...request, refreshToken });
  throw new UsageError("Pass the refresh token with --refresh-token-file, or set HARDPROOF_REFRESH_TOKEN.");
}

/** The user code goes to standard error, even with `--json`, because the user must enter it. */
function deviceCode(client: OAuthClient, request: GrantRequest, { output }: Context): Promise<Token> {
  return client.deviceCode({
    ...request,
    show: ({ userCode, verificationUri, verificationUriComplete }) => {
      output.prompt(`Open ${verificationUri} and enter ${userCode}`);
      if (verificationUriComplete !== null) output.prompt(`or open ${verificationUriComplete}`);
    },
  });
}
