/** Parses the challenges of a `WWW-Authenticate` header (RFC 9110 §11.6.1). */

/** One challenge of a `WWW-Authenticate` header. */
export interface Challenge {
  /** The authentication scheme, in lower case. */
  readonly scheme: string;
  /** Values by name. Names are in lower case, values without quotes. A token68 isn't included. */
  readonly parameters: Map<string, string>;
}

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const SCHEME = `(?<scheme>${TOKEN})(?: +(?=[^ \\t,])|(?=[ \\t]*(?:,|$)))`;
const PARAMETER = `(?<name>${TOKEN})[ \\t]*=[ \\t]*(?:(?<token>${TOKEN})|"(?<quoted>(?:[^"\\\\]|\\\\.)*)")`;
const TOKEN68 = "(?<token68>[-._~+/0-9A-Za-z]+=*)";
/**
 * One list element: a parameter, a scheme, or a scheme with its first parameter or its token68. Separators are matched
 * without backtracking, so that a header with many blanks can't cause quadratic time.
 */
const ELEMENT = new RegExp(`[ \\t,]*(?![ \\t,])(?:${SCHEME})?(?:${PARAMETER}|${TOKEN68})?[ \\t]*(?=,|$)`, "y");

/**
 * Parses the challenges of one header, or of several headers joined by commas, as `Headers.get` returns them. Never
 * throws: parsing stops at the first syntax error, and the challenges before it are returned.
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  ELEMENT.lastIndex = 0;
  for (let match = ELEMENT.exec(header); match?.[0]; match = ELEMENT.exec(header)) {
    const { scheme, name, token, quoted, token68 } = match.groups ?? {};
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    else if (token68 !== undefined) break;
    if (name === undefined) continue;
    const parameters = challenges.at(-1)?.parameters;
    if (!parameters || parameters.has(name.toLowerCase())) break;
    parameters.set(name.toLowerCase(), token ?? (quoted ?? "").replace(/\\(.)/g, "$1"));
  }
  return challenges;
}
