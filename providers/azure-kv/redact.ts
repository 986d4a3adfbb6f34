/** Removes what could be a secret from the messages of the SDK, of credentials and of proxies, which may repeat requests. */

/** Environment variables of `@azure/identity` whose values are secrets. */
const SECRET_VARIABLES = [
  "AZURE_CLIENT_SECRET",
  "AZURE_CLIENT_CERTIFICATE_PASSWORD",
  "AZURE_PASSWORD",
  "IDENTITY_HEADER",
  "MSI_SECRET",
];
/** Bearer tokens, JWTs, and the secret parameters of a token request or response as a form or as JSON. */
const PATTERNS = [
  /\bBearer\s+[\w.~+/-]+=*/gi,
  /\beyJ[\w-]{10,}(\.[\w-]*)*/g,
  /\b(?:client_secret|client_assertion|password|access_token|refresh_token|assertion|secret)(?:=|"?\s*:\s*"?)[^\s&",})]+/gi,
];
/** Shorter values aren't secrets, but would be found in ordinary words. */
const MIN_SECRET = 6;

/** Returns the text with `…` instead of secrets. */
export function redact(text: string): string {
  const values = SECRET_VARIABLES.flatMap((name) => process.env[name] ?? []).filter(
    ({ length }) => length >= MIN_SECRET,
  );
  const spellings = values.flatMap((value) => [value, encodeURIComponent(value)]);
  const withoutValues = spellings.reduce((redacted, spelling) => redacted.replaceAll(spelling, "…"), text);
  return PATTERNS.reduce((redacted, pattern) => redacted.replace(pattern, "…"), withoutValues);
}
