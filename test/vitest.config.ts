import { fileURLToPath } from "node:url";
import { configDefaults, defineConfig } from "vitest/config";
import packageJson from "../package.json" with { type: "json" };
import { LongestFirst } from "./longest-first.js";
import { sharedFiles } from "./shared-files.js";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Resolves the package's own name to its sources: `hardproof/x` → the file that `dist/…/x.js` is built from. */
const alias = Object.entries(packageJson.exports)
  .filter((entry): entry is [string, { types: string; default: string }] => typeof entry[1] === "object")
  .map(([subpath, { default: built }]) => ({
    find: new RegExp(`^hardproof${subpath.slice(1)}$`),
    replacement: root + built.replace("./dist/", "").replace(/\.js$/, ".ts"),
  }));

const common = {
  pool: "forks" as const,
  // More than the cores of a small machine: most files wait for a server, a slow key or a time limit for half of their time.
  maxWorkers: 4,
  testTimeout: 30_000,
  hookTimeout: 60_000,
  expect: { poll: { timeout: 20_000 } },
};
const shared = sharedFiles(root);

export default defineConfig({
  root,
  test: {
    globalSetup: ["test/global-setup.ts"],
    sequence: { sequencer: LongestFirst },
    maxWorkers: common.maxWorkers,
    projects: [
      // A PKCS#11 library can be initialised only once per process, and reads the process's environment.
      {
        root,
        resolve: { alias },
        test: {
          ...common,
          name: "one process per file",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...shared],
        },
      },
      // Starting a process and loading the sources takes longer than the tests of most of these files.
      { root, resolve: { alias }, test: { ...common, name: "shared processes", include: shared, isolate: false } },
    ],
  },
});
