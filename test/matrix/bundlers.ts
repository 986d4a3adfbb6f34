/** Bundlers. Each makes one program for a server, with everything in it but native addons and Google's SDK. */
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installFromNpm } from "../interop/cache.js";
import { installTarball } from "../tarball.js";
import type { Cell, Context } from "./cell.js";
import { copyPrograms, run, runChecks } from "./program.js";
import type { Row } from "./rows.js";

const repository = fileURLToPath(new URL("../..", import.meta.url));
export const PEERS = ["koffi", "graphene-pk11", "@aws-sdk/client-kms", "@google-cloud/kms"];
export const EXTERNAL = ["koffi", "graphene-pk11", "@google-cloud/kms", "@azure/identity", "@azure/keyvault-keys"];
export const CORE: Readonly<Record<string, Row>> = { memory: "a key in memory", token: "a token and a request" };
export const ALL: Readonly<Record<string, Row>> = {
  koffi: "PKCS#11, koffi",
  graphene: "PKCS#11, graphene-pk11",
  wrongPin: "a wrong PIN is sent once",
  aws: "AWS KMS",
  google: "Google Cloud KMS",
};

/** What to bundle. */
export interface Bundle {
  /** The project, in which the package is installed. */
  readonly cwd: string;
  readonly entry: string;
  /** The directory of the output. */
  readonly out: string;
  readonly external: readonly string[];
}

/** A bundler that is run by its command. */
export interface Bundler {
  readonly title: string;
  readonly version: string;
  /** Packages with exact versions. Default: a development dependency of this repository. */
  readonly packages?: readonly string[];
  /** The name of the output. Default: `bundle.mjs`. */
  readonly output?: string;
  /** The configuration, as a file that is written beside the packages. */
  readonly configuration?: (bundle: Bundle) => string;
  /** The command, and its arguments. */
  readonly command: (bundle: Bundle, configuration: string) => readonly string[];
}

/** Returns the cell of a bundler. */
export function bundler({ title, version, packages = [], output = "bundle.mjs", ...tool }: Bundler): Cell {
  const install = () =>
    packages[0] === undefined
      ? Promise.resolve(repository)
      : installFromNpm(`matrix/${packages[0].replace(/(.)@/, "$1-")}`, packages);
  const build = async (bundle: Bundle) => {
    const tools = await install();
    const file = join(tools, "matrix.config.mjs");
    if (tool.configuration) writeFileSync(file, tool.configuration(bundle));
    const [command = "", ...args] = tool.command(bundle, file);
    await run({ command: [join(tools, "node_modules/.bin", command), ...args], cwd: bundle.cwd });
  };
  const runBundle = (context: Context, out: string, rows: Readonly<Record<string, Row>>) =>
    runChecks(context, { command: [process.execPath, join(out, output)], cwd: out }, rows);
  return {
    title,
    version,
    kind: "bundler",
    install,
    async run(context) {
      await withProject(context, [], async (cwd, out) => {
        await context.check("builds without optional packages", () =>
          build({ cwd, entry: "core.mjs", out, external: [] }),
        );
        await runBundle(context, out, CORE);
      });
      await withProject(context, PEERS, async (cwd, out, remove) => {
        await build({ cwd, entry: "all.mjs", out, external: EXTERNAL }).catch(console.error);
        await runBundle(context, out, ALL);
        const worker = join(cwd, "node_modules/hardproof/dist/providers/pkcs11/worker.js");
        const elsewhere = moveAway(out, worker);
        remove();
        await runBundle(context, elsewhere, { koffi: "PKCS#11, moved with the worker" });
        rmSync(elsewhere, { recursive: true });
      });
    },
  };
}

async function withProject(
  { tarball }: Context,
  peers: readonly string[],
  use: (cwd: string, out: string, remove: () => void) => Promise<void>,
): Promise<void> {
  const project = installTarball(tarball, peers);
  copyPrograms(project.directory);
  const names = ["hardproof", ...peers];
  const dependencies = Object.fromEntries(names.map((name) => [name, "*"]));
  writeFileSync(join(project.directory, "package.json"), JSON.stringify({ private: true, dependencies }));
  let isRemoved = false;
  const remove = () => {
    if (!isRemoved) project.remove();
    isRemoved = true;
  };
  try {
    await use(project.directory, join(project.directory, "dist"), remove);
  } finally {
    remove();
  }
}

/** Moves a bundle to another directory, with a copy of the worker, and with koffi in node_modules. */
function moveAway(out: string, worker: string): string {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-moved-"));
  mkdirSync(out, { recursive: true });
  renameSync(out, join(directory, "dist"));
  cpSync(join(directory, "dist"), directory, { recursive: true });
  rmSync(join(directory, "dist"), { recursive: true });
  cpSync(worker, join(directory, "hardproof-pkcs11-worker.mjs"));
  mkdirSync(join(directory, "node_modules"));
  symlinkSync(join(repository, "node_modules/koffi"), join(directory, "node_modules/koffi"));
  return directory;
}
