/**
 * A GitHub App whose private key is in an HSM: the `createJwt` of @octokit/auth-app.
 *
 * ```ts
 * const octokit = new Octokit({
 *   authStrategy: createAppAuth,
 *   auth: { appId, installationId, createJwt: githubAppJwt(signer) },
 * });
 * ```
 *
 * The key must be for RS256. GitHub generates the key of an app and shows it once: import it into the store, and delete
 * the file.
 */
import { type Signer, signJwt } from "hardproof";

/** Seconds before now at which a JWT starts, for a server whose clock is behind. GitHub recommends 60. */
const CLOCK_SKEW = 60;
/** Seconds from now to the end of a JWT. GitHub allows 600 of its own clock. */
const LIFETIME = 540;

/** A JWT for GitHub, and when it expires (ISO 8601). */
interface AppJwt {
  jwt: string;
  expiresAt: string;
}

/** Returns the `createJwt` for an app. @octokit/auth-app measures `timeDifference` (seconds) if GitHub's clock differs. */
export function githubAppJwt(signer: Signer): (appId: string | number, timeDifference?: number) => Promise<AppJwt> {
  return async (appId, timeDifference = 0) => {
    const now = Math.floor(Date.now() / 1000) + timeDifference;
    const exp = now + LIFETIME;
    const jwt = await signJwt(signer, { iss: appId, iat: now - CLOCK_SKEW, exp });
    return { jwt, expiresAt: new Date(exp * 1000).toISOString() };
  };
}
