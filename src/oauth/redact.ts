/** Finds the secrets of a request, so that a server that repeats them does not get them into an error. */

/** What one request was sent with. */
interface Sent {
  form: URLSearchParams;
  /** Those that hold secrets. */
  headers: Readonly<Record<string, string>>;
  /** What is secret in itself, in whatever form it was sent. */
  secrets: readonly string[];
}

/** Fields that hold no secret: what else was sent is blotted out of the server's words, if it is long enough for one. */
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

/** Fields that hold a secret, however short it is: `client_secret`, `refresh_token`, `device_code`, `code_verifier`, … */
const SECRET_FIELD = /(^|_)(assertion|code|otp|passcode|passphrase|password|pin|secret|token|verifier)$/;

/** What is shorter, in a field of neither kind, is a word or a number that other words hold too: `en` is in `client`. */
const SHORTEST_SECRET = 8;

/** What was sent and must not be shown, as it is, form-encoded and in JSON. */
export function secretsOf({ form, headers, secrets }: Sent): string[] {
  const fields = [...form].filter(([name, value]) => isSecret(name, value)).map(([, value]) => value);
  const spelled = [...secrets, ...fields].flatMap((value) => [
    value,
    new URLSearchParams({ "": value }).toString().slice(1),
    JSON.stringify(value).slice(1, -1),
  ]);
  const words = Object.values(headers).flatMap((value) => [value, value.split(" ").at(-1) ?? ""]);
  return [...new Set([...spelled, ...words])].filter((secret) => secret !== "").sort((a, b) => b.length - a.length);
}

function isSecret(name: string, value: string): boolean {
  if (PUBLIC_FIELDS.has(name)) return false;
  return value.length >= SHORTEST_SECRET || SECRET_FIELD.test(name);
}
