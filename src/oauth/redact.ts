/** Redacts a request's secrets from its response, so that a server that repeats them can't leak them into an error. */

/** Replaces each secret of one request by `[redacted]`. */
export type Redact = (text: string) => string;

/** The parts of a request that can contain secrets. */
export interface SentRequest {
  form: URLSearchParams;
  /** Only headers that contain secrets. */
  headers: Readonly<Record<string, string>>;
  /** Secrets that the form or the headers may contain in encoded form, such as a client secret. */
  secrets: readonly string[];
}

/** Fields that never contain a secret. */
const PUBLIC_FIELDS = new Set([
  "acr_values",
  "actor_token_type",
  "audience",
  "client_assertion_type",
  "client_id",
  "code_challenge_method",
  "dpop_jkt",
  "grant_type",
  "max_age",
  "prompt",
  "redirect_uri",
  "requested_token_type",
  "resource",
  "response_mode",
  "response_type",
  "scope",
  "subject_token_type",
  "token_type_hint",
  "ui_locales",
]);

/** Fields that always contain a secret, however short, such as `client_secret`, `device_code` and `code_verifier`. */
const SECRET_FIELD = /(^|_)(assertion|code|otp|passcode|passphrase|password|pin|secret|token|verifier)$/;

/**
 * Characters. The shortest value of any other field that is redacted. A shorter value is more likely a word or a
 * number, and may be part of other words: `en` is part of `client`.
 */
const MIN_SECRET = 8;

/** Creates the function that redacts this request's secrets: as they are, form-encoded, and escaped as in JSON. */
export function redactor(request: SentRequest): Redact {
  const secrets = secretsOf(request);
  return (text) => secrets.reduce((redacted, secret) => redacted.replaceAll(secret, "[redacted]"), text);
}

/** Returns the secrets, the longest first, since a secret may be part of another one. */
function secretsOf({ form, headers, secrets }: SentRequest): string[] {
  const fields = [...form].filter(([name, value]) => isSecret(name, value)).map(([, value]) => value);
  const encoded = [...secrets, ...fields].flatMap(encodingsOf);
  const credentials = Object.values(headers).flatMap((value) => [value, value.split(" ").at(-1) ?? ""]);
  const all = new Set([...encoded, ...credentials]);
  return [...all].filter((secret) => secret !== "").sort((a, b) => b.length - a.length);
}

function isSecret(name: string, value: string): boolean {
  if (PUBLIC_FIELDS.has(name)) return false;
  return value.length >= MIN_SECRET || SECRET_FIELD.test(name);
}

function encodingsOf(value: string): string[] {
  const formEncoded = new URLSearchParams({ "": value }).toString().slice(1);
  const jsonEscaped = JSON.stringify(value).slice(1, -1);
  return [value, formEncoded, jsonEscaped];
}
