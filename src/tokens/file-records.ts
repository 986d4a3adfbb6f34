/**
 * Files for a leased token store, with nothing but what each file system has: creation, rename and unlink.
 *
 * A lease is a file `ID.DURATION.PROCESS.OWNER.lock`, whose modification time is when it was last extended. A process has
 * the lease if, after it has created its file, there is no other one that hasn't ended. Of two processes that create
 * their files at the same moment, at least one sees the other's file, and retries.
 *
 * The fence: a process that takes a lease first deletes the files of leases that have ended, and then the files that their
 * owners were writing. A process renames its file only after it has extended its own lease. If it is paused in between, and
 * another process takes the lease, the file is gone. A token is deleted in the same way, by a file that says so: a process that
 * was paused before it unlinked the token's file would delete the newer token of another process.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { TokenStoreError } from "../errors.js";
import type { LeasedRecords } from "./leased-records.js";
import { thisProcess, wasKilled } from "./process-name.js";

/** The content of a deleted token's file. */
const DELETED = Buffer.from("hardproof-token-deleted\n");

/** Returns records that are files of this directory. */
export function fileRecords(directory: string): LeasedRecords {
  const tokenFile = (id: string) => join(directory, `${id}.token`);
  const withErrors = <T>(work: () => Promise<T>) => withFileErrors(directory, work);

  /** Returns false if the lease's file doesn't exist any more. */
  const extend = async (id: string, owner: string) => {
    const own = (await leasesOf(directory, id)).find((lease) => lease.owner === owner);
    return own !== undefined && (await succeeds(utimes(own.path, new Date(), new Date())));
  };

  const replace = async (id: string, owner: string, content: Buffer) => {
    const path = join(directory, `${id}.${owner}.new`);
    try {
      await writeSynced(path, content);
      // In this order: see the fence above.
      const isWritten = (await extend(id, owner)) && (await succeeds(rename(path, tokenFile(id))));
      if (isWritten) await syncDirectory(directory);
      return isWritten;
    } finally {
      await rm(path, { force: true });
    }
  };

  return {
    title: `The token store in ${directory}`,
    isRemote: false,
    get: (id) =>
      withErrors(async () => {
        const content = await ifExists(readFile(tokenFile(id)));
        return content?.equals(DELETED) ? undefined : content;
      }),
    take: (id, owner, duration) =>
      withErrors(async () => {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        if (await isTaken(directory, id, owner)) return false;
        const path = join(directory, `${id}.${duration}.${thisProcess()}.${owner}.lock`);
        await open(path, "w", 0o600).then((file) => file.close());
        const isOurs = (await extend(id, owner)) && !(await isTaken(directory, id, owner));
        await (isOurs ? removeUnfinished(directory, id) : rm(path, { force: true }));
        return isOurs;
      }),
    extend: (id, owner) => withErrors(() => extend(id, owner)),
    release: (id, owner) =>
      withErrors(async () => {
        const own = (await leasesOf(directory, id)).find((lease) => lease.owner === owner);
        if (own) await rm(own.path, { force: true });
      }),
    set: (id, owner, value) => withErrors(() => replace(id, owner, value)),
    del: (id, owner) =>
      withErrors(async () => {
        const exists = (await ifExists(stat(tokenFile(id)))) !== undefined;
        return exists ? replace(id, owner, DELETED) : extend(id, owner);
      }),
  };
}

/** The file of a lease. */
interface LeaseFile {
  readonly path: string;
  readonly owner: string;
  /** Milliseconds. */
  readonly duration: number;
  /** The value of {@link thisProcess} in its process. */
  readonly process: string;
}

const LEASE_FILE = /^\w+\.(\d+)\.(\w+-\d+)\.([\w-]+)\.lock$/;

async function leasesOf(directory: string, id: string): Promise<LeaseFile[]> {
  const names = await filesOf(directory, id);
  return names.flatMap((name) => {
    const [, duration, process = "", owner = ""] = LEASE_FILE.exec(name) ?? [];
    return duration === undefined ? [] : [{ path: join(directory, name), owner, duration: Number(duration), process }];
  });
}

/** Returns whether another owner has the lease. Removes the files of leases that have ended. */
async function isTaken(directory: string, id: string, owner: string): Promise<boolean> {
  let taken = false;
  for (const lease of await leasesOf(directory, id)) {
    if (lease.owner === owner) continue;
    if (await hasEnded(lease)) await rm(lease.path, { force: true });
    else taken = true;
  }
  return taken;
}

/** A temporary file of version 0.1.0. */
const OLDER_FORM = /\.token\.[0-9a-f]{16}$/;

/** Removes files that were being written when their process was killed, or was paused and lost its lease. */
async function removeUnfinished(directory: string, id: string): Promise<void> {
  const names = await filesOf(directory, id);
  const hasLease = (owner: string) => names.some((name) => name.endsWith(`.${owner}.lock`));
  const isUnfinished = (name: string) => {
    const [, owner] = /\.([\w-]+)\.new$/.exec(name) ?? [];
    return owner === undefined ? OLDER_FORM.test(name) : !hasLease(owner);
  };
  const unfinished = names.filter(isUnfinished);
  await Promise.all(unfinished.map((name) => rm(join(directory, name), { force: true })));
}

async function filesOf(directory: string, id: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.startsWith(`${id}.`));
}

/** A lease ends if it wasn't extended in time, or if its process was killed, which is noticed at once on the same host. */
async function hasEnded({ path, duration, process }: LeaseFile): Promise<boolean> {
  const stats = await ifExists(stat(path));
  return stats === undefined || Date.now() > stats.mtimeMs + duration || wasKilled(process);
}

async function writeSynced(path: string, content: Buffer): Promise<void> {
  const file = await open(path, "wx", 0o600);
  await file
    .writeFile(content)
    .then(() => file.sync())
    .finally(() => file.close());
}

/** Makes a rename survive a loss of power. Windows can't open a directory, and doesn't need it. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  await handle.sync().finally(() => handle.close());
}

async function ifExists<T>(operation: Promise<T>): Promise<T | undefined> {
  return operation.catch((reason) => {
    if (codeOf(reason) === "ENOENT") return undefined;
    throw reason;
  });
}

/** Returns false if the file doesn't exist. */
async function succeeds(operation: Promise<void>): Promise<boolean> {
  return (await ifExists(operation.then(() => true))) ?? false;
}

async function withFileErrors<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const code = codeOf(cause) === undefined ? "" : ` (${codeOf(cause)})`;
    const message = `The token store in ${directory} can't be read or written${code}.`;
    throw new TokenStoreError("unavailable", message, { cause });
  }
}

function codeOf(reason: unknown): unknown {
  return reason instanceof Error && "code" in reason ? reason.code : undefined;
}
