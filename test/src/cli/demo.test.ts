/** `hardproof demo` with its own SoftHSM token, and as servers for other commands. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DPoPProver, dpopFetch, OAuthClient } from "hardproof";
import { afterAll, describe, expect, it } from "vitest";
import { start, startInTerminal } from "./process.js";
import { type Result, run } from "./run.js";

const MAIN = fileURLToPath(new URL("../../../dist/src/cli/main.js", import.meta.url));

/** Starts `hardproof demo --serve`, and waits for what it prints. */
async function serve(...options: readonly string[]) {
  const stop = new AbortController();
  let ended: Promise<Result> | undefined;
  const printed = await new Promise<string>((resolve) => {
    ended = run(["demo", "--serve", ...options], { signal: stop.signal, onOutput: resolve });
  });
  const end = async () => {
    stop.abort();
    return ended;
  };
  return { printed, end };
}

const directory = mkdtempSync(join(tmpdir(), "hardproof-demo-"));
afterAll(() => rmSync(directory, { recursive: true }));

it("runs with a key on a throw-away SoftHSM token", async () => {
  const { code, out } = await run(["demo", "--softhsm", "--json"]);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    protection: "software",
    exportable: false,
    bound: true,
    stolen: { status: 401 },
  });
});

it("prints the settings while it serves, as JSON, and a client gets a bound token with them", async () => {
  const { printed, end } = await serve("--json");
  const settings = JSON.parse(printed);
  const prover = await DPoPProver.generate();
  const client = await OAuthClient.discover(settings.DEMO_ISSUER);
  const { HARDPROOF_CLIENT_ID: clientId, HARDPROOF_CLIENT_SECRET: clientSecret } = settings;
  const token = await client.clientCredentials({ dpopProver: prover, clientId, clientSecret, requireBinding: true });
  expect((await dpopFetch({ prover, token })(settings.DEMO_RESOURCE)).status).toBe(200);
  expect(await end()).toEqual({ code: 130, out: printed, err: "hardproof: Interrupted.\n" });
  await expect(OAuthClient.discover(settings.DEMO_ISSUER)).rejects.toMatchObject({ code: "unreachable" });
});

it("doesn't overwrite a file, and deletes only its own", async () => {
  const path = join(directory, "demo.env");
  writeFileSync(path, "mine");
  const { code, err } = await run(["demo", "--serve", "--output", path]);
  expect({ code, err }).toMatchObject({ code: 2, err: expect.stringContaining("EEXIST") });
  expect(readFileSync(path, "utf8")).toBe("mine");
});

it("quotes the name of the file that it tells the user to read", async () => {
  const path = join(directory, "it's one");
  const { printed, end } = await serve("--output", path);
  expect(printed).toContain(`. '${directory}/it'\\''s one'\n`);
  expect(existsSync(path)).toBe(true);
  await end();
  expect(existsSync(path)).toBe(false);
});

describe("a terminal that is closed", () => {
  const args = (path: string) => [MAIN, "demo", "--serve", "--softhsm", "--output", path];
  const tokenOf = (path: string) => /SOFTHSM2_CONF='(.*)\/softhsm2.conf'/.exec(readFileSync(path, "utf8"))?.[1] ?? "";

  it("ends the servers by SIGHUP, and leaves neither the token nor the file with the secret", async () => {
    const path = join(directory, "hung-up.env");
    const servers = start(process.execPath, args(path));
    await servers.until("Serving until Ctrl-C");
    const token = tokenOf(path);
    expect(existsSync(token)).toBe(true);
    servers.child.kill("SIGHUP");
    servers.child.kill("SIGHUP");
    await servers.ended;
    expect(servers.child.signalCode).toBe("SIGHUP");
    expect([path, token].filter((each) => existsSync(each))).toEqual([]);
  });

  it("ends them if it is a real one", async () => {
    const path = join(directory, "closed.env");
    const servers = startInTerminal(process.execPath, args(path), 80);
    await servers.until("Serving until Ctrl-C");
    const token = tokenOf(path);
    servers.child.kill("SIGKILL");
    await expect.poll(() => [path, token].filter((each) => existsSync(each)), { timeout: 20_000 }).toEqual([]);
    await servers.ended;
  });
});

it.each([
  [["--softhsm", "memory:"], /leave out --softhsm or the URI/],
  [["--serve", "memory:"], /pass the key to the commands/],
  [["--serve", "--public-key", "key.pem"], /pass the key to the commands/],
  [["--output", "demo.env"], /--output needs --serve/],
])("refuses %j", async (args, message) => {
  const { code, err } = await run(["demo", ...args]);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});
