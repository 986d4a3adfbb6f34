/** A key file is created whole or not at all: on a full disk, without permission, beside another process, when killed. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKey, openSigner, type SignerError } from "hardproof";
import { afterAll, beforeEach, describe, expect, it } from "vitest";

const root = mkdtempSync(join(tmpdir(), "hardproof-create-"));
afterAll(() => rmSync(root, { recursive: true }));

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(root, "keys-"));
  path = join(directory, "dpop.pem");
});

const creationError = (target = path): Promise<SignerError> =>
  createKey(`file://${target}`).then(
    () => expect.unreachable(),
    (error) => error,
  );

async function expectUsable(): Promise<void> {
  await using signer = await createKey(`file://${path}`);
  await using opened = await openSigner(`file://${path}`);
  expect(await opened.publicJwk()).toEqual(await signer.publicJwk());
  expect(readdirSync(directory)).toContain("dpop.pem");
}

/** Runs work while a small file system is mounted on the directory. Skips the test if this user may not mount one. */
async function withTmpfs(skip: (reason: string) => void, options: string, work: () => Promise<void>): Promise<void> {
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `mode=0700,${options}`, "tmpfs", directory]).status === 0;
  if (!mounted) return skip("needs the permission to mount");
  try {
    await work();
  } finally {
    spawnSync("umount", [directory]);
  }
}

