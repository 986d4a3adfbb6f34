/**
 * `npm run release`: checks, packs and publishes the package. `-- --dry-run` does everything but publish, and lists what is
 * missing. The tests are not a part of it: run `.ci/run` before.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import manifest from "../package.json" with { type: "json" };
import { CHECKSUMS, writeArtifacts } from "./artifacts.js";
import { releaseProblems } from "./problems.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({ options: { "dry-run": { type: "boolean", default: false } } });
const isDryRun = values["dry-run"];
const run = (command: string, ...args: readonly string[]) =>
  execFileSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });

const uncommitted = execFileSync("git", ["status", "--porcelain"], { cwd: root, encoding: "utf8" });
const problems = releaseProblems(manifest, readFileSync(`${root}CHANGELOG.md`, "utf8"), uncommitted);
for (const problem of problems) console.error(`– ${problem}`);
if (problems.length > 0 && !isDryRun) process.exit(1);

run("npm", "run", "check");
const tarball = writeArtifacts(root, `${root}release/out`);
console.log(readFileSync(`${root}release/out/${CHECKSUMS}`, "utf8"));
// Provenance needs a CI system that npm trusts, such as GitHub Actions with `id-token: write`. Elsewhere npm refuses.
run("npm", "publish", tarball, "--provenance", "--access", "public", ...(isDryRun ? ["--dry-run"] : []));
