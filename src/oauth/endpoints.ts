/**
 * The URLs of a server's endpoints: from its metadata (RFC 8414 §2), from the options, or default paths of a base URL.
 */
import { misconfigured } from "./assert.js";
import { type MetadataTrust, parseMetadataUrl } from "./metadata-url.js";
import type { ServerMetadata } from "./server-metadata.js";
import { parseBaseUrl, parseServerUrl } from "./server-url.js";

/** The endpoints that the client uses. */
export type EndpointName =
  | "authorization"
  | "token"
  | "revocation"
  | "introspection"
  | "pushedAuthorizationRequest"
  | "deviceAuthorization"
  | "registration"
  | "backchannelAuthentication";

/** Where a server's endpoints are. */
export interface EndpointOptions extends MetadataTrust {
  /** The server's URL, which endpoint paths are appended to. Must be `https:`, or `http:` on loopback. */
  baseUrl: string | URL;
  /** The server's metadata. With it, endpoints come only from here and `endpoints`: default paths aren't used. */
  metadata?: ServerMetadata | undefined;
  /** Endpoints that differ from the metadata or the default paths: a path (`/token`) or an absolute URL. */
  endpoints?: Partial<Record<EndpointName, string | URL>> | undefined;
}

const DEFAULT_PATHS: Record<EndpointName, string> = {
  authorization: "/oauth/authorize",
  token: "/oauth/token",
  revocation: "/oauth/revoke",
  introspection: "/oauth/introspect",
  pushedAuthorizationRequest: "/oauth/par",
  deviceAuthorization: "/oauth/device",
  registration: "/oauth/register",
  backchannelAuthentication: "/oauth/bc-authorize",
};

const METADATA_NAMES = {
  authorization: "authorization_endpoint",
  token: "token_endpoint",
  revocation: "revocation_endpoint",
  introspection: "introspection_endpoint",
  pushedAuthorizationRequest: "pushed_authorization_request_endpoint",
  deviceAuthorization: "device_authorization_endpoint",
  registration: "registration_endpoint",
  backchannelAuthentication: "backchannel_authentication_endpoint",
} as const satisfies Record<EndpointName, keyof ServerMetadata>;

/** The endpoints of one server. The options are read once. */
export class Endpoints {
  /** The base URL, without a trailing slash. */
  readonly base: string;
  readonly #issuer: string | undefined;
  readonly #urls = new Map<EndpointName, URL>();

  /**
   * @param mutualTls - Whether to use the server's `mtls_endpoint_aliases` (RFC 8705 §5).
   * @throws {OAuthError} With code `misconfigured` if secrets must not be sent to one of the URLs.
   */
  constructor(options: EndpointOptions, { mutualTls }: { mutualTls: boolean }) {
    this.base = parseBaseUrl(options.baseUrl, "baseUrl", options);
    this.#issuer = options.metadata?.issuer;
    for (const name of Object.keys(DEFAULT_PATHS) as EndpointName[]) {
      const url = this.#find(name, options, mutualTls);
      if (url) this.#urls.set(name, url);
    }
  }

  /** @throws {OAuthError} With code `misconfigured` if the server's metadata lacks the endpoint. */
  url(name: EndpointName): URL {
    const url = this.#urls.get(name);
    if (url) return new URL(url);
    throw misconfigured(`The metadata of ${this.#issuer} lacks ${METADATA_NAMES[name]}. See the option endpoints.`);
  }

  #find(name: EndpointName, options: EndpointOptions, mutualTls: boolean): URL | undefined {
    const { metadata, endpoints } = options;
    const option = endpoints?.[name];
    if (typeof option === "string" && option.startsWith("/"))
      return parseServerUrl(this.base + option, `endpoints.${name}`, options);
    if (option !== undefined) return parseServerUrl(option, `endpoints.${name}`, options);
    if (metadata === undefined) return new URL(this.base + DEFAULT_PATHS[name]);
    const key = METADATA_NAMES[name];
    // The user's browser opens the authorization endpoint, without the client's certificate.
    const usesAlias = mutualTls && name !== "authorization";
    const url = (usesAlias ? metadata.mtls_endpoint_aliases?.[key] : undefined) ?? metadata[key];
    return url === undefined ? undefined : parseMetadataUrl(url, key, metadata.issuer, options);
  }
}
