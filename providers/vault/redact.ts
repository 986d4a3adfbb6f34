/** Redacts the secrets of a request from what the server, a proxy or `fetch` repeats of it. */

/** Characters of the server's errors that a message repeats. */
const MAX_TEXT = 300;
/** Characters. The shortest secret whose base64 is redacted: that of a shorter one may be part of other text. */
const MIN_BASE64 = 6;

/**
 * Returns the text on one line, at most 300 characters of it, without the secrets in any spelling that JSON, a URL or
 * base64 has.
 *
 * OpenBao's AppRole, for one, quotes a secret id that has been used up.
 */
export function redact(text: string, secrets: readonly string[]): string {
  const spellings = secrets.flatMap(spellingsOf).sort((a, b) => b.length - a.length);
  const redacted = spellings.reduce((rest, spelling) => rest.replaceAll(spelling, "[redacted]"), text);
  return redacted
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim()
    .slice(0, MAX_TEXT);
}

function spellingsOf(secret: string): string[] {
  if (secret === "") return [];
  const bytes = Buffer.from(secret);
  const base64 = [bytes.toString("base64").replace(/=+$/, ""), bytes.toString("base64url")];
  const plain = [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), bytes.toString("hex")];
  return secret.length < MIN_BASE64 ? plain : [...plain, ...base64];
}
