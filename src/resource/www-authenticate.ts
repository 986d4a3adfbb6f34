/** What a `WWW-Authenticate` header asks for: one challenge or several (RFC 9110 §11.6.1). */

export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** By name, in lower case, without quotes. A token68 is no parameter. */
  readonly parameters: Map<string, string>;
}

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const SCHEME = `(?<scheme>${TOKEN})(?: +(?=[^ \\t,])|(?=[ \\t]*(?:,|$)))`;
const PARAMETER = `(?<name>${TOKEN})[ \\t]*=[ \\t]*(?:(?<token>${TOKEN})|"(?<quoted>(?:[^"\\\\]|\\\\.)*)")`;
const TOKEN68 = "(?<token68>[-._~+/0-9A-Za-z]+=*)";
/**
 * Between two commas stands a parameter, or a scheme, or a scheme with its first parameter or its token68.
 * What parts them is taken whole or not at all: a server may send blanks without end.
 */
const ELEMENT = new RegExp(`[ \\t,]*(?![ \\t,])(?:${SCHEME})?(?:${PARAMETER}|${TOKEN68})?[ \\t]*(?=,|$)`, "y");

/**
 * Reads the challenges of a header, or of several that are joined by commas, as `Headers.get` joins them. Never throws:
 * reading ends at the first thing that breaks the grammar, and what stands before that counts.
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  ELEMENT.lastIndex = 0;
  for (let found = ELEMENT.exec(header); found?.[0]; found = ELEMENT.exec(header)) {
    const { scheme, name, token, quoted, token68 } = found.groups ?? {};
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    else if (token68 !== undefined) break;
    if (name === undefined) continue;
    const parameters = challenges.at(-1)?.parameters;
    if (!parameters || parameters.has(name.toLowerCase())) break;
    parameters.set(name.toLowerCase(), token ?? (quoted ?? "").replace(/\\(.)/g, "$1"));
  }
  return challenges;
}
