/** The nonces that `hardproof token` and `fetch` keep between runs, and the file that has them. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSigner } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { stateDirectory } from "../../../src/cli/state-file.js";
import { type AuthorizationServer, authorizationServer } from "../../servers/authorization-server.js";
import type { RecordedRequest } from "../../servers/loopback-server.js";
import { type ResourceServer, resourceServer } from "../../servers/resource-server.js";
import { json, type Responder, type StubServer, stubServer } from "../../servers/stub-server.js";
import { run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-state-"));
const key = `file://${directory}/dpop.pem`;
let as: AuthorizationServer;
let rs: ResourceServer;
let stub: StubServer;
let jkt: string;
/** A new home directory for each test. */
let home: string;
let state: string;
let file: string;
beforeAll(async () => {
  await run(["keygen", key]);
  await using signer = await openSigner(key);
  ({ jkt } = await signer.describe());
  as = await authorizationServer();
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
  stub = await stubServer();
});
beforeEach(() => {
  home = mkdtempSync(join(directory, "home-"));
  state = join(home, ".local", "state", "hardproof");
  file = join(state, "nonces.json");
});
afterAll(async () => {
  await Promise.all([rs.close(), as.close(), stub.close()]);
  rmSync(directory, { recursive: true });
});

const env = (more: Record<string, string> = {}) => ({
  HARDPROOF_KEY: key,
  HARDPROOF_CLIENT_ID: as.client.clientId,
  HARDPROOF_CLIENT_SECRET: as.client.clientSecret,
  HOME: home,
  ...more,
});
const token = (args: string[] = [], more = {}) => run(["token", "--issuer", as.issuer, ...args], { env: env(more) });
const saved = () => Object(JSON.parse(readFileSync(file, "utf8")));
const modeOf = (path: string) => statSync(path).mode & 0o777;
/** Creates the directory, and the file with these nonces. */
const save = (nonces: object) => {
  mkdirSync(state, { recursive: true, mode: 0o700 });
  writeFileSync(file, JSON.stringify(nonces), { mode: 0o600 });
};

/** Runs the work, and returns the requests with a proof that both servers have received meanwhile. */
async function requestsOf(work: () => Promise<{ code: number }>): Promise<RecordedRequest[]> {
  const before = [as, rs].map(({ requests }) => requests.length);
  expect(await work()).toMatchObject({ code: 0 });
  const later = [as, rs].flatMap(({ requests }, index): RecordedRequest[] => requests.slice(before[index]));
  return later.filter(({ headers }) => headers.dpop);
}

async function statuses(work: () => Promise<{ code: number }>): Promise<number[]> {
  return (await requestsOf(work)).map(({ status }) => status);
}

describe("a second run", () => {
  it("of token costs one request, and one more after an outdated nonce", async () => {
    expect(await statuses(token)).toEqual([400, 200]);
    expect(await statuses(token)).toEqual([200]);
    as.rotateNonces();
    expect(await statuses(token)).toEqual([400, 200]);
    expect(await statuses(token)).toEqual([200]);
  });

  it("of fetch costs one request to each server", async () => {
    const call = () => run(["fetch", rs.url, "--fail", "--issuer", as.issuer], { env: env() });
    expect(await statuses(call)).toEqual([400, 200, 401, 200]);
    expect(await statuses(call)).toEqual([200, 200]);
    rs.rotateNonce();
    expect(await statuses(call)).toEqual([200, 401, 200]);
    expect(await statuses(call)).toEqual([200, 200]);
  });

  it("with another key, or with --no-state, begins without a nonce", async () => {
    await token();
    const other = `file://${home}/other.pem`;
    await run(["keygen", other]);
    expect(await statuses(() => token(["--key", other]))).toEqual([400, 200]);
    expect(await statuses(() => token(["--no-state"]))).toEqual([400, 200]);
    expect(await statuses(token)).toEqual([200]);
  });
});

