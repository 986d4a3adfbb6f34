/** The authorization server of a token request: from the options, or from the resource that the token is for. */
import { type DiscoverOptions, discoverResource, type NonceStore, OAuthClient, type Profile } from "../index.js";
import type { Context } from "./context.js";
import { isHardproofError, UsageError } from "./exit-codes.js";
import type { ProofOptions } from "./proof-options.js";
import { SERVER_TIMEOUT, type TimeoutOption } from "./timeout-option.js";
import {
  clientOfTokenEndpoint,
  type RequestedGrant,
  serverOptions,
  type TokenEndpointOption,
} from "./token-endpoint.js";

/** The options that name the server, and those of the proofs that it gets. */
export interface ServerOptions extends ProofOptions, TimeoutOption, TokenEndpointOption {
  issuer?: string;
  baseUrl?: string;
  profile?: Profile;
  allowInsecure?: true;
  /** The nonces of the server. */
  nonces?: NonceStore;
}

/** A client of the server. */
export interface FoundServer {
  readonly client: OAuthClient;
  /** The identifier of the resource whose metadata named the server. */
  readonly resource?: string | undefined;
}

/** The resource to ask for its server, if the options don't name one. */
export interface ResourceTarget {
  readonly url: URL;
  /** Its identifier, if it isn't the URL. */
  readonly identifier: string | undefined;
  /** Whether the server will receive a secret: a client secret, or a token that the user has. */
  readonly sendsSecret: boolean;
}

/**
 * Creates a client of the server.
 *
 * @param target - The resource to ask if the options don't name a server.
 * @throws {UsageError} If neither the options nor the resource name a server, or the resource must not name one.
 */
export async function findServer(
  options: ServerOptions & RequestedGrant,
  clientAuth: DiscoverOptions["clientAuth"],
  context: Context,
  target?: ResourceTarget,
): Promise<FoundServer> {
  const { issuer, baseUrl, tokenEndpoint, profile, allowInsecure, htu, nonces, timeout } = options;
  const { signal } = context.io;
  const clientOptions = { clientAuth, profile, allowInsecure, htu, nonces, timeout };
  const servers = { "--issuer": issuer, "--base-url": baseUrl, "--token-endpoint": tokenEndpoint };
  const [option, ...others] = Object.entries(servers).flatMap(([name, url]) => (url === undefined ? [] : [name]));
  if (others.length > 0) throw new UsageError(`Use only one of ${[option, ...others].join(" and ")}.`);
  if (option !== undefined && option !== "--issuer" && profile !== undefined)
    throw new UsageError(`--profile needs the server's metadata: use --issuer instead of ${option}.`);
  if (issuer !== undefined) return { client: await OAuthClient.discover(issuer, { ...clientOptions, signal }) };
  if (baseUrl !== undefined) return { client: new OAuthClient({ ...clientOptions, baseUrl }) };
  if (tokenEndpoint !== undefined) return { client: clientOfTokenEndpoint(tokenEndpoint, clientOptions) };
  const names = serverOptions(options);
  if (target === undefined) throw new UsageError(`Pass the authorization server with ${names}.`);
  if (target.sendsSecret) assertOnThisMachine(target.url, names);
  const found = await askResource(target, { ...clientOptions, signal }, names);
  if (target.sendsSecret) assertOnThisMachine(new URL(found.issuer), names);
  context.output.note(`authorization server ${found.issuer}, named by ${found.resource}`);
  return found;
}

/** Anyone can publish a resource: it must not decide who receives a secret, unless everything is on this machine. */
function assertOnThisMachine({ hostname, origin }: URL, names: string): void {
  if (/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)) return;
  const remedy = `Pass the server with ${names}, or use --client-auth private_key_jwt.`;
  throw new UsageError(`${origin} doesn't decide which server receives a client secret or a token. ${remedy}`);
}

/** Asks the resource by a request without a token, whose challenge may name its metadata (RFC 9728 §5). */
async function askResource(
  { url, identifier: resource }: ResourceTarget,
  options: DiscoverOptions,
  names: string,
): Promise<FoundServer & { readonly issuer: string }> {
  try {
    return await discoverResource((await challengeOf(url, options)) ?? url, { ...options, resource });
  } catch (error) {
    throw withRemedy(error, url, names);
  }
}

/** Returns a response with status 401. Any other result isn't an error: the metadata may be at the well-known URL. */
async function challengeOf(
  url: URL,
  { signal, timeout = SERVER_TIMEOUT }: DiscoverOptions,
): Promise<Response | undefined> {
  const limits = [AbortSignal.timeout(timeout), ...(signal ? [signal] : [])];
  try {
    const response = await fetch(url, { redirect: "manual", signal: AbortSignal.any(limits) });
    await response.body?.cancel();
    return response.status === 401 ? response : undefined;
  } catch {
    return undefined;
  }
}

/** A server that doesn't respond isn't a mistake of the command line. */
const NETWORK_CODES = ["unreachable", "timeout", "aborted"];

function withRemedy(error: unknown, { origin }: URL, names: string): unknown {
  if (!isHardproofError(error) || NETWORK_CODES.includes(error.code)) return error;
  const problem = `The authorization server of ${origin} wasn't found: ${error.message}`;
  const remedy = `Pass the server with ${names}, or the identifier of the resource with --resource.`;
  return new UsageError(`${problem} ${remedy}`, error);
}
