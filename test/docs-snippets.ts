/** The pages, and their TypeScript snippets. */
import { readdirSync, readFileSync } from "node:fs";

const root = new URL("..", import.meta.url);
/** Run by provider-authors.test.ts, from the packed package. */
const RUN_ELSEWHERE = "provider-authors.md";

/** The paths of all pages, from the root of the repository. */
export const pages: readonly string[] = [
  "README.md",
  ...readdirSync(new URL("docs", root))
    .filter((name) => name.endsWith(".md") && name !== RUN_ELSEWHERE)
    .map((name) => `docs/${name}`),
];

/** A snippet, and the heading above it. */
export interface Snippet {
  readonly title: string;
  readonly code: string;
  /** For the file of the snippet, without an ending. */
  readonly name: string;
}

/** Returns the text of a page and its snippets. */
export function readPage(page: string): { text: string; snippets: readonly Snippet[] } {
  const text = readFileSync(new URL(page, root), "utf8");
  const blocks = [...text.matchAll(/^### (.+)\n(?:(?!^#)[\s\S])*?^```ts\n([\s\S]*?)^```$/gm)];
  const snippets = blocks.map(([, title = "", code = ""]) => {
    return { title, code, name: `${page} ${title}`.replace(/\W+/g, "-") };
  });
  return { text, snippets };
}