describe("the file", () => {
  it("has a nonce for each key and server, and can only be read by its owner", async () => {
    const { out } = await run(["fetch", rs.url, "--issuer", as.issuer, "--json"], { env: env() });
    expect(JSON.parse(out).status).toBe(200);
    expect(modeOf(state)).toBe(0o700);
    expect(modeOf(file)).toBe(0o600);
    expect(readdirSync(state)).toEqual(["nonces.json"]);
    const { nonce } = decodeJwt(String(rs.requests.at(-1)?.headers.dpop));
    expect(saved()).toEqual({
      [`${jkt} authorization-server ${as.issuer}`]: expect.any(String),
      [`${jkt} resource-server ${rs.origin}`]: nonce,
    });
    expect(readFileSync(file, "utf8")).not.toContain(as.client.clientSecret);
  });

  it("isn't written with --no-state, without a nonce, for a key in memory, or without a home directory", async () => {
    await token(["--no-state"]);
    await token(["--key", "memory:"]);
    stub.respondWith(json(200, { access_token: "opaque" }));
    await run(["token", "--base-url", stub.origin], { env: env() });
    expect(readdirSync(home)).toEqual([]);
    expect(await token([], { HOME: "" })).toMatchObject({ code: 0 });
    expect(await token([], { HOME: "", XDG_STATE_HOME: "relative" })).toMatchObject({ code: 0 });
  });

  it("keeps the 64 latest nonces, and none of more than 1 KiB", async () => {
    const others = Object.fromEntries(Array.from({ length: 70 }, (_, index) => [`other ${index}`, "n"]));
    save({ ...others, long: "n".repeat(1025), [`${jkt} authorization-server ${stub.origin}`]: "oldest" });
    stub.respondWith(json(200, { access_token: "opaque" }, { "dpop-nonce": "newest" }));
    await run(["token", "--base-url", stub.origin], { env: env() });
    const names = Object.keys(saved());
    expect(names).toHaveLength(64);
    expect(names.slice(0, 2)).toEqual(["other 7", "other 8"]);
    expect(Object.entries(saved()).at(-1)).toEqual([`${jkt} authorization-server ${stub.origin}`, "newest"]);
    stub.respondWith(json(200, { access_token: "opaque" }, { "dpop-nonce": "n".repeat(1025) }));
    expect(await run(["token", "--base-url", stub.origin], { env: env() })).toMatchObject({ code: 0 });
    expect(Object.keys(saved())).toHaveLength(63);
  });

  it("loses a nonce that a server has refused without a new one, so that the next run succeeds", async () => {
    const strict: Responder = (response, request, turn) => {
      const { nonce } = decodeJwt(String(request.headers.dpop));
      if (nonce === "outdated") return json(400, { error: "invalid_request" })(response, request, turn);
      if (nonce === "n1") return json(200, { access_token: "opaque" })(response, request, turn);
      json(400, { error: "use_dpop_nonce" }, { "dpop-nonce": "n1" })(response, request, turn);
    };
    stub.respondWith(strict);
    const name = `${jkt} authorization-server ${stub.origin}`;
    save({ [name]: "outdated", other: "n" });
    const once = () => run(["token", "--base-url", stub.origin], { env: env() });
    expect(await once()).toMatchObject({ code: 1 });
    expect(saved()).toEqual({ other: "n" });
    expect(await once()).toMatchObject({ code: 0 });
    expect(saved()).toEqual({ other: "n", [name]: "n1" });
  });

  it("loses a nonce after a call with status 401, and keeps it after any other", async () => {
    const name = `${jkt} resource-server ${stub.origin}`;
    const call = async (status: number) => {
      save({ [name]: "n1" });
      stub.respondWith(json(status, {}));
      await run(["fetch", stub.origin, "--token-env", "TOKEN"], { env: env({ TOKEN: "opaque" }) });
      return saved();
    };
    expect(await call(500)).toEqual({ [name]: "n1" });
    expect(await call(401)).toEqual({});
  });

  it("gets the new nonce of a run that failed", async () => {
    const name = `${jkt} authorization-server ${stub.origin}`;
    save({ [name]: "n1" });
    stub.respondWith(json(401, { error: "invalid_client" }, { "dpop-nonce": "n2" }));
    expect(await run(["token", "--base-url", stub.origin], { env: env() })).toMatchObject({ code: 1 });
    expect(saved()).toEqual({ [name]: "n2" });
  });

  it("is whole after concurrent runs", async () => {
    const runs = Array.from({ length: 6 }, () => token());
    expect((await Promise.all(runs)).map(({ code }) => code)).toEqual(Array(6).fill(0));
    expect(Object.keys(saved())).toEqual([`${jkt} authorization-server ${as.issuer}`]);
    expect(readdirSync(state)).toEqual(["nonces.json"]);
  });

  it("keeps what another run has saved meanwhile", async () => {
    stub.respondWith((...request) => {
      save({ other: "n" });
      json(200, { access_token: "opaque" }, { "dpop-nonce": "n1" })(...request);
    });
    await run(["token", "--base-url", stub.origin], { env: env() });
    expect(saved()).toEqual({ other: "n", [`${jkt} authorization-server ${stub.origin}`]: "n1" });
  });

  it("removes what a killed run has left over, but not what another run is writing", async () => {
    save({});
    const [old, recent, backup] = ["0123456789abcdef", "fedcba9876543210", "backup"].map((end) => `nonces.json.${end}`);
    for (const name of [old, recent, backup]) writeFileSync(join(state, String(name)), "{");
    for (const name of [old, backup]) utimesSync(join(state, String(name)), 0, 0);
    await token();
    expect(readdirSync(state).sort()).toEqual(["nonces.json", backup, recent]);
  });
});

