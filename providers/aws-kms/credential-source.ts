/** Where the SDK found the credentials, in words. */
import type { FoundCredentials } from "./inspection.js";

/** By the SDK's names. A source in a profile has two of them, of which the first one here says more. */
const SOURCES: readonly (readonly [name: string, source: string])[] = [
  ["CREDENTIALS_CODE", "the configuration of the client"],
  ["CREDENTIALS_ENV_VARS_STS_WEB_ID_TOKEN", "a web identity token (AWS_WEB_IDENTITY_TOKEN_FILE)"],
  ["CREDENTIALS_ENV_VARS", "the environment (AWS_ACCESS_KEY_ID)"],
  ["CREDENTIALS_PROFILE_SSO", "an SSO login, PROFILE"],
  ["CREDENTIALS_PROFILE_SSO_LEGACY", "an SSO login, PROFILE"],
  ["CREDENTIALS_PROFILE_LOGIN", "`aws login`, PROFILE"],
  ["CREDENTIALS_PROFILE_PROCESS", "a credential_process, PROFILE"],
  ["CREDENTIALS_PROFILE_STS_WEB_ID_TOKEN", "a web identity token, PROFILE"],
  ["CREDENTIALS_PROFILE_SOURCE_PROFILE", "a role, PROFILE"],
  ["CREDENTIALS_PROFILE_NAMED_PROVIDER", "the source of PROFILE"],
  ["CREDENTIALS_PROFILE", "PROFILE"],
  ["CREDENTIALS_SSO", "an SSO login"],
  ["CREDENTIALS_PROCESS", "a credential_process, PROFILE"],
  ["CREDENTIALS_STS_ASSUME_ROLE_WEB_ID", "a web identity token"],
  ["CREDENTIALS_STS_ASSUME_ROLE", "a role"],
  ["CREDENTIALS_HTTP", "the credential server of the container"],
  ["CREDENTIALS_IMDS", "the EC2 instance metadata service"],
];
/** The SDK has no name for the instance metadata service in most of its versions. */
const UNNAMED = "another source, such as the EC2 instance metadata service";

/**
 * Describes credentials without showing them: `AKIA…MPLE from the environment (AWS_ACCESS_KEY_ID)`.
 *
 * @param profile - The name of the profile that the SDK reads.
 */
export function describeCredentials(credentials: FoundCredentials, profile: string): string {
  const { accessKeyId, source, expiration, accountId } = credentials;
  const found = SOURCES.find(([name]) => source.includes(name))?.[1] ?? UNNAMED;
  const from = found.replace("PROFILE", `the profile ${JSON.stringify(profile)}`);
  const account = accountId ? `, account ${accountId}` : "";
  const until = expiration ? `, until ${expiration.toISOString()}` : "";
  return `${shortened(accessKeyId)} from ${from}${account}${until}`;
}

/** An access key id isn't a secret, but a short one may be something else that was put in its place. */
function shortened(accessKeyId: string): string {
  return /^[A-Z0-9]{16,}$/.test(accessKeyId) ? `${accessKeyId.slice(0, 4)}…${accessKeyId.slice(-4)}` : "…";
}
