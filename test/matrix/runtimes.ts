/** JavaScript runtimes. */
import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { installFromNpm } from "../interop/cache.js";
import { installTarball } from "../tarball.js";
import type { Cell, Context } from "./cell.js";
import { copyPrograms, run, runChecks } from "./program.js";
import type { Row } from "./rows.js";

const PEERS = ["koffi", "graphene-pk11", "@aws-sdk/client-kms", "@google-cloud/kms"];
const CHECKS: Readonly<Record<string, Row>> = {
  memory: "a key in memory",
  token: "a token and a request",
  koffi: "PKCS#11, koffi",
  graphene: "PKCS#11, graphene-pk11",
  isolate: "PKCS#11, `isolate`",
  wrongPin: "a wrong PIN is sent once",
  aws: "AWS KMS",
  google: "Google Cloud KMS",
};

/** A runtime that is published as an npm package. */
interface Runtime {
  readonly title: string;
  readonly version: string;
  /** The package, and what starts the runtime in it. */
  readonly package: string;
  readonly program: string;
  readonly args?: readonly string[];
}

/** Node.js, by the package that has only the program for this platform: it doesn't need an install script. */
export function node(version: string): Cell {
  const name = `node-${process.platform}-${process.arch}`;
  return runtime({ title: "Node.js", version, package: name, program: `${name}/bin/node` });
}

/** Bun. */
export function bun(version: string): Cell {
  return runtime({ title: "Bun", version, package: "bun", program: ".bin/bun" });
}

/** Deno, with all permissions. */
export function deno(version: string): Cell {
  return runtime({ title: "Deno", version, package: "deno", program: ".bin/deno", args: ["run", "-A"] });
}

/** Returns the command of Node.js in a version, which other cells use too. */
export async function nodeProgram(version: string): Promise<string> {
  const name = `node-${process.platform}-${process.arch}`;
  const directory = await installFromNpm(`matrix/node-${version}`, [`${name}@${version}`]);
  return join(directory, "node_modules", name, "bin/node");
}

function runtime({ title, version, program, args = [], package: name }: Runtime): Cell {
  const install = () => installFromNpm(`matrix/${basename(program)}-${version}`, [`${name}@${version}`]);
  return {
    title,
    version,
    kind: "runtime",
    install,
    async run(context) {
      const command = [join(await install(), "node_modules", program), ...args];
      const project = installTarball(context.tarball, PEERS);
      copyPrograms(project.directory);
      // Deno accepts only packages that the project names.
      const names = ["hardproof", "commander", "jose", ...PEERS];
      const dependencies = Object.fromEntries(names.map((name) => [name, "*"]));
      writeFileSync(join(project.directory, "package.json"), JSON.stringify({ dependencies }));
      try {
        await runIn(project.directory, command, context);
      } finally {
        project.remove();
      }
    },
  };
}

async function runIn(cwd: string, command: readonly string[], context: Context): Promise<void> {
  await runChecks(context, { command: [...command, "all.mjs"], cwd }, CHECKS);
  for (const checks of [
    { thread: "PKCS#11, your worker thread" },
    { testing: "`hardproof/testing`, `/softhsm`" },
  ] as const)
    await runChecks(context, { command: [...command, "runtime.mjs"], cwd }, checks);
  await context.check("`hardproof show`", async () => {
    const { setting } = context;
    const show = ["node_modules/hardproof/dist/src/cli/main.js", "show", setting.pkcs11];
    const printed = await run({ command: [...command, ...show], cwd, env: setting.environment([]) });
    if (!printed.includes("ES256")) throw new Error(printed.slice(0, 200));
  });
  await context.check('`require("hardproof")`', async () => {
    writeFileSync(join(cwd, "require.cjs"), 'console.log(typeof require("hardproof").DPoPProver);');
    const printed = await run({ command: [...command, "require.cjs"], cwd });
    if (printed.trim() !== "function") throw new Error(printed);
  });
}
