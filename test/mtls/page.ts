/** The code blocks of docs/mtls.md. */
import { readFileSync } from "node:fs";

const text = readFileSync(new URL("../../docs/mtls.md", import.meta.url), "utf8");

/** Returns the blocks under a heading of any level, by language. */
export function blocksUnder(heading: string): Record<string, string> {
  const sections = text.split(/^##+ /m).filter((section) => section.startsWith(`${heading}\n`));
  const blocks = sections.flatMap((section) => [...section.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]);
  if (sections.length !== 1 || blocks.length === 0) throw new Error(`docs/mtls.md has no code under "${heading}".`);
  return Object.fromEntries(blocks.map(([, language = "", code = ""]) => [language, code]));
}

/** The number of code blocks on the page. */
export const blockCount: number = text.match(/^```\w+$/gm)?.length ?? 0;
