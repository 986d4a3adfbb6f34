/** docs/tutorial.md, followed from an empty folder with an empty home directory: its own lines, and the packed package. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, inject, it } from "vitest";
import { type Process, start } from "./src/cli/process.js";

const page = readFileSync(new URL("../docs/tutorial.md", import.meta.url), "utf8");
const blocksOf = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(([, code = ""]) => code);
const [firstTerminal = "", secondTerminal = "", typescript = ""] = blocksOf("sh");
const [program = ""] = blocksOf("ts");

const root = mkdtempSync(join(tmpdir(), "hardproof-tutorial-"));
const [folder, home] = [join(root, "agent"), join(root, "home")];
for (const path of [folder, home]) mkdirSync(path);
let servers: Process | undefined;
afterAll(async () => {
  await stopServers();
  rmSync(root, { recursive: true });
});

/** Nothing of the user who runs the tests, except how this machine reaches the registry; no variables of Hardproof. */
const npm_config_registry = execFileSync("npm", ["config", "get", "registry"], { encoding: "utf8" }).trim();
const network = Object.fromEntries(
  ["NODE_EXTRA_CA_CERTS", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"].map((name) => [name, process.env[name]]),
);
const env = { PATH: process.env.PATH ?? "", HOME: home, TMPDIR: root, npm_config_registry, ...network };
/** The package is the packed one. All others come from the registry, as they would for the reader. */
const asPacked = (line: string) => line.replace(/(?<=^npm install )hardproof\b/, inject("tarball"));
const linesOf = (block: string) => block.trim().split("\n").map(asPacked);
/** Runs a whole block in one terminal, and stops at the first failure. */
const run = (...lines: readonly string[]) =>
  execFileSync("sh", ["-ec", lines.join("\n")], {
    cwd: folder,
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 240_000, // npm repeats requests for longer
  });

async function stopServers(): Promise<number | null | undefined> {
  servers?.child.kill("SIGINT");
  return (await servers?.ended)?.code;
}

it("needs at most six commands, and twelve lines of TypeScript", () => {
  expect([...linesOf(firstTerminal), ...linesOf(secondTerminal)].length).toBeLessThanOrEqual(6);
  expect(program.trim().split("\n").length).toBeLessThanOrEqual(12);
});

it("leads to a bound token and a call with a key on a SoftHSM token", { timeout: 300_000 }, async () => {
  const [install = "", serve = ""] = linesOf(firstTerminal);
  run(install);
  // `exec`, so that the signal reaches the command; npx and its shell would each pass it on, or not.
  servers = start("sh", ["-c", `cd '${folder}' && ${serve.replace("npx ", "exec node_modules/.bin/")}`], env);
  await servers.until("Serving until Ctrl-C");
  expect(statSync(join(folder, "demo.env")).mode & 0o777).toBe(0o600);

  const [accessToken = "", body = "{}"] = run(...linesOf(secondTerminal)).split("\n");
  const [, claims = ""] = accessToken.split(".");
  const { cnf } = JSON.parse(Buffer.from(claims, "base64url").toString());
  const settings = linesOf(secondTerminal)[0] ?? "";
  expect(run(settings, "npx hardproof show")).toMatch(/^key +pkcs11:token=demo;[\s\S]*SoftHSM/);
  expect(cnf.jkt).toBe(run(settings, "npx hardproof show --only jkt").trim());
  expect(JSON.parse(body)).toEqual({ hello: "demo-agent", jkt: cnf.jkt });
});

it("leads to the same by TypeScript", { timeout: 300_000 }, () => {
  writeFileSync(join(folder, "agent.mts"), program);
  const settings = linesOf(secondTerminal)[0] ?? "";
  expect(run(settings, ...linesOf(typescript))).toMatch(
    /^true\n200 \{\s+hello: 'demo-agent',\s+jkt: '[\w-]{43}'\s+\}\n$/m,
  );
  expect(run("npx tsx --env-file=demo.env agent.mts")).toMatch(/^true\n200 /m);
});

it("leaves nothing behind", async () => {
  const [, directory = ""] =
    /SOFTHSM2_CONF='(.*)\/softhsm2.conf'/.exec(readFileSync(join(folder, "demo.env"), "utf8")) ?? [];
  expect(existsSync(directory)).toBe(true);
  expect(await stopServers()).toBe(130);
  expect(existsSync(directory)).toBe(false);
  expect(readdirSync(folder)).not.toContain("demo.env");
});
