/**
 * Bundles the entry points into dist/, as readable code without docstrings: those are in the declarations and in the
 * sources, which are published too.
 */
import { readdirSync, readFileSync } from "node:fs";
import { build } from "esbuild";

const DOCSTRING = /^[ \t]*\/\*\*[\s\S]*?\*\/$/gm;

/** Removes docstrings, but not their line breaks, so that the source maps stay exact. */
const withoutDocstrings = {
  name: "without-docstrings",
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const contents = readFileSync(path, "utf8").replace(DOCSTRING, (comment) => comment.replace(/[^\n]/g, ""));
      return { contents, loader: "ts" };
    });
  },
};

/** Replaces imports of src/index.ts by imports of the package by its name, which aren't bundled. */
const packageByName = {
  name: "package-by-name",
  setup({ onResolve }) {
    onResolve({ filter: /^[./]+(src\/)?index\.js$/ }, () => ({ path: "hardproof", external: true }));
  },
};

const options = {
  outdir: "dist",
  outbase: ".",
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  packages: "external",
  sourcemap: true,
  sourcesContent: false,
  logLevel: "warning",
};

const providers = readdirSync("providers").map((name) => `providers/${name}/index.ts`);
await build({
  ...options,
  entryPoints: ["src/index.ts", "src/keystore/index.ts", ...providers],
  plugins: [withoutDocstrings],
});
/** Subpaths that use the public face. */
const publicUsers = ["webcrypto", "x509", "redis", "postgres"];
// Built separately: otherwise, the code that they share with src/index.ts would move to chunks, and importing hardproof
// would read more files.
const facades = publicUsers.map((name) => `src/${name}/index.ts`);
await build({
  ...options,
  entryPoints: ["src/cli/main.ts", ...facades, "conformance/index.ts", "softhsm/index.ts", "testing/index.ts"],
  plugins: [withoutDocstrings, packageByName],
});

// One file each, so that the worker can be copied beside a bundle.
await build({
  ...options,
  splitting: false,
  entryPoints: ["providers/pkcs11/worker.ts", "softhsm/program.ts"],
  plugins: [withoutDocstrings],
});
