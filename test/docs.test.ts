/** Runs every TypeScript snippet of the README and of docs/, after replacing the names of servers, clients and keys. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { type Services, startServices } from "./docs-services.js";
import { pages, readPage } from "./docs-snippets.js";

/** Why the tokens of a page are not available on this machine. */
const missing = inject("unavailable");
const unavailable: Record<string, string | undefined> = {
  "docs/tpm.md": missing.TPM,
  "docs/pkcs11-modules.md": missing.NSS,
  "docs/ssh-agent.md": missing["ssh-agent"],
  "docs/token-stores.md": missing.Redis ?? missing.PostgreSQL,
};
const directory = fileURLToPath(new URL(".snippets/", import.meta.url));

let services: Services;
beforeAll(async () => {
  mkdirSync(directory, { recursive: true });
  services = await startServices(missing);
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await services.close();
});

/** The anchors of a page's headings, as GitHub makes them. */
function headingsOf(text: string): string[] {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

describe.each(pages)("%s", (page) => {
  const { text, snippets } = readPage(page);

  it("has one snippet under each ### heading, and no others, which would not be run", () => {
    expect(snippets).toHaveLength(text.match(/^```ts$/gm)?.length ?? 0);
  });

  it("links only to files and headings that exist", () => {
    for (const [, target = "", heading] of text.matchAll(/\]\(([^)#:]*)(?:#([^)]*))?\)/g)) {
      const read = () =>
        target === "" ? text : readFileSync(new URL(`../${page}/../${target}`, import.meta.url), "utf8");
      expect(read, target).not.toThrow();
      if (heading !== undefined) expect(headingsOf(read()), target).toContain(heading);
    }
  });

  for (const { title, code, name } of snippets)
    it(title, async (test) => {
      if (unavailable[page]) test.skip(unavailable[page]);
      const log = vi.spyOn(console, "log").mockImplementation(() => undefined);
      const file = `${directory}${name}.ts`;
      const exports = [...code.matchAll(/^const (\w+) =/gm)].map(([, name]) => name);
      writeFileSync(file, `${services.withRunningNames(code)}\nexport { ${exports.join(", ")} };\n`);
      const result = await import(/* @vite-ignore */ pathToFileURL(file).href);
      if ("prover" in result) expect(result.prover.jkt).toMatch(/^[\w-]{43}$/);
      if (code.includes("// true")) expect(log).toHaveBeenCalledWith(true);
      if (result.response) expect(result.response.status).toBe(200);
      log.mockRestore();
    });
});
