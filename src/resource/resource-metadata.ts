/** Metadata of protected resources (RFC 9728): where it is, and whether it is that of the expected resource. */
import { OAuthError } from "../errors.js";
import type { SignOptions } from "../keystore/signer.js";
import { assertFetch, assertObject, assertTimeout, misconfigured } from "../oauth/assert.js";
import { displayUrl, withTimeLimit } from "../oauth/http.js";
import { deepFreeze } from "../oauth/server-metadata.js";
import { DEFAULT_TIMEOUT } from "../oauth/server-options.js";
import { parseServerUrl, type UrlTrust } from "../oauth/server-url.js";
import { resourceMetadataUrl } from "../oauth/well-known.js";
import { fetchFirstDocument } from "../oauth/well-known-document.js";
import { parseChallenges } from "../oauth/www-authenticate.js";

/**
 * Protected resource metadata (RFC 9728 §2). Only the members that Hardproof uses are typed; all others are unchanged.
 * `signed_metadata` isn't verified, and its claims don't replace any member.
 */
export interface ResourceMetadata {
  /** The resource's identifier, for `resource` in a token request (RFC 8707). */
  readonly resource: string;
  /** The issuer identifiers of the authorization servers that issue tokens for the resource. */
  readonly authorization_servers?: readonly string[] | undefined;
  /** Scopes of the resource. */
  readonly scopes_supported?: readonly string[] | undefined;
  /** How the resource accepts tokens: `header`, `body` or `query`. */
  readonly bearer_methods_supported?: readonly string[] | undefined;
  /** The JWS algorithms that the resource supports for DPoP proofs. */
  readonly dpop_signing_alg_values_supported?: readonly string[] | undefined;
  /** Whether the resource accepts only tokens that are bound by DPoP. */
  readonly dpop_bound_access_tokens_required?: boolean | undefined;
  readonly [name: string]: unknown;
}

/** Options of {@link fetchResourceMetadata}. */
export interface ResourceMetadataOptions extends UrlTrust, SignOptions {
  /**
   * The identifier that the metadata must contain, if it isn't the URL of the request: `https://api.example.com` for a
   * request to `https://api.example.com/accounts/7`. Default: that URL (RFC 9728 §3.3).
   */
  resource?: string | undefined;
  /** Milliseconds. Default: 10,000. */
  timeout?: number | undefined;
  /** A custom `fetch`, for example for a proxy or tests. Default: the global `fetch`. */
  fetch?: typeof fetch | undefined;
}

/** A resource, and the URL of its metadata. */
interface Location {
  readonly resource: URL;
  readonly url: URL;
  /** The spellings of the identifier that are accepted: as the caller wrote it, and as a URL. */
  readonly identifiers: readonly string[];
}

/**
 * Fetches the metadata of a protected resource (RFC 9728 §3).
 *
 * @param target - The resource's URL, or a response of the resource. The metadata is fetched from the URL in the
 *   `resource_metadata` parameter of the response's challenge (§5.1), which must have the resource's origin; otherwise
 *   from the resource's well-known URL (§3.1). The response's body isn't read.
 * @returns The metadata, frozen.
 * @throws {OAuthError} With code `misconfigured` if the URL can't be used, `invalid-response` if the metadata is
 *   malformed or that of another resource, or another code if it can't be fetched.
 */
export async function fetchResourceMetadata(
  target: string | URL | Response,
  options: ResourceMetadataOptions = {},
): Promise<ResourceMetadata> {
  const { timeout = DEFAULT_TIMEOUT, signal, fetch = globalThis.fetch } = assertObject(options, "The options");
  assertFetch(fetch);
  assertTimeout(timeout);
  const { resource, url, identifiers } = locate(target, options);
  const what = `The resource metadata of ${displayUrl(resource)}`;
  const isDocument = (object: Record<string, unknown>) => "resource" in object;
  const { body, response } = await withTimeLimit({ url, timeout, signal }, (deadline) =>
    fetchFirstDocument([url], { what, isDocument, fetch, signal: deadline.signal }),
  );
  const invalid = (problem: string) => new OAuthError("invalid-response", `${what} ${problem}.`, { response });
  return parseResourceMetadata(body, identifiers, invalid);
}

function locate(target: string | URL | Response, options: ResourceMetadataOptions): Location {
  const response = isResponse(target) ? target : undefined;
  const text = options.resource ?? (isResponse(target) ? target.url : String(target));
  if (text === "") throw misconfigured("The response has no URL. Pass the resource's identifier as resource.");
  const resource = parseServerUrl(text, "resource", options);
  const root = resource.pathname === "/" ? [resource.origin + resource.search] : [];
  const identifiers = [text, resource.href, ...root];
  const named = response && challengedUrl(response, resource, options);
  return { resource, url: named ?? resourceMetadataUrl(resource), identifiers };
}

/**
 * Returns the URL that the response's challenge names (RFC 9728 §5.1). Rejects another origin: anyone who can change
 * a response's header could otherwise make the client request any URL.
 */
function challengedUrl(response: Response, resource: URL, options: ResourceMetadataOptions): URL | undefined {
  const value = metadataParameter(response.headers.get("www-authenticate") ?? "");
  if (value === undefined) return undefined;
  const origins = [resource.origin, URL.canParse(response.url) ? new URL(response.url).origin : undefined];
  if (URL.canParse(value) && origins.includes(new URL(value).origin))
    return parseServerUrl(value, "resource_metadata", options);
  const message = `The challenge of ${displayUrl(resource)} names resource_metadata of another origin. It was not requested.`;
  throw new OAuthError("invalid-response", message, { response });
}

/**
 * Returns the `resource_metadata` of a `WWW-Authenticate` header. Any scheme can have it (RFC 9728 §5.1); that of a DPoP
 * challenge takes precedence.
 */
export function metadataParameter(header: string): string | undefined {
  const challenges = parseChallenges(header).toSorted(
    (a, b) => Number(b.scheme === "dpop") - Number(a.scheme === "dpop"),
  );
  return challenges.map(({ parameters }) => parameters.get("resource_metadata")).find((value) => value !== undefined);
}

/** Checks the types of the members and the identifier (RFC 9728 §3.3). */
function parseResourceMetadata(
  body: Record<string, unknown>,
  identifiers: readonly string[],
  invalid: (problem: string) => OAuthError,
): ResourceMetadata {
  const { resource } = body;
  if (typeof resource !== "string") throw invalid("contains resource with the wrong type");
  if (!identifiers.includes(resource)) {
    const other = JSON.stringify(resource).slice(0, 200);
    throw invalid(
      `is that of another resource, ${other}. If you expect that resource, pass its identifier as resource`,
    );
  }
  const members = Object.entries(body).filter(([, value]) => value !== null);
  const wrong = members.find(([name, value]) => !hasRightType(name, value))?.[0];
  if (wrong !== undefined) throw invalid(`contains ${wrong} with the wrong type`);
  return deepFreeze({ ...Object.fromEntries(members), resource });
}

/** RFC 9728 §2. */
const LISTS = new Set([
  "authorization_servers",
  "scopes_supported",
  "bearer_methods_supported",
  "dpop_signing_alg_values_supported",
]);

function hasRightType(name: string, value: unknown): boolean {
  if (LISTS.has(name)) return Array.isArray(value) && value.every((element) => typeof element === "string");
  return name !== "dpop_bound_access_tokens_required" || typeof value === "boolean";
}

/** Whether the target is a `Response`, of any `fetch` implementation. */
function isResponse(target: string | URL | Response): target is Response {
  return typeof target === "object" && target !== null && "headers" in target;
}
