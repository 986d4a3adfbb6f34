/**
 * Runs the package in other runtimes, bundlers, package managers and compilers: `npm run matrix [cell…]`. A name selects the
 * cells that begin with it: `node`, `webpack-5.99`. Without one, all of them run, one after the other. Each is installed
 * from the npm registry into a cache outside the repository. With `--record`, the results replace those on docs/runtimes.md.
 *
 * It exits with 1 if a check fails.
 */
import { parseArgs } from "node:util";
import { packTarball } from "../tarball.js";
import { reporter, type Seen } from "./cell.js";
import { CELLS } from "./cells.js";
import { type CellResult, record } from "./results.js";
import { startSetting } from "./setting.js";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { record: { type: "boolean" } } });
const beginsWith = (name: string, prefix: string) => `${name}-`.startsWith(`${prefix}-`);
const unknown = positionals.find((prefix) => !Object.keys(CELLS).some((name) => beginsWith(name, prefix)));
if (unknown !== undefined) throw new Error(`${unknown} isn't a cell. The cells are ${Object.keys(CELLS).join(", ")}.`);
const chosen = Object.entries(CELLS).filter(
  ([name]) => positionals.length === 0 || positionals.some((prefix) => beginsWith(name, prefix)),
);

const tarball = packTarball();
const setting = await startSetting();
for (const [name, cell] of chosen) {
  console.log(`\n${cell.title} ${cell.version}`);
  const seen: Seen[] = [];
  try {
    await cell.install();
    await cell.run({ setting, tarball: tarball.path, check: reporter(seen) });
    const { kind, title, version } = cell;
    const result: CellResult = { kind, title, version, date: new Date().toISOString().slice(0, 10), seen };
    if (values.record) record({ [name]: result }, Object.keys(CELLS));
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
  if (seen.some(({ outcome }) => outcome === "failed")) process.exitCode = 1;
}
await setting[Symbol.asyncDispose]();
tarball.remove();
process.exit(); // The emulators' clients may keep sockets open.
