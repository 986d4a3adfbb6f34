/** The program nginx: the one that is installed, or Debian's, unpacked in the cache without an installation. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { commandPath } from "../../../softhsm/command.js";
import { cacheDirectory, run } from "../cache.js";

const DIRECTORY = cacheDirectory("nginx");

/**
 * Returns the path of nginx.
 *
 * @throws {Error} If it is neither installed nor a package of this system.
 */
export async function nginxProgram(): Promise<string> {
  const program = commandPath("nginx") ?? join(DIRECTORY, "usr/sbin/nginx");
  if (!existsSync(program)) await unpack();
  return program;
}

/** Installing the package would start a server on port 80. */
async function unpack(): Promise<void> {
  if (commandPath("apt-get") === undefined)
    throw new Error("nginx isn't installed, and this system doesn't have Debian's packages.");
  const part = `${DIRECTORY}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  await downloadPackage(part);
  const [name = ""] = readdirSync(part);
  await run("dpkg-deb", ["-x", join(part, name), part]);
  renameSync(part, DIRECTORY);
}

async function downloadPackage(directory: string): Promise<void> {
  const download = () => run("apt-get", ["download", "nginx"], { cwd: directory });
  // A new machine doesn't have the lists of packages.
  await download()
    .catch(() => run("apt-get", ["update"]).then(download))
    .catch(({ message }: Error) => {
      throw new Error(`nginx can't be downloaded from Debian: ${/^E: (.*)/m.exec(message)?.[1] ?? message}`);
    });
}

/** Returns the version of nginx, such as `1.22.1`. */
export async function nginxVersion(): Promise<string> {
  const output = await run("sh", ["-c", '"$0" -v 2>&1', await nginxProgram()]);
  return /nginx\/(\S+)/.exec(output)?.[1] ?? output.trim();
}
