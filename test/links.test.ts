/** The links of the published pages: each leads to a file of the package, and to a heading that exists. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, describe, expect, inject, it } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { deadLinks } from "./markdown-links.js";
import { installTarball } from "./tarball.js";

const installed = installTarball(inject("tarball"));
afterAll(() => installed.remove());
const files = readdirSync(installed.path, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(installed.path, join(entry.parentPath, entry.name)));
const pages = new Map(
  files.filter((file) => file.endsWith(".md")).map((file) => [file, readFileSync(join(installed.path, file), "utf8")]),
);

it("lead to files and headings of the package", () => {
  expect(pages.size).toBeGreaterThan(25);
  expect(deadLinks(pages, files)).toEqual([]);
});

it("are in the README for each page", () => {
  const linked = pages.get("README.md") ?? "";
  const reachable = (page: string) => linked.includes(`(${page})`) || linked.includes(`(${page}#`);
  expect([...pages.keys()].filter((page) => /^docs\//.test(page) && !reachable(page))).toEqual([]);
});

it("are followed by npm to a page: the package says where its repository is", () => {
  const { homepage, repository, bugs, author } = packageJson;
  for (const url of [homepage, repository.url, bugs]) expect(() => new URL(url)).not.toThrow();
  expect(author).not.toBe("");
});

describe("deadLinks", () => {
  const others = new Map([["docs/b.md", "# Two words\n\n## Same\n\n## Same\n\n```sh\n# not one\n```\n"]]);
  const deadIn = (text: string) => deadLinks(new Map([["docs/a.md", text], ...others]), ["docs/a.md", "docs/b.md"]);

  it.each([
    "[a](b.md)",
    "[a](./b.md#two-words)",
    "[a](b.md#same-1)",
    "[a](../docs)",
    "[a](https://example.com/none.md)",
    "`[a](none.md)`",
    "```md\n[a](none.md)\n```",
    "# Here\n[a](#here)",
    '[a](b.md "title")',
  ])("accepts %s", (text) => expect(deadIn(text)).toEqual([]));

  it.each([
    "[a](none.md)",
    "![a](none.svg)",
    "[a](b.md#two)",
    "[a](b.md#not-one)",
    "[a](b.md#same-2)",
    "[a](#here)",
    "[a](../../docs/b.md)",
    "[a][1]\n\n[1]: none.md",
    '<img src="none.svg">',
    "[`code`](none.md)",
  ])("reports %s", (text) => expect(deadIn(text)).toHaveLength(1));
});
