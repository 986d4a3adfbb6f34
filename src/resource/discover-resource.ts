/** From a protected resource to a client of its authorization server (RFC 9728 §5). */
import { OAuthError } from "../errors.js";
import { assertObject, misconfigured } from "../oauth/assert.js";
import { parseMetadataUrl } from "../oauth/metadata-url.js";
import { type DiscoverOptions, OAuthClient } from "../oauth/oauth-client.js";
import { fetchResourceMetadata, type ResourceMetadata, type ResourceMetadataOptions } from "./resource-metadata.js";

/** Options of {@link discoverResource}: those of the client, and how to choose its server. */
export interface DiscoverResourceOptions extends DiscoverOptions, Pick<ResourceMetadataOptions, "resource"> {
  /**
   * The authorization server to use, which the resource's metadata must name, or a function that chooses one. Default:
   * the first one. Set it if the client has a secret: otherwise the resource decides which server receives the secret.
   */
  issuer?: string | ((issuers: readonly string[]) => string) | undefined;
}

/** A protected resource, and a client for it. */
export interface DiscoveredResource {
  /** The resource's identifier, for `resource` in a token request (RFC 8707). */
  readonly resource: string;
  /** The resource's metadata. */
  readonly metadata: ResourceMetadata;
  /** The issuer identifier of the authorization server that was chosen. */
  readonly issuer: string;
  /** A client of that server. It requires bound tokens if the resource does. */
  readonly client: OAuthClient;
}

/**
 * Finds the authorization server of a protected resource, and creates a client for it (RFC 9728, RFC 8414).
 *
 * @param target - The resource's URL, or a response of it with status 401. See {@link fetchResourceMetadata}.
 * @example
 * ```ts
 * const { client, resource } = await discoverResource("https://api.example.com/resource");
 * const token = await client.clientCredentials({ dpopProver: prover, clientId, clientSecret, resource });
 * ```
 * @throws {OAuthError} If the metadata of the resource or of the server can't be fetched or isn't valid, with code
 *   `invalid-response` if the resource doesn't name a server, `misconfigured` if it doesn't name the one in `issuer`.
 */
export async function discoverResource(
  target: string | URL | Response,
  options: DiscoverResourceOptions = {},
): Promise<DiscoveredResource> {
  const { issuer: choice, resource: identifier, ...clientOptions } = assertObject(options, "The options");
  const metadata = await fetchResourceMetadata(target, options);
  const { resource, dpop_bound_access_tokens_required: isBindingRequired } = metadata;
  const issuer = chooseIssuer(metadata, choice);
  const { allowInsecure, allowPrivateEndpoints = false } = options;
  parseMetadataUrl(issuer, "authorization_servers", resource, { allowInsecure, allowPrivateEndpoints });
  // A resource that doesn't require bound tokens mustn't turn off what a profile requires.
  const requireBinding = options.requireBinding ?? (isBindingRequired || undefined);
  const client = await OAuthClient.discover(issuer, { ...clientOptions, requireBinding });
  return { resource, metadata, issuer, client };
}

function chooseIssuer(
  { resource, authorization_servers: issuers = [] }: ResourceMetadata,
  choice: DiscoverResourceOptions["issuer"],
): string {
  const [first] = issuers;
  if (first === undefined) {
    const remedy = "Use OAuthClient.discover() with the issuer of its server.";
    throw new OAuthError(
      "invalid-response",
      `The metadata of ${resource} doesn't name an authorization server. ${remedy}`,
    );
  }
  const issuer = typeof choice === "function" ? choice(issuers) : (choice ?? first);
  if (issuers.includes(issuer)) return issuer;
  throw misconfigured(`issuer isn't an authorization server of ${resource}. Its servers are: ${issuers.join(", ")}.`);
}
