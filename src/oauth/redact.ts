/** Redacts a request's secrets from its response, so that a server that repeats them can't leak them into an error. */
import { type Decoding, decodingsOf } from "./decodings.js";

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

/** Characters. The shortest secret whose base64 is redacted: that of a shorter one may be part of other words. */
const MIN_BASE64 = 6;

/** Characters. The rest of a longer text is left out: to decode a page of 1 MiB would stop the event loop for seconds. */
export const MAX_TEXT = 8192;

/** Characters of the longest spelling of one character, such as percent-encoded JSON in HTML. */
const LONGEST_SPELLING = 16;

/**
 * Creates the function that redacts this request's secrets, in every spelling that a server may repeat. It returns at most
 * {@link MAX_TEXT} characters of the text.
 */
export function redactor(request: SentRequest): Redact {
  const secrets = secretsOf(request);
  // A secret may begin before the end of the text that is returned, and end after it.
  const overlap = LONGEST_SPELLING * Math.max(0, ...secrets.map(({ length }) => length));
  return (text) => {
    const searched = text.slice(0, MAX_TEXT + overlap);
    const ranges = decodingsOf(searched).flatMap((decoding) => rangesOf(secrets, decoding));
    return replaceRanges(searched, ranges);
  };
}

/** Returns the secrets as they are and in base64, which isn't an escape: it can't be found by decoding the text. */
function secretsOf({ form, headers, secrets }: SentRequest): string[] {
  const fields = [...form].filter(([name, value]) => isSecret(name, value)).map(([, value]) => value);
  const credentials = Object.values(headers).flatMap((value) => [value, value.split(" ").at(-1) ?? ""]);
  const plain = [...secrets, ...fields, ...credentials].filter((secret) => secret !== "");
  return [...new Set([...plain, ...plain.filter(({ length }) => length >= MIN_BASE64).flatMap(base64Of)])];
}

function isSecret(name: string, value: string): boolean {
  if (PUBLIC_FIELDS.has(name)) return false;
  return value.length >= MIN_SECRET || SECRET_FIELD.test(name);
}

/** Returns what a secret looks like in base64 and base64url, by its position in the encoded text. */
function base64Of(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const encoded = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64url");
    // The first and the last character may also encode bits of what stands beside the secret.
    const last = (offset + bytes.length) % 3 === 0 ? text.length : text.length - 1;
    return text.slice(Math.ceil((offset * 8) / 6), last);
  });
  const whole = bytes.toString("base64url");
  return [whole, ...encoded].flatMap((text) => [text, text.replaceAll("-", "+").replaceAll("_", "/")]);
}

type Range = readonly [start: number, end: number];

function rangesOf(secrets: readonly string[], { text, originOf }: Decoding): Range[] {
  const ranges: Range[] = [];
  for (const secret of secrets)
    for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + secret.length))
      ranges.push(originOf(at, at + secret.length));
  return ranges;
}

/** Replaces the ranges, and cuts the text. Ranges that overlap become one: a secret may be part of another one. */
function replaceRanges(text: string, ranges: readonly Range[]): string {
  let result = "";
  let position = 0;
  for (const [start, end] of [...ranges].sort(([a, aEnd], [b, bEnd]) => a - b || bEnd - aEnd)) {
    if (end <= position || start >= MAX_TEXT) continue;
    if (start >= position) result += `${text.slice(position, start)}[redacted]`;
    position = end;
  }
  return result + text.slice(position, MAX_TEXT);
}
