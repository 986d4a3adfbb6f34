/** A registered client, as the server's response describes it (RFC 7591 §3.2.1, RFC 7592 §3). */
import { inspect } from "node:util";
import { OAuthError } from "../../errors.js";
import type { SuccessResponse } from "../authorization-server.js";
import { displayUrl, notJson } from "../http.js";
import { parseSeconds } from "../seconds.js";

/**
 * Client metadata (RFC 7591 §2), such as `client_name`, `redirect_uris`, `grant_types` and
 * `token_endpoint_auth_method`. Hardproof doesn't restrict it; members that a server doesn't know are ignored there.
 */
export type ClientMetadata = Readonly<Record<string, unknown>>;

/** What managing a registration needs (RFC 7592 §3). A {@link ClientRegistration} has it. */
export interface RegistrationAccess {
  /** The client's id. */
  readonly clientId: string;
  /** The client's secret, if it has one. An update repeats it. */
  readonly clientSecret?: string | null | undefined;
  /** The URL of the registration. */
  readonly registrationClientUri: string | null;
  /** The token for it. */
  readonly registrationAccessToken: string | null;
}

/**
 * A registered client. Its secrets aren't enumerable, so that `JSON.stringify`, a copy by spreading and `inspect` don't
 * contain them. Store `raw` where secrets are stored.
 */
export class ClientRegistration implements RegistrationAccess {
  /** The client's id. */
  readonly clientId: string;
  /** Seconds since 1970. `null` if the server doesn't report it. */
  readonly clientIdIssuedAt: number | null;
  /** Seconds since 1970. `null` if the secret doesn't expire, or there is none. */
  readonly clientSecretExpiresAt: number | null;
  /** The URL for managing the registration (RFC 7592). `null` if the server doesn't support that. */
  readonly registrationClientUri: string | null;
  /** The registered metadata. A server may change what was requested (RFC 7591 §3.2.1). */
  readonly metadata: ClientMetadata;
  /** The client's secret. `null` if the server didn't issue one, as for `private_key_jwt`. */
  declare readonly clientSecret: string | null;
  /** The token for managing the registration. `null` if the server didn't issue one. */
  declare readonly registrationAccessToken: string | null;
  /** The whole response, with its secrets. */
  declare readonly raw: Readonly<Record<string, unknown>>;

  /**
   * @param raw - The server's response.
   * @param clientId - Its `client_id`.
   * @param access - The registration before an update, whose response may omit the URL and the token.
   */
  constructor(raw: Readonly<Record<string, unknown>>, clientId: string, access?: RegistrationAccess) {
    this.clientId = clientId;
    this.clientIdIssuedAt = parseSeconds(raw.client_id_issued_at);
    this.clientSecretExpiresAt = parseSeconds(raw.client_secret_expires_at) || null;
    this.registrationClientUri = text(raw.registration_client_uri) ?? access?.registrationClientUri ?? null;
    this.metadata = Object.freeze(registeredMetadata(raw));
    const registrationAccessToken = text(raw.registration_access_token) ?? access?.registrationAccessToken ?? null;
    const secrets = { clientSecret: text(raw.client_secret), registrationAccessToken, raw };
    for (const [name, value] of Object.entries(secrets))
      Object.defineProperty(this, name, { value, enumerable: false });
  }

  /** Returns the text for `inspect`, without secrets. */
  [inspect.custom](): string {
    const { clientId, clientIdIssuedAt, clientSecretExpiresAt, metadata } = this;
    return `ClientRegistration ${inspect({ clientId, clientIdIssuedAt, clientSecretExpiresAt, metadata })}`;
  }
}

/**
 * Reads the server's response. Only `client_id` is required: the client is registered, and an optional member that is
 * malformed must not make the caller lose it.
 *
 * @throws {OAuthError} With code `invalid-response` if the response lacks `client_id`, or is about another client than
 *   `access`.
 */
export function parseRegistration({ url, body, response }: SuccessResponse, access?: RegistrationAccess) {
  const invalid = (problem: string) =>
    new OAuthError("invalid-response", `The response of ${displayUrl(url)} ${problem}.`, { response });
  if (body === undefined) throw notJson(url, response);
  const clientId = text(body.client_id);
  if (clientId === null) throw invalid("lacks client_id");
  if (access !== undefined && clientId !== access.clientId) throw invalid("is about another client");
  return new ClientRegistration(body, clientId, access);
}

/** What a response adds to the metadata, and what an update must not contain (RFC 7592 §2.2). */
const NOT_METADATA = new Set([
  "client_id",
  "client_secret",
  "client_id_issued_at",
  "client_secret_expires_at",
  "registration_access_token",
  "registration_client_uri",
  "software_statement",
]);

/** Returns the metadata in a response. */
function registeredMetadata(raw: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(raw).filter(([name]) => !NOT_METADATA.has(name)));
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
