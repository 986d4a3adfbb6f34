/** Parameters whose value is a list that is separated by spaces (RFC 6749 §3.3, OpenID Connect Core §3.1.2.1). */

import { misconfigured } from "./assert.js";

/** The names of the parameters. All others are sent once for each element of an array. */
const NAMES = ["acr_values", "claims_locales", "prompt", "response_type", "scope", "ui_locales"];

/** A list of words: separated by spaces, or as an array. */
export type WordList = string | readonly string[];

/** Whether the elements of an array are sent as one value. */
export function isSpaceDelimited(name: string): boolean {
  return NAMES.includes(name);
}

/**
 * Returns the words, separated by spaces. `undefined` for no list, or an empty array.
 *
 * @throws {OAuthError} With code `misconfigured` if they aren't strings.
 */
export function joinWords(words: WordList | null | undefined): string | undefined {
  if (words == null || typeof words === "string") return words ?? undefined;
  if (!Array.isArray(words) || !words.every((word) => typeof word === "string"))
    throw misconfigured("scope must be a string, or an array of strings.");
  return words.length === 0 ? undefined : words.join(" ");
}
