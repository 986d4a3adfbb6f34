/** `hardproof register`: registers a client with the public key of a hardware key (RFC 7591). */
import type { Command } from "commander";
import type { ClientMetadata, ClientRegistration } from "../../index.js";
import { type Context, newCommand, oneOf } from "../context.js";
import { UsageError } from "../exit-codes.js";
import { findServer, type ServerOptions } from "../find-server.js";
import { keyUri } from "../key-uri.js";
import { openKey, type PublicKeyOption, rejectWithoutKey, withPublicKeyOption } from "../open-key.js";
import { newSecretFile } from "../output-file.js";
import { type MetadataOptions, registrationMetadata, withMetadataOptions } from "../registration-metadata.js";
import { readSecret } from "../secrets.js";
import { withTimeoutOption } from "../timeout-option.js";
import { readTokenSecret } from "../token-secret.js";

const AUTH_METHODS = ["private_key_jwt", "client_secret_basic", "client_secret_post", "none"] as const;

interface RegisterOptions extends ServerOptions, MetadataOptions, PublicKeyOption {
  key?: string;
  clientAuth?: (typeof AUTH_METHODS)[number];
  initialAccessTokenFile?: string;
  softwareStatementFile?: string;
  output?: string;
}

/** The default. Other methods don't use a key. */
const KEY_METHOD = "private_key_jwt";

/** Returns the command `register`. */
export function register(context: Context): Command {
  const command = newCommand("register", "register a client with its public key, and print its client ID (RFC 7591)")
    .option("--issuer <url>", "authorization server, configured by its metadata (RFC 8414)")
    .option("--base-url <url>", "authorization server with the registration endpoint <url>/oauth/register")
    .option("--key <uri>", "URI of the key (or HARDPROOF_KEY)")
    .option("--client-auth <method>", AUTH_METHODS.join(", "), oneOf("--client-auth", AUTH_METHODS))
    .option(
      "--initial-access-token-file <path>",
      "file with the token that allows it, - for stdin (or HARDPROOF_INITIAL_ACCESS_TOKEN)",
    )
    .option("--software-statement-file <path>", "file with a software statement")
    .option("-o, --output <path>", "write the whole response, with its secrets, to this new file (mode 0600)")
    .option("--allow-insecure", "allow http: URLs for hosts other than this machine");
  const withOptions = withMetadataOptions(withPublicKeyOption(command));
  return withTimeoutOption(withOptions, "server", "store").action((options: RegisterOptions) => run(options, context));
}

async function run(options: RegisterOptions, context: Context): Promise<void> {
  const { output } = context;
  const requested = await registrationMetadata(options);
  const method = options.clientAuth ?? requested.token_endpoint_auth_method ?? KEY_METHOD;
  const metadata = { ...requested, token_endpoint_auth_method: method };
  assertSecretIsKept(method, options.output !== undefined || output.json);
  if (method !== KEY_METHOD) rejectWithoutKey(options, `a key, but only ${KEY_METHOD} registers one`);
  const file = options.output === undefined ? undefined : await newSecretFile(options.output);
  try {
    const registration = await send(metadata, options, context);
    await file?.write(`${JSON.stringify(registration.raw, undefined, 2)}\n`);
    print(registration, method, file !== undefined, context);
  } catch (error) {
    await file?.remove();
    throw error;
  }
}

/** The server sends the secret once. */
function assertSecretIsKept(method: unknown, isKept: boolean): void {
  if (isKept || !String(method).startsWith("client_secret_")) return;
  throw new UsageError("The server issues a client secret once. Pass --output <path> to store it, or --json.");
}

async function send(metadata: ClientMetadata, options: RegisterOptions, context: Context): Promise<ClientRegistration> {
  const { io } = context;
  const { initialAccessTokenFile, softwareStatementFile } = options;
  const tokenSource = {
    fileOption: "--initial-access-token-file",
    file: initialAccessTokenFile,
    defaultEnv: "HARDPROOF_INITIAL_ACCESS_TOKEN",
  };
  const initialAccessToken = await readTokenSecret({ name: "The initial access token", ...tokenSource }, io);
  const softwareStatement = await readSecret(
    { name: "The software statement", fileOption: "--software-statement-file", file: softwareStatementFile },
    io,
  );
  const needsKey = metadata.token_endpoint_auth_method === KEY_METHOD;
  const signer = needsKey ? await openKey(keyUri(options.key, io), options, context) : undefined;
  try {
    const { client } = await findServer(options, undefined, context);
    return await client.register({ signer, metadata, initialAccessToken, softwareStatement, signal: io.signal });
  } finally {
    await signer?.close();
  }
}

/** @param requested - The authentication method that was requested. A server may register another one. */
function print(registration: ClientRegistration, requested: unknown, isStored: boolean, { output }: Context): void {
  const { clientId, clientSecret, registrationAccessToken, ...others } = registration;
  output.document({ clientId, clientSecret, registrationAccessToken, ...others });
  output.line(clientId);
  const registered = registration.metadata.token_endpoint_auth_method;
  output.note(
    registered === undefined
      ? `${requested} was requested. The server doesn't report how the client authenticates.`
      : `authenticates by ${registered}`,
  );
  if (!isStored && (clientSecret !== null || registrationAccessToken !== null))
    output.note("The response contains secrets for this client: use --output or --json to keep them.");
}
