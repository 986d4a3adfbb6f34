/** Secrets that are typed into a real terminal: what is asked for, that nothing of it is shown, and that the terminal is restored. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { type TestServer, testServer } from "hardproof/testing";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { json, stubServer } from "../../servers/stub-server.js";
import { installTarball } from "../../tarball.js";
import { type Process, start, startInTerminal } from "./process.js";

const PIN = "Grüße 4711";
const PASSPHRASE = "korrektes Pferd";
const CTRL_C = "\u0003";
const CTRL_D = "\u0004";

const installed = installTarball(inject("tarball"), ["graphene-pk11", "@peculiar/x509", "reflect-metadata"]);
const command = join(installed.directory, "node_modules/.bin/hardproof");
const directory = mkdtempSync(join(tmpdir(), "hardproof-prompts-"));
const file = join(directory, "key.pem");
let hsm: SoftHsm;
let server: TestServer;
let token: string;
beforeAll(async () => {
  hsm = await softHsm({ label: "typed", pin: PIN, keys: [{ label: "dpop" }, { label: "client" }] });
  server = await testServer({ clientId: "agent" });
  token = `pkcs11:token=typed;object=dpop?module-path=${hsm.module}`;
  const uri = `file://${file}?passphrase-source=env:PASSPHRASE`;
  expect(await start(command, ["keygen", uri], { PASSPHRASE }).ended).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await server.close();
  await hsm.close();
  installed.remove();
  rmSync(directory, { recursive: true });
});

interface Session extends Process {
  /** The terminal's settings before and after the command, as `stty -a` prints them. */
  settings(): string[];
  /** The process ID of the command. */
  pid(): number;
  /** The path of the terminal. */
  tty(): string;
}

/** Runs the command from a shell in a terminal, as a user does. */
function terminal(args: readonly string[], env: Record<string, string> = {}): Session {
  const at = (name: string) => join(directory, name);
  const script = `
    trap : HUP
    stty -a > '${at("before")}'
    tty > '${at("tty")}'
    sh -c 'echo $$ > "${at("pid")}"; exec "$0" "$@"' "$0" "$@"
    code=$?
    echo $code > '${at("code")}'
    stty -a > '${at("after")}'
    exit $code`;
  const shell = ["-c", script, command, ...args];
  const session = startInTerminal("/bin/sh", shell, 80, { ...hsm.env, ...env });
  const read = (name: string) => readFileSync(at(name), "utf8");
  const settings = () => [read("before"), read("after")];
  return { ...session, settings, pid: () => Number(read("pid")), tty: () => read("tty").trim() };
}

/** Waits for the question, and types. */
async function answer({ until, child }: Process, question: string, typed: string): Promise<void> {
  await until(question);
  child.stdin?.write(typed);
}

const PIN_QUESTION = "PIN of pkcs11:token=typed";
const MANY = { timeout: 60_000 };

