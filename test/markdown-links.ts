/** The links of a set of Markdown pages, as GitHub and npm resolve them. */
import { posix } from "node:path";

/** Path → text. */
export type Pages = ReadonlyMap<string, string>;

/**
 * Returns a line for each link to a file that isn't there, or to a heading that its page doesn't have.
 *
 * @param files - The paths of all files, pages included.
 */
export function deadLinks(pages: Pages, files: readonly string[]): string[] {
  // A link to a folder is right: GitHub lists it.
  const existing = new Set(files.flatMap((file) => [file, ...foldersOf(file)]));
  return [...pages].flatMap(([page, text]) =>
    linksOf(text).flatMap(({ target, anchor }) => {
      const path = target === "" ? page : posix.join(posix.dirname(page), decodeURIComponent(target));
      const isDead = !existing.has(path) || (anchor !== undefined && !anchorsOf(pages.get(path) ?? "").has(anchor));
      return isDead ? [`${page}: ${target}${anchor === undefined ? "" : `#${anchor}`}`] : [];
    }),
  );
}

function foldersOf(file: string): string[] {
  const folder = posix.dirname(file);
  return folder === "." ? [] : [folder, ...foldersOf(folder)];
}

const INLINE = /\]\(\s*<?([^)\s>]*)>?(?:\s+"[^"]*")?\s*\)/g;
const REFERENCE = /^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)/gm;
const HTML = /\b(?:href|src)="([^"]*)"/g;
/** A URL with a scheme, such as https: or mailto:. */
const ABSOLUTE = /^[a-z][a-z0-9+.-]*:/i;

function linksOf(text: string): { target: string; anchor: string | undefined }[] {
  const prose = withoutCode(text);
  const targets = [INLINE, REFERENCE, HTML].flatMap((form) =>
    [...prose.matchAll(form)].map(([, target = ""]) => target),
  );
  return targets
    .filter((target) => !ABSOLUTE.test(target))
    .map((link) => {
      const [target = "", anchor] = link.split("#");
      return { target, anchor };
    });
}

function withoutCode(text: string): string {
  return withoutBlocks(text).replace(/`[^`\n]*`/g, "``");
}

/** A shell's comment in a block of code isn't a heading. */
function withoutBlocks(text: string): string {
  return text.replace(/^ {0,3}(`{3,}|~{3,})[\s\S]*?^ {0,3}\1\s*$/gm, "");
}

function anchorsOf(text: string): Set<string> {
  const seen = new Map<string, number>();
  const anchors = [...withoutBlocks(text).matchAll(/^#{1,6} +(.+?)(?: +#+)?$/gm)].map(([, heading = ""]) => {
    const anchor = anchorOf(heading);
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
  return new Set(anchors);
}

/** The text of a heading, without the targets of its links, in lower case and without punctuation. */
function anchorOf(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-");
}
