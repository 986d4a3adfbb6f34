/** Type-checks the snippets of the pages and the examples for other clients as a user's program, from the packed package. */
import { execSync, spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterAll, expect, inject, it } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { pages, readPage } from "./docs-snippets.js";
import { installTarball } from "./tarball.js";

const installed = installTarball(inject("tarball"), Object.keys(packageJson.devDependencies));
const { directory } = installed;
const file = (name: string) => join(directory, name);
afterAll(() => installed.remove());

writeFileSync(file("package.json"), '{ "type": "module" }');
copyExamples();
for (const { name, code } of pages.flatMap((page) => readPage(page).snippets))
  writeFileSync(file(`${name}.ts`), `${code}\nexport {};\n`);

/** Copies the examples, and makes JavaScript of them, by the commands of the page. `npx` would download esbuild. */
function copyExamples(): void {
  const [, commands = ""] = /^```sh\n([\s\S]*?)^```$/m.exec(readPage("docs/clients.md").text) ?? [];
  const PATH = [join(import.meta.dirname, "../node_modules/.bin"), process.env.PATH].join(delimiter);
  execSync(commands.replace("npx ", ""), { cwd: directory, env: { ...process.env, PATH }, stdio: "pipe" });
}

it("the examples can be imported as JavaScript", () => {
  const names = readdirSync(file("examples/clients")).filter((name) => name.endsWith(".js"));
  expect(names).toHaveLength(readdirSync(join(installed.path, "examples/clients")).length);
  const imports = names.map((name) => `await import("./examples/clients/${name}");`);
  expect(installed.run(`${imports.join("\n")} console.log("imported");`)).toContain("imported");
});

/** Returns the errors of TypeScript. Without `lib`, the types of the DOM are included. */
function typeErrors(options: object): string {
  const common = { target: "es2023", types: ["node"], strict: true, skipLibCheck: true, noEmit: true, rootDir: "." };
  const include = ["*.ts", "examples"];
  writeFileSync(file("tsconfig.json"), JSON.stringify({ compilerOptions: { ...common, ...options }, include }));
  const tsc = join(import.meta.dirname, "../node_modules/.bin/tsc");
  return spawnSync(tsc, ["-p", "."], { cwd: directory, encoding: "utf8" }).stdout;
}

const node = ["es2023", "esnext.disposable"];
it.each([
  ["of Node only", { module: "nodenext", exactOptionalPropertyTypes: true, lib: node }],
  [
    "of Node and the DOM",
    { module: "nodenext", exactOptionalPropertyTypes: true, lib: [...node, "dom", "dom.iterable"] },
  ],
  ["of a bundler", { module: "esnext", moduleResolution: "bundler" }],
])("the snippets and the examples type-check with the types %s", { timeout: 120_000 }, (_types, options) => {
  expect(typeErrors(options)).toBe("");
});
