/** Assertions that are made elsewhere, under a security profile: their header and audience are read, not verified. */
import { decodePart } from "../jose/json-object.js";
import { ALGORITHMS, forbidden, type Profile } from "./profile.js";

/**
 * Checks a client assertion (FAPI 2.0 Security Profile §5.3.3.1, §5.4.1).
 *
 * @param issuer - The server's issuer identifier, which must be the assertion's only audience.
 * @throws {OAuthError} With code `misconfigured` if the profile doesn't allow it. The message doesn't contain the assertion.
 */
export function assertProfiledAssertion(profile: Profile | undefined, assertion: unknown, issuer: string): void {
  if (profile === undefined) return;
  const [header, claims] = String(assertion).split(".").map(decodePart);
  if (!ALGORITHMS.includes(String(header?.alg)))
    throw forbidden(profile, `allows only ${ALGORITHMS.join(", ")}. The assertion of clientAuth is signed otherwise`);
  if (claims?.aud !== issuer)
    throw forbidden(
      profile,
      `requires the issuer, ${issuer}, as the audience of client assertions. That of clientAuth differs`,
    );
}
