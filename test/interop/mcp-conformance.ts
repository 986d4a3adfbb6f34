/**
 * Scenarios of the official MCP conformance suite (https://github.com/modelcontextprotocol/conformance) with the client of
 * `mcp-conformance-client.ts`, at each version of the protocol that has them. Each check of the suite is a scenario.
 */
import { type ExecFileException, execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installFromNpm } from "./cache.js";
import { check, type Peer, type Row, type Scenario } from "./scenario.js";

/** The only version so far that has the scenarios for DPoP. */
const VERSION = "0.2.0-alpha.12";
/** The suite needs Node 24. */
const PACKAGES = [`@modelcontextprotocol/conformance@${VERSION}`, "node@24.21.0"];
const SCENARIOS: Readonly<Record<string, Row>> = {
  "auth/dpop": "protected resource",
  "auth/dpop-nonce": "nonces",
  "auth/client-credentials-jwt": "private_key_jwt",
};
const PROTOCOL_VERSIONS = ["2025-11-25", "2026-07-28"];

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The suite splits the command at spaces, and appends the server's URL. */
const CLIENT = "node --import tsx test/interop/mcp-conformance-client.ts";

/** The official MCP conformance suite. */
export const mcpConformance: Peer = {
  title: "MCP conformance suite",
  kind: "suite",
  async install() {
    await installSuite();
    return VERSION;
  },
  run,
};

function installSuite(): Promise<string> {
  return installFromNpm("mcp-conformance", PACKAGES);
}

async function run(scenario: Scenario): Promise<void> {
  const directory = join(await installSuite(), "node_modules");
  for (const [name, row] of Object.entries(SCENARIOS))
    for (const version of PROTOCOL_VERSIONS)
      for (const { id, description, status, errorMessage } of await checksOf(directory, name, version))
        await scenario(row, `${name}, version ${version}: ${id}`, async () => {
          check(status === "SUCCESS", `${status}: ${errorMessage ?? description}`);
          return description;
        });
}

/** A result of the suite. Checks with status `INFO` only record a request or a response. */
interface Check {
  readonly id: string;
  readonly description: string;
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO";
  readonly errorMessage?: string;
}

/** Runs one scenario. A client that fails is a failed check, even if the suite has no check for its error. */
async function checksOf(directory: string, scenario: string, version: string): Promise<Check[]> {
  const results = mkdtempSync(join(tmpdir(), "hardproof-mcp-"));
  try {
    // Scenarios of extensions don't belong to a version, and are skipped without --force.
    const selection = ["--scenario", scenario, "--spec-version", version, "--force"];
    const { hasFailed, text } = await runSuite(directory, ["client", "--command", CLIENT, ...selection, "-o", results]);
    const checks = readChecks(results).filter(({ status }) => status !== "INFO");
    if (!hasFailed && checks.length > 0) return checks;
    return [...checks, { id: "scenario", description: "The scenario passes", status: "FAILURE", errorMessage: text }];
  } finally {
    rmSync(results, { recursive: true });
  }
}

interface Output {
  readonly hasFailed: boolean;
  /** Standard output and standard error. */
  readonly text: string;
}

/** Runs the suite by its own Node, which also runs our client. It fails if a check fails. */
function runSuite(directory: string, args: readonly string[]): Promise<Output> {
  const programs = join(directory, ".bin");
  const env = { ...process.env, PATH: [programs, process.env.PATH].join(delimiter) };
  const suite = join(directory, "@modelcontextprotocol/conformance/dist/index.js");
  return new Promise((resolve) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string) =>
      resolve({ hasFailed: error !== null, text: `${stdout}\n${stderr}`.trim() });
    execFile(join(programs, "node"), [suite, ...args], { cwd: ROOT, env, maxBuffer: 64 * 1024 * 1024 }, done);
  });
}

function readChecks(directory: string): Check[] {
  const files = readdirSync(directory, { recursive: true, encoding: "utf8" });
  const [found] = files.filter((file) => file.endsWith("checks.json"));
  return found === undefined ? [] : JSON.parse(readFileSync(join(directory, found), "utf8"));
}
