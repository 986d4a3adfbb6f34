/** What a store, its SDK or a server says, fit for an error, a finding or a log. */

/** Control characters, and those that end a line, change the direction of the text or aren't visible. */
export const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]+/gu;

/**
 * Returns a text on one line, without characters that control a terminal. It doesn't redact secrets: do that first, since a
 * part of a secret isn't recognised.
 *
 * @param maxLength - Characters. A longer text is cut, and ends with `…`.
 */
export function oneLine(text: string, maxLength: number): string {
  const visible = text.replace(INVISIBLE, " ").trim();
  return visible.length > maxLength ? `${visible.slice(0, maxLength)}…` : visible;
}
