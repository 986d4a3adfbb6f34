/** Where a server's endpoints are: named by its metadata (RFC 8414 §2), by path below a base URL, or by the caller. */
import { misconfigured } from "./assert.js";
import type { ServerMetadata } from "./server-metadata.js";
import { checkBaseUrl, checkServerUrl, type UrlTrust } from "./server-url.js";

export type EndpointName =
  | "authorization"
  | "token"
  | "revocation"
  | "introspection"
  | "pushedAuthorizationRequest"
  | "deviceAuthorization";

export interface EndpointOptions extends UrlTrust {
  /** The authorization server; its token endpoint is `/oauth/token` below it. `https:`, or `http:` on loopback. */
  baseUrl: string | URL;
  /** What the server says of itself: its endpoints are taken from here, and no path is guessed. See `discover`. */
  metadata?: ServerMetadata | undefined;
  /** Endpoints that are elsewhere: a path from the base URL (`/token`), or a whole URL. */
  endpoints?: Partial<Record<EndpointName, string | URL>> | undefined;
}

const PATHS: Record<EndpointName, string> = {
  authorization: "/oauth/authorize",
  token: "/oauth/token",
  revocation: "/oauth/revoke",
  introspection: "/oauth/introspect",
  pushedAuthorizationRequest: "/oauth/par",
  deviceAuthorization: "/oauth/device",
};

const IN_METADATA = {
  authorization: "authorization_endpoint",
  token: "token_endpoint",
  revocation: "revocation_endpoint",
  introspection: "introspection_endpoint",
  pushedAuthorizationRequest: "pushed_authorization_request_endpoint",
  deviceAuthorization: "device_authorization_endpoint",
} as const satisfies Record<EndpointName, keyof ServerMetadata>;

/** The endpoints of one server. */
export class Endpoints {
  /** Where paths start from: no slash at its end. */
  readonly base: string;
  readonly #options: EndpointOptions;
  readonly #mutualTls: boolean;

  /**
   * @param mutualTls - takes the server's `mtls_endpoint_aliases` (RFC 8705 §5)
   * @throws {OAuthError} code `misconfigured` for a URL that no secret should be sent to
   */
  constructor(options: EndpointOptions, { mutualTls }: { mutualTls: boolean }) {
    this.base = checkBaseUrl("baseUrl", options.baseUrl, options);
    this.#options = options;
    this.#mutualTls = mutualTls;
    for (const name of Object.keys(PATHS) as EndpointName[]) this.#find(name);
  }

  /** @throws {OAuthError} code `misconfigured` if the server's metadata has no such endpoint */
  url(name: EndpointName): URL {
    const url = this.#find(name);
    if (url) return url;
    throw misconfigured(`${this.#options.metadata?.issuer} names no ${IN_METADATA[name]} in its metadata.`);
  }

  #find(name: EndpointName): URL | undefined {
    const given = this.#options.endpoints?.[name];
    if (typeof given === "string" && given.startsWith("/"))
      return checkServerUrl(`endpoints.${name}`, this.base + given, this.#options);
    if (given !== undefined) return checkServerUrl(`endpoints.${name}`, given, this.#options);
    const { metadata } = this.#options;
    if (metadata === undefined) return new URL(this.base + PATHS[name]);
    const key = IN_METADATA[name];
    const named = (this.#mutualTls ? metadata.mtls_endpoint_aliases?.[key] : undefined) ?? metadata[key];
    return named === undefined ? undefined : checkServerUrl(key, named, this.#options);
  }
}
