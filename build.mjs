/**
 * Bundles the entry points into dist/, as readable code without docstrings: those are in the declarations and in the
 * sources, which are published beside it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { build } from "esbuild";

const DOCSTRING = /^[ \t]*\/\*\*[\s\S]*?\*\/$/gm;

/** Leaves the line breaks, so that the source maps stay exact. */
const withoutDocstrings = {
  name: "without-docstrings",
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const contents = readFileSync(path, "utf8").replace(DOCSTRING, (comment) => comment.replace(/[^\n]/g, ""));
      return { contents, loader: "ts" };
    });
  },
};

const providers = readdirSync("providers").map((name) => `providers/${name}/index.ts`);

const common = {
  outdir: "dist",
  outbase: ".",
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  packages: "external",
  sourcemap: true,
  sourcesContent: false,
  logLevel: "warning",
  plugins: [withoutDocstrings],
};

await build({
  ...common,
  entryPoints: ["src/index.ts", "src/keystore/index.ts", "src/cli/main.ts", "conformance/index.ts", ...providers],
  chunkNames: "chunks/[name]-[hash]",
  splitting: true,
});

/** One file, so that it can be copied beside a bundle. */
await build({ ...common, entryPoints: ["providers/pkcs11/worker.ts"] });
