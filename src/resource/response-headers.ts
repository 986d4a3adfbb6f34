/** Reads the headers that decide about another attempt from a response of any HTTP library. */

/** Headers as HTTP libraries return them: `Headers`, pairs, or an object of strings or lists of strings. */
export type ResponseHeaders =
  | Headers
  | Iterable<readonly [name: string, value: unknown]>
  | Readonly<Record<string, unknown>>;

const RELEVANT = new Set(["date", "dpop-nonce", "www-authenticate"]);

/**
 * Returns the relevant headers. Never throws: a value that can't be a header is left out.
 *
 * @param headers - Names in any case.
 */
export function relevantHeaders(headers: ResponseHeaders): Headers {
  const relevant = new Headers();
  for (const [name, value] of pairsOf(headers)) {
    if (!RELEVANT.has(String(name).toLowerCase())) continue;
    for (const line of Array.isArray(value) ? value : [value])
      if (typeof line === "string") appendIfValid(relevant, name, line);
  }
  return relevant;
}

function pairsOf(headers: ResponseHeaders): Iterable<readonly [name: string, value: unknown]> {
  return isIterable(headers) ? headers : Object.entries(headers ?? {});
}

function isIterable(headers: ResponseHeaders): headers is Headers | Iterable<readonly [name: string, value: unknown]> {
  return typeof headers === "object" && headers !== null && Symbol.iterator in headers;
}

/** A value outside Latin-1, or with a line break, can't come from a server. */
function appendIfValid(headers: Headers, name: string, value: string): void {
  if (/^[^\0\r\n\u0100-\uffff]*$/.test(value)) headers.append(name, value);
}
