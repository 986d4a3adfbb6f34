/** Text that an agent or the environment chose, for errors, findings and evidence. */

const MAX_LENGTH = 200;
/** Control and format characters, unassigned ones, and those that end a line. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * Returns the text on one line, with `\u{1b}` in place of each character that could control a terminal, and shortened
 * to 200 characters.
 */
export function printable(text: string): string {
  const start = text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
  return start.replace(UNPRINTABLE, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
