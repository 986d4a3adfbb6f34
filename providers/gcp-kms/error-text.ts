/** The words of the SDK's errors, fit for a message: without secrets and without the content of files and web pages. */

/** Characters. The longest lines of Google name two resources. */
const MAX_LENGTH = 400;

/** What Google's libraries, a proxy or a parser may repeat: pages, parts of files, keys, tokens and headers. */
const REDACTED: readonly (readonly [what: RegExp, by: string])[] = [
  [/<(?:!doctype|html|head|body|\?xml)\b[\s\S]*/i, "(an HTML page)"],
  // JSON.parse() repeats the characters around the wrong one: those of a credentials file, or of a token.
  [/(?:Unexpected token .{1,8}?, )?(?:\.{3})?"[\s\S]*"(?:\.{3})? is not valid JSON/, "The content is not valid JSON"],
  [/-----BEGIN[\s\S]*?(?:-----END[^-]*-----|$)/g, "…"],
  [/\bya29\.[\w.~+/-]+=*|\b1\/\/[\w-]{8,}|\bBearer\s+\S+|\beyJ[\w-]+(?:\.[\w-]*)*|[A-Za-z0-9+]{48,}=*/g, "…"],
];

/** Returns a text without secrets. */
export function redact(text: string): string {
  return REDACTED.reduce((redacted, [what, by]) => redacted.replace(what, by), text);
}

/** Returns the first line of a text, without secrets and control characters, and without the full stop at its end. */
export function firstLine(text: string): string {
  const [line = ""] = redact(text)
    .trimStart()
    .split(/[\r\n]/, 1);
  const visible = line.replace(/[\p{Cc}\p{Cf}]+/gu, " ").trim();
  return visible.length > MAX_LENGTH ? `${visible.slice(0, MAX_LENGTH)}…` : visible.replace(/\.$/, "");
}
