/** The challenge of a server that rejects an access token (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1). */
import { type Challenge, parseChallenges } from "./www-authenticate.js";

/** What a server that rejects an access token asks for. A member is `null` if the challenge doesn't contain it. */
export interface AccessChallenge {
  /** The scheme, in lower case: `dpop` or `bearer`. */
  readonly scheme: "dpop" | "bearer";
  /** The error code, such as `invalid_token`, `insufficient_scope` or `insufficient_user_authentication`. */
  readonly error: string | null;
  /** The server's description of the error. */
  readonly errorDescription: string | null;
  /** The scopes that the request needs, separated by spaces (RFC 6750 §3). */
  readonly scope: string | null;
  /** The authentication contexts that the server accepts, in order of preference, separated by spaces (RFC 9470 §3). */
  readonly acrValues: string | null;
  /** Seconds. The largest time since the user was authenticated that the server accepts (RFC 9470 §3). */
  readonly maxAge: number | null;
  /** The URL of the protected resource's metadata (RFC 9728 §5.1). */
  readonly resourceMetadata: string | null;
  /** All parameters, by their names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Returns the most specific challenge: one with an error, and of these one for DPoP. */
export function accessChallenge(headers: Headers): AccessChallenge | undefined {
  const challenges = parseChallenges(headers.get("www-authenticate") ?? "").filter(isForToken);
  const withError = challenges.filter(({ parameters }) => parameters.has("error"));
  const candidates = withError.length > 0 ? withError : challenges;
  const challenge = candidates.find(({ scheme }) => scheme === "dpop") ?? candidates[0];
  return challenge && toAccessChallenge(challenge);
}

type TokenChallenge = Challenge & { readonly scheme: "dpop" | "bearer" };

function isForToken(challenge: Challenge): challenge is TokenChallenge {
  return challenge.scheme === "dpop" || challenge.scheme === "bearer";
}

function toAccessChallenge({ scheme, parameters }: TokenChallenge): AccessChallenge {
  const value = (name: string) => parameters.get(name) ?? null;
  const maxAge = value("max_age") ?? "";
  return {
    scheme,
    error: value("error"),
    errorDescription: value("error_description"),
    scope: value("scope"),
    acrValues: value("acr_values"),
    maxAge: /^\d{1,10}$/.test(maxAge) ? Number(maxAge) : null,
    resourceMetadata: value("resource_metadata"),
    parameters: Object.fromEntries(parameters),
  };
}
