/**
 * A file that the command keeps between runs, in the user's state directory. The command works without it: a problem with
 * the file is never an error.
 */
import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { lstat, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import type { Io } from "./io.js";

/** Bytes. A larger file isn't one that the command wrote. */
const MAX_SIZE = 256 * 1024;
/** Milliseconds. An older temporary file is left over from a process that was killed. */
const MAX_WRITE_TIME = 60_000;
/** Doesn't follow a symbolic link, and doesn't wait for a writer of a named pipe. Windows has neither flag. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A file in the state directory. */
export interface StateFile {
  /** Returns the content, or `undefined` if there is none that can be trusted. */
  read(): Promise<string | undefined>;
  /** Replaces the file, for this user only (mode 0600), if that is possible. */
  write(content: string): Promise<void>;
}

/**
 * Returns the file of the user, or `undefined` if the environment names no directory for it. Nothing is created before
 * the first write.
 */
export function stateFile(name: string, io: Io): StateFile | undefined {
  const directory = stateDirectory(io.env);
  if (directory === undefined) return undefined;
  return {
    read: () => readOwn(directory, name).catch(() => undefined),
    write: (content) => replace(directory, name, content).catch(() => undefined),
  };
}

/**
 * Returns `$XDG_STATE_HOME/hardproof`, by default `~/.local/state/hardproof`, also on macOS; on Windows
 * `%LOCALAPPDATA%\hardproof`. A relative path is ignored (XDG Base Directory Specification).
 */
export function stateDirectory(env: Io["env"], platform: string = process.platform): string | undefined {
  const parents =
    platform === "win32" ? [env.LOCALAPPDATA] : [env.XDG_STATE_HOME, env.HOME && `${env.HOME}/.local/state`];
  const parent = parents.find((path) => path && isAbsolute(path));
  return parent && join(parent, "hardproof");
}

async function readOwn(directory: string, name: string): Promise<string | undefined> {
  if (!isOwnDirectory(await lstat(directory))) return undefined;
  const file = await open(join(directory, name), READ_FLAGS);
  try {
    const stats = await file.stat();
    return stats.isFile() && isOwn(stats) && stats.size <= MAX_SIZE ? await file.readFile("utf8") : undefined;
  } finally {
    await file.close();
  }
}

/** Writes a new temporary file and renames it: a reader never sees a part, and a planted link is replaced, not followed. */
async function replace(directory: string, name: string, content: string): Promise<void> {
  await create(directory);
  if (!isOwnDirectory(await lstat(directory))) return;
  const temporary = join(directory, `${name}.${randomBytes(8).toString("hex")}`);
  try {
    const file = await open(temporary, "wx", 0o600);
    await file.writeFile(content).finally(() => file.close());
    await rename(temporary, join(directory, name));
  } finally {
    await rm(temporary, { force: true });
    await removeLeftovers(directory, name);
  }
}

/**
 * Creates the directory and up to two parents, `~/.local/state`, but no home directory. `mkdir` with `recursive` would not
 * end below `/proc` (Node 20 to 26).
 */
async function create(directory: string): Promise<void> {
  const parent = dirname(directory);
  for (const path of [dirname(parent), parent, directory]) await mkdir(path, { mode: 0o700 }).catch(() => undefined);
}

async function removeLeftovers(directory: string, name: string): Promise<void> {
  for (const entry of await readdir(directory)) {
    if (entry.replace(/\.[0-9a-f]{16}$/, "") !== name || entry === name) continue;
    const path = join(directory, entry);
    if (Date.now() - (await lstat(path)).mtimeMs > MAX_WRITE_TIME) await rm(path, { force: true });
  }
}

function isOwnDirectory(stats: Stats): boolean {
  return stats.isDirectory() && isOwn(stats);
}

/** Whether it belongs to this user, and no other user can write it. On Windows, the directory's access list decides. */
function isOwn({ uid, mode }: Stats): boolean {
  return process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0);
}