describe("a run isn't disturbed by", () => {
  const works = async () => {
    const requests = await requestsOf(token);
    expect(requests.map(({ status }) => status)).toEqual([400, 200]);
    expect(decodeJwt(String(requests[0]?.headers.dpop))).not.toHaveProperty("nonce");
  };
  const isReplaced = async () => {
    await works();
    expect(await statuses(token)).toEqual([200]);
  };

  it.each(["", "{", "null", "7", "[]", '["n"]', '{"a":7}', "\0\u00ff", "x".repeat(300_000)])(
    "a damaged file, which it replaces (%#)",
    async (content) => {
      save({});
      writeFileSync(file, content);
      await isReplaced();
    },
  );

  it("values that aren't nonces", async () => {
    save({ [`${jkt} authorization-server ${as.issuer}`]: "two\r\nlines: x" });
    await isReplaced();
  });

  it("a symbolic link in place of the file, which it replaces and doesn't follow", async () => {
    save({});
    rmSync(file);
    const target = join(home, "precious");
    writeFileSync(target, `{"${jkt} authorization-server ${as.issuer}":"planted"}`);
    symlinkSync(target, file);
    await isReplaced();
    expect(readFileSync(target, "utf8")).toContain("planted");
  });

  it("a symbolic link in place of the directory, into which it doesn't write", async () => {
    const target = mkdtempSync(join(directory, "target-"));
    mkdirSync(join(state, ".."), { recursive: true });
    symlinkSync(target, state);
    await works();
    expect(readdirSync(target)).toEqual([]);
  });

  it("a directory that others can write", async () => {
    save({ [`${jkt} authorization-server ${as.issuer}`]: "planted" });
    chmodSync(state, 0o777);
    await works();
    expect(readFileSync(file, "utf8")).toContain("planted");
  });

  it("a file that others can write, which it replaces", async () => {
    save({ [`${jkt} authorization-server ${as.issuer}`]: "planted" });
    chmodSync(file, 0o666);
    await isReplaced();
    expect(modeOf(file)).toBe(0o600);
  });

  it.skipIf(process.getuid?.() !== 0)("a directory or a file of somebody else", async () => {
    save({});
    chownSync(file, 65534, 65534);
    await isReplaced();
    chownSync(state, 65534, 65534);
    await works();
    await works();
  });

  it("a directory in place of the file", async () => {
    mkdirSync(file, { recursive: true });
    await works();
    expect(readdirSync(state)).toEqual(["nonces.json"]);
  });

  it("a named pipe in place of the file, which it replaces", async () => {
    save({});
    rmSync(file);
    execFileSync("mkfifo", ["-m", "600", file]);
    await isReplaced();
  });

  it("a home directory that doesn't exist, which it doesn't create", async () => {
    const missing = join(home, "missing");
    expect(await token([], { HOME: missing })).toMatchObject({ code: 0 });
    expect(readdirSync(home)).toEqual([]);
  });

  it.each([process.execPath, "/dev/null", "/proc/1", "/sys"])("%s in place of the home directory", async (path) => {
    const { code, err } = await token([], { HOME: path });
    expect({ code, lines: err.split("\n").filter((line) => !/^(bound to|expires in) /.test(line)) }).toEqual({
      code: 0,
      lines: [""],
    });
    expect(await token([], { XDG_STATE_HOME: path })).toMatchObject({ code: 0 });
  });

  it("a full disk", async (test) => {
    save({ other: "n" });
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8k,mode=0700", "tmpfs", state]).status === 0;
    if (!mounted) test.skip("needs the permission to mount");
    try {
      writeFileSync(file, '{ "other": "n" }', { mode: 0o600 });
      expect(() => writeFileSync(join(state, "ballast"), "x".repeat(16_384))).toThrow("ENOSPC");
      await works();
      expect(saved()).toEqual({ other: "n" });
      expect(readdirSync(state).sort()).toEqual(["ballast", "nonces.json"]);
    } finally {
      spawnSync("umount", [state]);
    }
  });
});

describe("the directory", () => {
  it.each<[Record<string, string>, string, string | undefined]>([
    [{ HOME: "/home/a" }, "linux", "/home/a/.local/state/hardproof"],
    [{ HOME: "/Users/a" }, "darwin", "/Users/a/.local/state/hardproof"],
    [{ HOME: "/home/a", XDG_STATE_HOME: "/var/a" }, "linux", "/var/a/hardproof"],
    [{ HOME: "/home/a", XDG_STATE_HOME: "var" }, "linux", "/home/a/.local/state/hardproof"],
    [{ HOME: "/home/a", XDG_STATE_HOME: "" }, "linux", "/home/a/.local/state/hardproof"],
    [{ HOME: "" }, "linux", undefined],
    [{}, "linux", undefined],
    [{ HOME: "/home/a" }, "win32", undefined],
    [{ HOME: "/home/a", LOCALAPPDATA: "/c/a" }, "win32", "/c/a/hardproof"],
  ])("of %j on %s is %s", (env, platform, expected) => {
    expect(stateDirectory(env, platform)).toBe(expected);
  });
});
