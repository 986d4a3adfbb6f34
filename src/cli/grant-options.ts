/** The options by which a command asks an authorization server for a token, and the asking. */
import type { Command } from "commander";
import { type ClientAuth, type DPoPProver, type GrantRequest, OAuthClient, openSigner, type Token } from "../index.js";
import { type Context, oneOf, several } from "./context.js";
import { UsageError } from "./exit-codes.js";
import type { World } from "./io.js";
import { readSecret } from "./secrets.js";

const GRANTS = ["client_credentials", "device_code", "refresh_token"] as const;
const AUTH_METHODS = ["client_secret_post", "client_secret_basic", "private_key_jwt", "none"] as const;

export interface GrantOptions {
  issuer?: string;
  baseUrl?: string;
  grant: (typeof GRANTS)[number];
  clientId?: string;
  clientAuth?: (typeof AUTH_METHODS)[number];
  clientSecretFile?: string;
  clientKey?: string;
  keyId?: string;
  refreshTokenFile?: string;
  scope?: string;
  resource?: string[];
  requireBinding?: true;
  allowInsecure?: true;
}

export function withGrantOptions(command: Command): Command {
  return command
    .option("--issuer <url>", "the authorization server, found by its metadata (RFC 8414)")
    .option("--base-url <url>", "the authorization server whose token endpoint is <url>/oauth/token")
    .option("--grant <grant>", GRANTS.join(", "), oneOf("--grant", GRANTS), "client_credentials")
    .option("--client-id <id>", "the OAuth client; or HARDPROOF_CLIENT_ID")
    .option("--client-auth <method>", AUTH_METHODS.join(", "), oneOf("--client-auth", AUTH_METHODS))
    .option("--client-secret-file <path>", "a file with its secret, - for standard input; or HARDPROOF_CLIENT_SECRET")
    .option("--client-key <uri>", "for private_key_jwt: the key that signs, if it is not the token's own")
    .option("--key-id <kid>", "for private_key_jwt: the name under which the server knows that key")
    .option("--refresh-token-file <path>", "for refresh_token; - for standard input; or HARDPROOF_REFRESH_TOKEN")
    .option("--scope <scope>", "what the token may do, space-separated")
    .option("--resource <url>", "where the token is to be used (repeat for more)", several)
    .option("--require-binding", "refuse a token that does not say which key it is bound to")
    .option("--allow-insecure", "take http: for hosts that are not this machine");
}

/** Asks once. Secrets come from where the options say. */
export async function requestToken(options: GrantOptions, dpopProver: DPoPProver, context: Context): Promise<Token> {
  const { world } = context;
  const clientId = options.clientId ?? world.env.HARDPROOF_CLIENT_ID;
  if (!clientId) throw new UsageError("Name the client by --client-id, or in HARDPROOF_CLIENT_ID.");
  const clientSecret = await clientSecretOf(options, world);
  const { scope, resource, requireBinding } = options;
  const request = { dpopProver, clientId, clientSecret, scope, resource, requireBinding, signal: world.signal };
  const assertionKey = options.clientKey === undefined ? undefined : await openSigner(options.clientKey);
  try {
    const clientAuth = clientAuthOf(options, assertionKey ?? dpopProver.signer);
    return await granted(await clientOf(options, clientAuth, world), request, options, context);
  } finally {
    await assertionKey?.close();
  }
}

function clientSecretOf({ clientAuth, clientSecretFile }: GrantOptions, world: World): Promise<string | undefined> {
  const secretless = clientAuth === "none" || clientAuth === "private_key_jwt";
  const defaultEnv = secretless ? undefined : "HARDPROOF_CLIENT_SECRET";
  return readSecret({ name: "The client secret", file: clientSecretFile, defaultEnv }, world);
}

function clientAuthOf({ clientAuth, keyId }: GrantOptions, signer: DPoPProver["signer"]): ClientAuth | undefined {
  return clientAuth === "private_key_jwt" ? { method: clientAuth, signer, keyId } : clientAuth;
}

async function clientOf(options: GrantOptions, clientAuth: ClientAuth | undefined, { signal }: World) {
  const { issuer, baseUrl, allowInsecure } = options;
  if (issuer !== undefined && baseUrl !== undefined) throw new UsageError("Give --issuer or --base-url, not both.");
  if (issuer !== undefined) return OAuthClient.discover(issuer, { clientAuth, allowInsecure, signal });
  if (baseUrl !== undefined) return new OAuthClient({ baseUrl, clientAuth, allowInsecure });
  throw new UsageError("Name the authorization server by --issuer or --base-url.");
}

async function granted(
  client: OAuthClient,
  request: GrantRequest,
  { grant, refreshTokenFile }: GrantOptions,
  context: Context,
) {
  if (grant === "device_code") return byDevice(client, request, context);
  if (grant === "client_credentials") return client.clientCredentials(request);
  const source = { name: "The refresh token", file: refreshTokenFile, defaultEnv: "HARDPROOF_REFRESH_TOKEN" };
  const refreshToken = await readSecret(source, context.world);
  if (refreshToken !== undefined) return client.refresh({ ...request, refreshToken });
  throw new UsageError("Give the refresh token by --refresh-token-file, or in HARDPROOF_REFRESH_TOKEN.");
}

/** What somebody has to be told is shown with `--json` too, on standard error. */
function byDevice(client: OAuthClient, request: GrantRequest, { output }: Context): Promise<Token> {
  return client.deviceCode({
    ...request,
    show: ({ userCode, verificationUri, verificationUriComplete }) => {
      output.prompt(`Open ${verificationUri} and enter ${userCode}`);
      if (verificationUriComplete !== null) output.prompt(`or open ${verificationUriComplete}`);
    },
  });
}
