/**
 * Runs scenarios of the official MCP conformance suite (https://github.com/modelcontextprotocol/conformance) with the
 * client of `mcp-conformance-client.ts`, at each version of the protocol that has them.
 *
 * Run it with `npm run mcp-conformance`. It installs the suite, and Node 24, which the suite needs, into a cache outside
 * the repository. It exits with 1 if a check fails or the suite can't be installed.
 */
import { type ExecFileException, execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The only version so far that has the scenarios for DPoP. */
const SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12";
const SCENARIOS = ["auth/dpop", "auth/dpop-nonce", "auth/client-credentials-jwt"];
const PROTOCOL_VERSIONS = ["2025-11-25", "2026-07-28"];

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "hardproof");
const SUITE_DIRECTORY = join(CACHE, SUITE.replace(/^@[^/]*\//, "mcp-").replace("@", "-"));
const PROGRAM = join(SUITE_DIRECTORY, "node_modules/@modelcontextprotocol/conformance/dist/index.js");
const NODE_DIRECTORY = join(CACHE, "node-24");
const NODE = join(NODE_DIRECTORY, "node_modules/.bin/node");
/** The suite splits the command at spaces, and appends the server's URL. */
const CLIENT = "node --import tsx test/interop/mcp-conformance-client.ts";

/** A result of the suite. Checks with status `INFO` only record a request or a response. */
interface Check {
  readonly id: string;
  readonly description: string;
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO";
  readonly errorMessage?: string;
}

interface Output {
  readonly hasFailed: boolean;
  /** Standard output and standard error. */
  readonly text: string;
}

function run(program: string, args: readonly string[]): Promise<Output> {
  const PATH = [join(NODE_DIRECTORY, "node_modules/.bin"), process.env.PATH].join(delimiter);
  return new Promise((resolve) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string) =>
      resolve({ hasFailed: error !== null, text: `${stdout}\n${stderr}` });
    execFile(program, args, { cwd: ROOT, env: { ...process.env, PATH }, maxBuffer: 64 * 1024 * 1024 }, done);
  });
}

/** Installs a package unless it is in the cache already. */
async function install(directory: string, name: string, file: string): Promise<void> {
  if (existsSync(file)) return;
  const flags = ["--no-save", "--no-audit", "--no-fund"];
  const { hasFailed, text } = await run("npm", ["install", "--prefix", directory, ...flags, name]);
  if (hasFailed || !existsSync(file)) throw new Error(`${name} can't be installed into ${directory}:\n${text}`);
}

/** Runs one scenario. A client that fails is a failed check, even if the suite has no check for its error. */
async function checksOf(scenario: string, version: string): Promise<Check[]> {
  const results = mkdtempSync(join(tmpdir(), "hardproof-mcp-"));
  try {
    // Scenarios of extensions don't belong to a version, and are skipped without --force.
    const selection = ["--scenario", scenario, "--spec-version", version, "--force"];
    const { hasFailed, text } = await run(NODE, [PROGRAM, "client", "--command", CLIENT, ...selection, "-o", results]);
    const checks = readChecks(results).filter(({ status }) => status !== "INFO");
    if (!hasFailed && checks.length > 0) return checks;
    return [...checks, { id: "scenario", description: "The scenario passes", status: "FAILURE", errorMessage: text }];
  } finally {
    rmSync(results, { recursive: true });
  }
}

function readChecks(directory: string): Check[] {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" });
  const [found] = files.filter((file) => file.endsWith("checks.json"));
  return found === undefined ? [] : JSON.parse(readFileSync(join(directory, found), "utf8"));
}

function print({ id, description, status, errorMessage }: Check): void {
  console.log(`  ${status.padEnd(7)} ${id}: ${description}`);
  if (errorMessage !== undefined && status !== "SUCCESS") console.log(errorMessage.replace(/^/gm, "          "));
}

async function runAll(): Promise<boolean> {
  await install(NODE_DIRECTORY, "node@24", NODE);
  await install(SUITE_DIRECTORY, SUITE, PROGRAM);
  const all: Check[] = [];
  for (const scenario of SCENARIOS)
    for (const version of PROTOCOL_VERSIONS) {
      console.log(`${scenario}, protocol version ${version}`);
      const checks = await checksOf(scenario, version);
      for (const check of checks) print(check);
      all.push(...checks);
    }
  const passed = all.filter(({ status }) => status === "SUCCESS");
  console.log(`${passed.length} of ${all.length} checks passed`);
  return passed.length === all.length;
}

const passes = await runAll().catch((error: Error) => {
  console.error(error.message);
  return false;
});
process.exitCode = passes ? 0 : 1;