describe("a PIN", () => {
  beforeEach(() => rmSync(join(directory, "after"), { force: true }));

  it.each<[string, () => string[], RegExp]>([
    ["show", () => ["show", token, "--only", "jkt"], /[\w-]{43}\r\n$/],
    ["keygen", () => ["keygen", token.replace("=dpop", "=made")], /object=made/],
    ["keys", () => ["keys", token.replace(";object=dpop", "")], /object=client/],
    ["doctor", () => ["doctor", token], /✓ signature +created and verified/],
    ["proof", () => ["proof", token, "GET", "https://a.example/"], /ey[\w-]+\.[\w-]+\.[\w-]+/],
    ["csr", () => ["csr", token, "--subject", "CN=agent-7"], /BEGIN CERTIFICATE REQUEST/],
    ["bench", () => ["bench", token, "--seconds", "0.2", "--concurrency", "4"], /sign\/s/],
    ["demo", () => ["demo", token], /call by owner +200/],
  ])("is asked for by %s, isn't shown, and leaves the terminal as it was", MANY, async (_, args, printed) => {
    const session = terminal(args());
    await answer(session, "End with Enter: ", `${PIN}\r`);
    const { code, out } = await session.ended;
    expect(out).toMatch(printed);
    expect(code).toBe(0);
    expect(out).toContain(PIN_QUESTION);
    expect(out).toContain("A wrong PIN spends a try.");
    expect(out).not.toMatch(/Grü|ße 4711/);
    const [before, after] = session.settings();
    expect(after).toBe(before);
  });

  it.each([
    ["the client's key", "memory:"],
    ["both keys of the token", "the token"],
  ])("is asked for once, and outside the time limit of the server, to open %s", MANY, async (_, key) => {
    const issuer = await stubServer();
    issuer.respondWith(json(200, { access_token: "a", token_type: "DPoP" }));
    const client = ["--client-id", "agent", "--client-auth", "private_key_jwt"];
    const keys = ["--key", key === "memory:" ? key : token, "--client-key", token.replace("=dpop", "=client")];
    const server = ["--token-endpoint", `${issuer.origin}/token`, "--timeout", "4"];
    const session = terminal(["token", ...keys, ...client, ...server]);
    await session.until("End with Enter: ");
    await new Promise((resolve) => setTimeout(resolve, 4_500)); // more than the time limit
    session.child.stdin?.write(`${PIN}\r`);
    const { out, code } = await session.ended;
    await issuer.close();
    expect(out).toContain("doesn't report which key the token is bound to");
    expect(code).toBe(0);
    expect(out.match(/PIN of/g)).toHaveLength(1);
    const [request] = issuer.requests;
    expect(decodeJwt(request?.form.get("client_assertion") ?? "").aud).toBe(`${issuer.origin}/token`);
  });

  it("is asked for once for two replicas on one token", MANY, async () => {
    const session = terminal(["show", "--key", token, "--key", token, "--only", "jkt"]);
    await answer(session, "End with Enter: ", `${PIN}\r`);
    const { out, code } = await session.ended;
    expect(code).toBe(0);
    expect(out.match(/PIN of/g)).toHaveLength(1);
  });

  it.each([
    ["show", "show"],
    ["doctor", "doctor"],
    ["keys", "keys"],
  ])("that is wrong ends %s: it isn't asked for again, and the message names it", MANY, async (_, name) => {
    const session = terminal([name, token]);
    await answer(session, "End with Enter: ", "hunter2\r");
    const { code, out } = await session.ended;
    expect(code).toBe(name === "doctor" ? 1 : 3);
    expect(out.match(/PIN of/g)).toHaveLength(1);
    expect(out).toContain("CKR_PIN_INCORRECT");
    expect(out).toContain("The PIN that you typed is wrong.");
    expect(out).toContain("each run with a wrong PIN spends a try");
    expect(out).not.toContain("hunter2");
  });

  it.each<[string, string, number, RegExp]>([
    ["Ctrl-C", `half${CTRL_C}`, 130, /hardproof: Interrupted\./],
    ["Ctrl-D in an empty line", CTRL_D, 2, /The PIN: nothing was typed\./],
    ["Enter in an empty line", "\r", 2, /The PIN: nothing was typed\./],
  ])("isn't asked for again after %s, which restores the terminal", MANY, async (_, typed, code, printed) => {
    const session = terminal(["show", token]);
    await answer(session, "End with Enter: ", typed);
    const ended = await session.ended;
    expect(ended.out).toMatch(printed);
    expect(ended.code).toBe(code);
    expect(ended.out).not.toContain("half");
    const [before, after] = session.settings();
    expect(after).toBe(before);
  });

  it.each<[NodeJS.Signals, number]>([
    ["SIGTERM", 143],
    ["SIGINT", 130],
    ["SIGQUIT", 131],
  ])("is interrupted by %s, which restores the terminal", MANY, async (signal, code) => {
    const session = terminal(["show", token]);
    await session.until("End with Enter: ");
    process.kill(session.pid(), signal);
    expect(await session.ended).toMatchObject({ code, out: expect.stringContaining("hardproof: Interrupted.") });
    const [before, after] = session.settings();
    expect(after).toBe(before);
  });

  it("isn't shown, and the terminal is restored, after kill -HUP", MANY, async () => {
    const session = terminal(["show", token]);
    await session.until("End with Enter: ");
    process.kill(session.pid(), "SIGHUP");
    expect(await session.ended).toMatchObject({ code: 129 });
    const [before, after] = session.settings();
    expect(after).toBe(before);
  });

  it("doesn't leave a core dump behind if the terminal is closed", MANY, async () => {
    const code = () => readFileSync(join(directory, "code"), "utf8").trim();
    rmSync(join(directory, "code"), { force: true });
    const session = terminal(["show", token]);
    await session.until("End with Enter: ");
    session.child.kill("SIGKILL");
    await expect.poll(() => existsSync(join(directory, "code")) && code(), { timeout: 20_000 }).toBe("129");
    await session.ended;
  });

  it("stays hidden if the terminal was reset while the process was stopped", MANY, async () => {
    const session = terminal(["show", token, "--only", "jkt"]);
    await session.until("End with Enter: ");
    const stty = (...args: string[]) => execFileSync("stty", ["-F", session.tty(), ...args], { encoding: "utf8" });
    stty("sane");
    process.kill(session.pid(), "SIGCONT");
    await expect.poll(() => stty("-a"), { timeout: 20_000 }).toContain("-echo ");
    session.child.stdin?.write(`${PIN}\r`);
    const { code, out } = await session.ended;
    expect(code).toBe(0);
    expect(out).not.toContain("4711");
  });

  it("isn't asked for with --json", async () => {
    const { code, out } = await terminal(["show", token, "--json"]).ended;
    expect(code).toBe(3);
    expect(JSON.parse(out).error).toMatchObject({ code: "pin-required" });
    expect(JSON.parse(out).error.message).toContain("add pin-source=env:NAME to the key's URI");
  });

  it("isn't asked for if standard input or standard error isn't a terminal", async () => {
    const expected = /add pin-source=env:NAME to the key's URI, after the question mark/;
    const piped = await start(command, ["show", token], hsm.env).ended;
    expect(piped).toMatchObject({ code: 3, err: expect.stringMatching(expected) });
    const log = join(directory, "log");
    const redirected = ["-c", `"$0" show '${token}' 2> '${log}'`, command];
    expect(await startInTerminal("/bin/sh", redirected, 80, hsm.env).ended).toMatchObject({ code: 3 });
    expect(readFileSync(log, "utf8")).toMatch(expected);
  });

  it("isn't asked for if the URI has a source, even if that is missing", async () => {
    const { code, out } = await terminal(["show", `${token}&pin-source=env:NO_SUCH_PIN`]).ended;
    expect(code).toBe(3);
    expect(out).toContain("environment variable NO_SUCH_PIN is missing");
    expect(out).not.toContain("PIN of");
  });

  it("of the URI that is wrong is named by its source", async () => {
    const { err, code } = await start(command, ["show", `${token}&pin-source=env:HSM_WRONG`], {
      ...hsm.env,
      HSM_WRONG: "hunter2",
    }).ended;
    expect(code).toBe(3);
    expect(err).toContain("The PIN in the environment variable HSM_WRONG is wrong.");
    expect(err).toContain("each run with a wrong PIN spends a try");
    expect(err).not.toContain("hunter2");
    const path = join(directory, "pin");
    writeFileSync(path, "hunter2\n", { mode: 0o600 });
    const fromFile = await start(command, ["keys", `${token}&pin-source=${path}`], hsm.env).ended;
    expect(fromFile.err).toContain(`The PIN in the file ${path} is wrong.`);
  });
});

