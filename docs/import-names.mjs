/**
 * A plugin for typedoc. It names each module of the API reference as a program imports it, by the `exports` of package.json, and
 * makes a front page that lists them.
 */
import { readFileSync } from "node:fs";
import { Converter } from "typedoc";

const { name, exports } = JSON.parse(readFileSync("package.json", "utf8"));
/** Source file → import name. */
const importNames = new Map(
  Object.entries(exports).flatMap(([subpath, { types }]) =>
    types === undefined ? [] : [[types.replace("./dist/", "").replace(/\.d\.ts$/, ".ts"), name + subpath.slice(1)]],
  ),
);

/** @param {import("typedoc").Application} application */
export function load({ converter }) {
  converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    const modules = project.children ?? [];
    for (const module of modules) module.name = importNameOf(project.getSymbolIdFromReflection(module)?.packagePath);
    const documented = new Set(modules.map((module) => module.name));
    const missing = [...importNames.values()].filter((importName) => !documented.has(importName));
    if (missing.length > 0) throw new Error(`${missing} is exported, but isn't in typedoc's entryPoints.`);
    project.readme = frontPage(modules);
  });
}

function importNameOf(file) {
  const importName = importNames.get(file);
  if (importName === undefined) throw new Error(`${file} is in typedoc's entryPoints, but isn't exported.`);
  return importName;
}

/** A table of the modules, each with the first paragraph of its comment. */
function frontPage(modules) {
  const rows = [...modules]
    .sort((a, b) => a.name.localeCompare(b.name))
    .flatMap((module) => [
      text("| "),
      { kind: "inline-tag", tag: "@link", text: module.name, target: module },
      text(` | ${summaryOf(module)} |\n`),
    ]);
  const head = "What a program can import from each name.\n\n| import from | contents |\n| --- | --- |\n";
  return [text(head), ...rows];
}

const text = (value) => ({ kind: "text", text: value });

function summaryOf(module) {
  const summary = (module.comment?.summary ?? []).map((part) => part.text).join("");
  if (summary === "") throw new Error(`${module.name} has no comment at the top of its index.ts.`);
  return summary.split("\n\n")[0]?.replaceAll("\n", " ") ?? "";
}
