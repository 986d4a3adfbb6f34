import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import packageJson from "../package.json" with { type: "json" };

const root = fileURLToPath(new URL("..", import.meta.url));

/** Resolves the package's own name to its sources: `hardproof/x` → the file that `dist/…/x.js` is built from. */
const alias = Object.entries(packageJson.exports)
  .filter((entry): entry is [string, { types: string; default: string }] => typeof entry[1] === "object")
  .map(([subpath, { default: built }]) => ({
    find: new RegExp(`^hardproof${subpath.slice(1)}$`),
    replacement: root + built.replace("./dist/", "").replace(/\.js$/, ".ts"),
  }));

export default defineConfig({
  root,
  resolve: { alias },
  test: {
    include: ["test/**/*.test.ts"],
    // One process per file: a PKCS#11 library can be initialised only once per process, and reads the process's environment.
    pool: "forks",
    // More than the cores of a small machine: most files wait for a server or a slow key half of their time.
    maxWorkers: 3,
    globalSetup: ["test/global-setup.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } },
  },
});