describe("a passphrase", () => {
  it("is asked for, and isn't shown", MANY, async () => {
    const session = terminal(["show", `file://${file}`, "--only", "jkt"]);
    await answer(session, "End with Enter: ", `korekt\u0015\u001b[200~${PASSPHRASE}\u001b[201~\r`);
    const { code, out } = await session.ended;
    expect(code).toBe(0);
    expect(out).toContain("Passphrase of file://");
    expect(out).not.toMatch(/kor|Pferd/);
  });

  it("is asked for by doctor, after the checks that don't need it", MANY, async () => {
    const session = terminal(["doctor", `file://${file}`]);
    await answer(session, "End with Enter: ", `${PASSPHRASE}\r`);
    const { code, out } = await session.ended;
    expect(out).toMatch(/passphrase +typed at the terminal, if needed[\s\S]*signature +created and verified/);
    expect(code).toBe(0);
  });

  it("that is wrong isn't asked for again", MANY, async () => {
    const session = terminal(["show", `file://${file}`]);
    await answer(session, "End with Enter: ", "hunter2\r");
    const { code, out } = await session.ended;
    expect(code).toBe(3);
    expect(out).toMatch(/can't be decrypted with the passphrase\s+that\s+you typed/);
    expect(out).not.toContain("hunter2");
  });

  it("of the URI that is wrong is named by its source", async () => {
    const uri = `file://${file}?passphrase-source=env:WRONG`;
    const { err } = await start(command, ["show", uri], { WRONG: "hunter2" }).ended;
    expect(err).toContain("can't be decrypted with the passphrase in the environment variable WRONG.");
  });
});

describe("a secret from standard input", () => {
  const SECRETS = ["--client-id", "agent", "--key", "memory:"];

  it("is asked for: the client secret, in place of a file", MANY, async () => {
    const session = terminal(["token", "--issuer", server.issuer, ...SECRETS, "--client-secret-file", "-"]);
    await answer(session, "The client secret, which isn't shown. End with Enter: ", `${server.client.clientSecret}\r`);
    const { code, out } = await session.ended;
    expect(out).not.toContain(server.client.clientSecret);
    expect(code).toBe(0);
    expect(out).toContain("bound to");
  });

  it.each([
    ["--token", "-"],
    ["--token-file", "/dev/stdin"],
    ["--token-file", "/dev/tty"],
  ])("is asked for: the access token of %s %s", MANY, async (option, source) => {
    const session = terminal(["proof", "memory:", "GET", "https://a.example/", option, source]);
    await answer(session, "The access token, which isn't shown. End with Enter: ", "s3cr3t-token\r");
    const { code, out } = await session.ended;
    expect(code).toBe(0);
    expect(out).not.toContain("s3cr3t");
    expect(decodeJwt(/ey\S+/.exec(out)?.[0] ?? "")).toHaveProperty("ath");
  });

  it("is asked for: the refresh token and the client secret, one after the other", MANY, async () => {
    const refresh = ["--grant", "refresh_token", "--refresh-token-file", "-", "--client-secret-file", "-"];
    const session = terminal(["token", "--issuer", server.issuer, ...SECRETS, ...refresh]);
    await answer(session, "The client secret, which isn't shown. End with Enter: ", "s3cr3t-1\r");
    await answer(session, "The refresh token, which isn't shown. End with Enter: ", "s3cr3t-2\r");
    const { code, out } = await session.ended;
    expect(code).toBe(1); // the server knows neither
    expect(out).not.toContain("s3cr3t");
  });

  it("may be longer than a line that the terminal edits", MANY, async () => {
    const long = "x".repeat(6_000);
    const session = terminal(["proof", "memory:", "GET", "https://a.example/", "--token", "-"]);
    await answer(session, "End with Enter: ", `${long}\r`);
    const { code, out } = await session.ended;
    expect(code).toBe(0);
    expect(out).not.toContain("xxx");
  });

  it("is asked for after the PIN, which is a line of its own", MANY, async () => {
    const session = terminal(["proof", token, "GET", "https://a.example/", "--token", "-"]);
    await answer(session, "The access token, which isn't shown. End with Enter: ", "s3cr3t-token\r");
    await answer(session, PIN_QUESTION, `${PIN}\r`);
    const { code, out } = await session.ended;
    expect(code).toBe(0);
    expect(out).not.toMatch(/s3cr3t|4711/);
  });
});
