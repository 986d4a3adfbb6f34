/** Next.js: a route on the server, with the configuration of docs/bundling.md. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { installFromNpm } from "../interop/cache.js";
import { ALL, CORE, PEERS } from "./bundlers.js";
import type { Cell } from "./cell.js";
import { copyPrograms, run, runChecks } from "./program.js";
import { nodeProgram } from "./runtimes.js";

const NODE = "24.21.0";
const REACT = "19.3.1";
const EXTERNAL = 'export default { serverExternalPackages: ["hardproof"] };';

/** Next.js with one of its two bundlers. */
export function next(version: string, bundler: "turbopack" | "webpack"): Cell {
  const install = (peers: readonly string[]) => {
    const packages = [`next@${version}`, `react@${REACT}`, `react-dom@${REACT}`];
    const names = [...Object.keys(packageJson.dependencies), ...peers];
    return installFromNpm(`matrix/next-${version}-${peers.length}`, [...packages, ...names.map(withVersion)]);
  };
  return {
    title: `Next.js, ${bundler}`,
    version,
    kind: "bundler",
    install: () => install([]),
    async run(context) {
      const node = await nodeProgram(NODE);
      const build = async (cwd: string, configuration: string) => {
        prepare(cwd, context.tarball, configuration);
        await run({ command: [node, "node_modules/next/dist/bin/next", "build", `--${bundler}`], cwd });
      };
      const serve = (cwd: string, rows: typeof CORE) =>
        runChecks(context, { command: [node, "next-serve.mjs"], cwd }, rows);
      const bare = await install([]);
      await context.check("builds without optional packages", () => build(bare, "export default {};"));
      await serve(bare, CORE);
      const all = await install(PEERS);
      await build(all, EXTERNAL).catch(console.error);
      await serve(all, ALL);
    },
  };
}

/** Returns the package with the version that this repository uses, as npm installed it. */
function withVersion(name: string): string {
  const manifest = join(import.meta.dirname, "../../node_modules", name, "package.json");
  return `${name}@${JSON.parse(readFileSync(manifest, "utf8")).version}`;
}

function prepare(cwd: string, tarball: string, configuration: string): void {
  const installed = join(cwd, "node_modules/hardproof");
  for (const directory of [join(cwd, ".next"), join(cwd, "app"), installed])
    rmSync(directory, { recursive: true, force: true });
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "--strip-components=1", "-C", installed]);
  copyPrograms(cwd);
  const layout = "export default ({ children }) => <html><body>{children}</body></html>;";
  writeFileSync(join(cwd, "app/layout.jsx"), layout);
  writeFileSync(join(cwd, "package.json"), '{ "private": true, "type": "module" }');
  writeFileSync(join(cwd, "next.config.mjs"), configuration);
}
