/** Package managers: a plain installation, and what builds the addon of graphene-pk11 where they don't by themselves. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { installFromNpm } from "../interop/cache.js";
import type { Cell, Context } from "./cell.js";
import { type Command, copyPrograms, run, runChecks } from "./program.js";
import { nodeProgram } from "./runtimes.js";

const NODE = "24.21.0";
const KOFFI = "koffi@3.3.4";
const GRAPHENE = "graphene-pk11@2.3.6";

/** A package manager. */
interface Manager {
  readonly title: string;
  readonly version: string;
  /** The npm package that it is published as. */
  readonly package: string;
  /** The command that adds hardproof and koffi. */
  readonly add: string;
  /** The command that adds graphene-pk11. Default: the same. */
  readonly addGraphene?: string;
  /** What builds the addon after the installation, as the error says and docs/bundling.md. */
  readonly build?: string;
  /** What starts a program. Default: `node`. */
  readonly start?: string;
  /** Files that the project needs. */
  readonly files?: Readonly<Record<string, string>>;
}

/** npm. The newest versions run no install script that isn't approved. */
export function npm(version: string): Cell {
  const approve = Number.parseInt(version, 10) >= 11 ? "npm install-scripts approve pkcs11js && " : "";
  const add = "npm install --no-audit --no-fund";
  return manager({ title: "npm", version, package: "npm", add, build: `${approve}npm rebuild pkcs11js` });
}

/** pnpm. */
export function pnpm(version: string): Cell {
  const build = "pnpm add --allow-build=pkcs11js graphene-pk11 && rm -rf node_modules && pnpm install";
  const add = "pnpm add --allow-build=koffi";
  return manager({ title: "pnpm", version, package: "pnpm", add, addGraphene: "pnpm add", build });
}

/** Yarn 1. */
export function yarn1(version: string): Cell {
  return manager({ title: "Yarn", version, package: "yarn", add: "yarn add" });
}

/** Yarn 4, with Plug'n'Play or with node_modules. */
export function yarn4(version: string, linker: "pnp" | "node-modules"): Cell {
  return manager({
    title: `Yarn, ${linker}`,
    version,
    package: "@yarnpkg/cli-dist",
    add: "yarn add",
    build: "npm pkg set dependenciesMeta.pkcs11js.built=true --json && yarn install",
    start: "yarn node",
    files: { ".yarnrc.yml": `nodeLinker: ${linker}\n`, "yarn.lock": "" },
  });
}

/** Bun. */
export function bunInstall(version: string): Cell {
  return manager({ title: "bun install", version, package: "bun", add: "bun add" });
}

function manager({ title, version, package: name, ...manager }: Manager): Cell {
  const directory = `matrix/${name.split("/").at(-1)?.replace("cli-dist", "yarn")}-${version}`;
  const install = () => installFromNpm(directory, [`${name}@${version}`]);
  return {
    title,
    version,
    kind: "manager",
    install,
    async run(context) {
      const path = [join(await install(), "node_modules/.bin"), dirname(await nodeProgram(NODE)), process.env.PATH];
      // Node's headers can't be downloaded everywhere.
      const headers = existsSync("/usr/include/node/node_api.h") ? { npm_config_nodedir: "/usr" } : {};
      const cwd = mkdtempSync(join(tmpdir(), "hardproof-manager-"));
      try {
        await runIn(
          { cwd, env: { PATH: path.join(":"), CI: "1", YARN_ENABLE_IMMUTABLE_INSTALLS: "false", ...headers } },
          manager,
          context,
        );
      } finally {
        rmSync(cwd, { recursive: true });
      }
    },
  };
}

async function runIn(
  place: Required<Omit<Command, "command">>,
  { add, addGraphene = add, build, start = "node", files = {} }: Omit<Manager, "title" | "version" | "package">,
  context: Context,
): Promise<void> {
  const { cwd } = place;
  const shell = (script: string) => run({ ...place, command: ["bash", "-c", script] });
  const program = { ...place, command: ["bash", "-c", `${start} all.mjs`] };
  writeFileSync(join(cwd, "package.json"), JSON.stringify({ name: "app", type: "module", private: true }));
  for (const [file, content] of Object.entries(files)) writeFileSync(join(cwd, file), content);
  copyPrograms(cwd);
  const added = await shell(`${add} hardproof@file:${context.tarball} ${KOFFI}`).catch((error: Error) => error);
  if (added instanceof Error) return context.check("a key in memory", () => Promise.reject(added));
  await runChecks(context, program, { memory: "a key in memory", koffi: "PKCS#11, koffi" });
  const graphene = { graphene: "PKCS#11, graphene-pk11" } as const;
  // pnpm reports a script that it doesn't run as an error, after the installation.
  await shell(`${addGraphene} ${GRAPHENE}`).catch(() => undefined);
  if (build !== undefined) await shell(build).catch(console.error);
  await runChecks(context, program, graphene);
}
