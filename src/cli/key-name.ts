/** The name of a key, as a user reads and types it. */

/** Control characters, invisible ones, and all spaces but the usual one. */
const UNREADABLE = /\p{C}|(?! )\p{Z}/u;

/**
 * Returns the label (RFC 7512) or the id of a key on a token, and otherwise the last part of the path. A number alone is preceded
 * by what it numbers: `dpop/cryptoKeyVersions/3`. An id, and a name that can't be read or typed, stays percent-encoded.
 *
 * @param uri - The URI as the key's signer reports it. It doesn't contain a secret.
 * @returns The name, or `undefined` if the URI doesn't have one.
 */
export function nameOfKey(uri: string): string | undefined {
  const [path = ""] = uri.slice(uri.indexOf(":") + 1).split("?");
  const label = attribute("object", path);
  if (label !== undefined) return readable(label);
  const id = attribute("id", path);
  if (id !== undefined) return id;
  const name = lastPart(path.replace(/^\/\/[^/]*/, ""));
  return name && readable(name);
}

function attribute(name: string, path: string): string | undefined {
  return new RegExp(`(?:^|;)${name}=([^;]+)`).exec(path)?.[1];
}

/** Attributes that don't name a key aren't a name. */
function lastPart(path: string): string | undefined {
  const [, last] = /([^/]+\/[^/]+\/\d+)\/?$/.exec(path) ?? /([^/]+)\/?$/.exec(path) ?? [];
  return last === undefined || /[;=@]/.test(last) ? undefined : last;
}

function readable(encoded: string): string {
  const text = decoded(encoded);
  return UNREADABLE.test(text) || text !== text.trim() ? encoded : text;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // bytes that aren't UTF-8
  }
}