/** Root may write everywhere, so the work runs as the user `nobody`. */
async function withoutRoot(work: () => Promise<void>): Promise<void> {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(65534);
  try {
    await work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

it("leaves only the key, with its mode, whatever the umask", async () => {
  const umask = process.umask(0);
  await expectUsable().finally(() => process.umask(umask));
  expect(readdirSync(directory)).toEqual(["dpop.pem"]);
  expect(statSync(path)).toMatchObject({ nlink: 1, mode: 0o100600 });
});

it("accepts the longest name", async () => {
  const longest = join(directory, "k".repeat(255));
  await (await createKey(`file://${longest}`)).close();
  expect(statSync(longest).size).toBeGreaterThan(100);
  expect(await creationError(join(directory, "k".repeat(256)))).toMatchObject({
    code: "misconfigured",
    message: expect.stringContaining("ENAMETOOLONG: name too long"),
  });
});

describe("a full disk", () => {
  it("leaves nothing, and doesn't block the next attempt", (test) =>
    withTmpfs(test.skip, "size=4k", async () => {
      writeFileSync(join(directory, "ballast"), "x".repeat(4_096));
      expect(() => writeFileSync(join(directory, "more"), "x")).toThrow("ENOSPC");
      rmSync(join(directory, "more"), { force: true });
      const error = await creationError();
      expect(error).toMatchObject({ code: "unavailable", retryable: true, uri: `file://${path}` });
      expect(error.message).toMatch(/ENOSPC: no space left on device.*Nothing was left behind/);
      expect(error.message).toContain(`: ${directory}.`);
      expect(readdirSync(directory)).toEqual(["ballast"]);
      rmSync(join(directory, "ballast"));
      await expectUsable();
    }));

  it("leaves nothing if there is no space for another file", (test) =>
    withTmpfs(test.skip, "size=64k,nr_inodes=1", async () => {
      expect(await creationError()).toMatchObject({ code: "unavailable", message: expect.stringContaining("ENOSPC") });
      expect(readdirSync(directory)).toEqual([]);
    }));
});

it("names the directory if that doesn't exist", async () => {
  const error = await creationError(join(directory, "none", "dpop.pem"));
  expect(error).toMatchObject({ code: "key-not-found", retryable: false });
  expect(error.message).toMatch(/ENOENT: no such file or directory\)\. The directory doesn't exist\. Create it/);
  expect(error.message).toContain(`: ${directory}/none.`);
  expect(error.message).not.toContain(".hardproof-");
});

it("names the directory if a file is in its place", async () => {
  writeFileSync(join(directory, "file"), "");
  expect(await creationError(join(directory, "file", "dpop.pem"))).toMatchObject({
    code: "key-not-found",
    message: expect.stringContaining("ENOTDIR: not a directory"),
  });
});

it("reports a read-only file system", (test) =>
  withTmpfs(test.skip, "size=64k,ro", async () => {
    const error = await creationError();
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    expect(error.message).toMatch(/EROFS: read-only file system.*Choose another directory/);
  }));

it("names the directory if this user may not write to it", async () => {
  chmodSync(root, 0o755);
  chmodSync(directory, 0o555);
  await withoutRoot(async () => {
    const error = await creationError();
    expect(error).toMatchObject({ code: "access-denied", retryable: false });
    expect(error.message).toMatch(/EACCES: permission denied.*can't write to the directory/);
    expect(error.message).toContain(`: ${directory}.`);
  });
  expect(readdirSync(directory)).toEqual([]);
});

describe("an existing", () => {
  it.each<[string, () => void]>([
    ["directory", () => mkdirSync(path)],
    ["symbolic link", () => symlinkSync(join(directory, "target"), path)],
    ["file", () => writeFileSync(path, "precious")],
  ])("%s isn't overwritten or followed", async (kind, make) => {
    make();
    const before = readdirSync(directory);
    const error = await creationError();
    expect(error).toMatchObject({ code: "misconfigured", retryable: false });
    expect(error.message).toContain(`A ${kind} with this name already exists, and is not overwritten`);
    expect(readdirSync(directory)).toEqual(before);
    if (kind === "file") expect(readFileSync(path, "utf8")).toBe("precious");
  });

  it("file is reported even if the disk is full", (test) =>
    withTmpfs(test.skip, "size=4k", async () => {
      writeFileSync(path, "x".repeat(4_096));
      expect(await creationError()).toMatchObject({ code: "misconfigured" });
    }));
});

it("creates one key for several concurrent callers, and rejects the others", async () => {
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => createKey(`file://${path}`)));
  const created = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const rejected = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  expect(created).toHaveLength(1);
  for (const error of rejected) expect(error).toMatchObject({ code: "misconfigured" });
  expect(await created[0]?.publicJwk()).toEqual(await (await openSigner(`file://${path}`)).publicJwk());
  expect(readdirSync(directory)).toEqual(["dpop.pem"]);
});

/** Runs createKey() in a process in which one function of `node:fs/promises` is replaced. */
function createWith(fault: string) {
  const script = `
    import fs from "node:fs/promises";
    import { syncBuiltinESMExports } from "node:module";
    ${fault}
    syncBuiltinESMExports();
    const { createKey } = await import("hardproof");
    await createKey(process.argv[1]).catch((error) => { console.log(error.code, error.message); process.exitCode = 1; });`;
  return spawnSync(process.execPath, ["--input-type=module", "-e", script, `file://${path}`], { encoding: "utf8" });
}

describe("a process that is killed", () => {
  it.each([
    ["before the file has its name", "fs.link = () => process.kill(process.pid, 'SIGKILL');"],
    [
      "while the file is written",
      `const open = fs.open;
      fs.open = async (...options) => {
        const file = await open(...options);
        file.sync = () => process.kill(process.pid, 'SIGKILL');
        return file;
      };`,
    ],
  ])("%s doesn't block the next attempt", async (_, fault) => {
    expect(createWith(fault).signal).toBe("SIGKILL");
    expect(existsSync(path)).toBe(false);
    for (const left of readdirSync(directory)) {
      expect(left).toMatch(/^\.hardproof-/);
      expect(statSync(join(directory, left)).mode & 0o777).toBe(0o600);
    }
    await expectUsable();
  });
});

describe("a file system without hard links", () => {
  const noLinks =
    "fs.link = async () => { throw Object.assign(new Error('EPERM: not permitted'), { code: 'EPERM' }); };";

  it("gets the whole file", async () => {
    expect(createWith(noLinks)).toMatchObject({ status: 0, stdout: "" });
    expect(readdirSync(directory)).toEqual(["dpop.pem"]);
    await using signer = await openSigner(`file://${path}`);
    expect(await signer.publicJwk()).toMatchObject({ alg: "ES256" });
  });

  it("doesn't get a part of it if the disk is full", () => {
    const { stdout } = createWith(`${noLinks}
      const open = fs.open;
      fs.open = async (path, ...options) => {
        const file = await open(path, ...options);
        if (path.endsWith(".pem"))
          file.writeFile = async () => { throw Object.assign(new Error("ENOSPC: full, write"), { code: "ENOSPC" }); };
        return file;
      };`);
    expect(stdout).toMatch(/^unavailable file:.*ENOSPC/);
    expect(readdirSync(directory)).toEqual([]);
  });
});
