/** The value of `--htu`: the URL that a server sees, if it isn't the one that is requested. */
import { UsageError } from "./exit-codes.js";

/** Returns the `htu` of a proof as text, or the URL itself if no mapping applies to it. */
export type HtuMapping = (url: URL) => string | URL;

/** Both halves: visible characters without a query or fragment. The first can't contain `=`. */
const MAPPING = /^(https?:\/\/[^=?#@\s]+)=([!-~]+)$/i;
const ONLY_ORIGIN = /^https?:\/\/[^/]+$/i;

/**
 * Parses `FROM=TO`. Where FROM is the beginning of the requested URL, up to the end of its host or of a path segment, the
 * proof has TO instead of it. TO is signed as it is typed, since a server may see what isn't a URL. Of several mappings, the
 * first one that applies is used.
 *
 * @param earlier - The mapping of the options before this one.
 * @throws {UsageError} If it isn't a mapping.
 */
export function parseHtuMapping(value: string, earlier: HtuMapping = (url) => url): HtuMapping {
  const [, from = "", to = ""] = MAPPING.exec(value) ?? [];
  if (!URL.canParse(from) || /[?#]/.test(to))
    throw new UsageError(
      "--htu must have the form FROM=TO, two beginnings of URLs without a query: https://public.example=http://127.0.0.1:8080.",
    );
  const { origin, pathname } = new URL(from);
  const [fromPath, target] = [withoutSlash(pathname), withoutSlash(to)];
  return (url) => {
    const mapped = earlier(url);
    const applies = url.origin === origin && `${url.pathname}/`.startsWith(`${fromPath}/`);
    return typeof mapped === "string" || !applies ? mapped : withPath(target + url.pathname.slice(fromPath.length));
  };
}

function withoutSlash(path: string): string {
  return path.replace(/\/$/, "");
}

/** The URL of a request has a path (RFC 3986 §6.2.3). */
function withPath(url: string): string {
  return ONLY_ORIGIN.test(url) ? `${url}/` : url;
}
