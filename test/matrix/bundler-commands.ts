/** How each bundler is called for a program on a server. */
import packageJson from "../../package.json" with { type: "json" };
import { type Bundle, bundler } from "./bundlers.js";
import type { Cell } from "./cell.js";

const esbuildVersion = packageJson.devDependencies.esbuild;
const flags = (external: readonly string[]) => external.map((name) => `--external:${name}`);

/** esbuild with ES modules. `module` before `main` takes the ES modules of the AWS SDK, which don't call `require`. */
export const esbuildEsm: Cell = bundler({
  title: "esbuild, ESM",
  version: esbuildVersion,
  command: ({ entry, out, external }) => [
    "esbuild",
    entry,
    ...["--bundle", "--minify", "--platform=node", "--format=esm", "--main-fields=module,main"],
    `--outfile=${out}/bundle.mjs`,
    ...flags(external),
  ],
});

/** esbuild with CommonJS, the usual single file for AWS Lambda. */
export const esbuildCjs: Cell = bundler({
  title: "esbuild, CommonJS",
  version: esbuildVersion,
  output: "bundle.cjs",
  command: ({ entry, out, external }) => [
    "esbuild",
    entry,
    ...["--bundle", "--minify", "--platform=node", "--format=cjs"],
    `--outfile=${out}/bundle.cjs`,
    ...flags(external),
  ],
});

/** webpack with ES modules. */
export function webpack(version: string, cli: string): Cell {
  const configuration = ({ entry, out, external }: Bundle) => `export default {
    mode: "production", target: "node20", entry: "./${entry}",
    optimization: { minimize: false }, // Minimizing takes minutes on a busy machine.
    externalsType: "import", externals: ${JSON.stringify(external)},
    experiments: { outputModule: true },
    output: { path: ${JSON.stringify(out)}, filename: "bundle.mjs", module: true, library: { type: "module" } },
  };`;
  return bundler({
    title: "webpack",
    version,
    packages: [`webpack@${version}`, `webpack-cli@${cli}`],
    configuration,
    command: (_, file) => ["webpack", "--config", file],
  });
}

/** rollup with its plugins for packages. */
export function rollup(version: string): Cell {
  const plugins = ["node-resolve@16.0.3", "commonjs@29.0.3", "json@6.1.0"].map((name) => `@rollup/plugin-${name}`);
  const configuration = ({ entry, out, external }: Bundle) => `
    import commonjs from "@rollup/plugin-commonjs";
    import json from "@rollup/plugin-json";
    import { nodeResolve } from "@rollup/plugin-node-resolve";
    export default {
      input: "${entry}", external: ${JSON.stringify(external)},
      plugins: [nodeResolve({ exportConditions: ["node"], preferBuiltins: true }), commonjs(), json()],
      output: { dir: ${JSON.stringify(out)}, entryFileNames: "bundle.mjs", format: "es" },
    };`;
  return bundler({
    title: "rollup",
    version,
    packages: [`rollup@${version}`, ...plugins],
    configuration,
    command: (_, file) => ["rollup", "--silent", "--config", file],
  });
}

/** vite's build for servers, with everything in it. */
export function vite(version: string): Cell {
  const configuration = ({ entry, out, external }: Bundle) => `export default {
    build: { ssr: "${entry}", outDir: ${JSON.stringify(out)}, rollupOptions: { output: { entryFileNames: "bundle.mjs" } } },
    ssr: { noExternal: true, external: ${JSON.stringify(external)} },
  };`;
  return bundler({
    title: "vite, SSR",
    version,
    packages: [`vite@${version}`],
    configuration,
    command: (_, file) => ["vite", "build", "--logLevel", "error", "--config", file],
  });
}
