/** The cache for the software of interoperability tests, outside the repository. */
import { type ExecFileException, execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";

/** Returns a directory in the cache, which may not exist yet. */
export function cacheDirectory(name: string): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "hardproof", name);
}

/** Returns the directory of the artifacts that were installed by this name. */
export function mavenDirectory(name: string): string {
  return cacheDirectory(join("maven", name));
}

/** An artifact that Maven gets, pinned by its hash. */
export interface MavenArtifact {
  /** Group, name, version and type: `org.keycloak:keycloak-quarkus-dist:26.7.3:zip`. */
  readonly coordinates: string;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

const COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";

/**
 * Gets an artifact by Maven unless it is in the cache.
 *
 * @param name - The directory's name.
 * @returns The path of the file.
 * @throws {Error} If Maven can't get it, or its hash is a different one.
 */
export async function installFromMaven(name: string, { coordinates, sha256 }: MavenArtifact): Promise<string> {
  const directory = mavenDirectory(name);
  const [, artifact, version, type] = coordinates.split(":");
  const path = join(directory, `${artifact}-${version}.${type}`);
  if (!existsSync(path))
    await run("mvn", ["-q", "-B", COPY, `-Dartifact=${coordinates}`, `-DoutputDirectory=${directory}`]);
  if ((await hashOf(path)) === sha256) return path;
  rmSync(path);
  throw new Error(`${coordinates} doesn't have the pinned hash. It may have been cut off: try again.`);
}

/** A file that is pinned by its hash. */
export interface Download {
  readonly url: string;
  /** In hexadecimal digits. */
  readonly sha256: string;
  /** Where the file is kept. */
  readonly path: string;
}

/**
 * Downloads a file unless it is in the cache.
 *
 * @returns Its path.
 * @throws {Error} If it can't be downloaded, or its hash is a different one.
 */
export async function download({ url, sha256, path }: Download): Promise<string> {
  if (!existsSync(path)) await fetchFile(url, path);
  if ((await hashOf(path)) === sha256) return path;
  rmSync(path);
  throw new Error(`${url} doesn't have the pinned hash. It may be a different version, or have been cut off.`);
}

async function fetchFile(url: string, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  try {
    const { ok, status, body } = await fetch(url);
    if (!ok || body === null) throw new Error(`status ${status}`);
    await pipeline(Readable.fromWeb(body as ReadableStream), createWriteStream(`${path}.part`));
  } catch (error) {
    throw new Error(`${url} can't be downloaded (${reasonOf(error)}).`, { cause: error });
  }
  renameSync(`${path}.part`, path);
}

/** An error of `fetch` has its reason in `cause`. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/**
 * Installs npm packages into a directory of the cache unless they are there.
 *
 * @param name - The directory's name.
 * @param packages - Packages with exact versions, as `oidc-provider@9.13.0`.
 * @returns The path of the directory that contains `node_modules`.
 * @throws {Error} If they can't be installed.
 */
export async function installFromNpm(name: string, packages: readonly string[]): Promise<string> {
  const directory = cacheDirectory(join("npm", name));
  if (packages.every((each) => isInstalled(directory, each))) return directory;
  mkdirSync(directory, { recursive: true });
  const flags = ["--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  await run("npm", ["install", "--prefix", directory, ...flags, ...packages]);
  return directory;
}

function isInstalled(directory: string, specifier: string): boolean {
  const [, name, version] = /^(.+)@([^@]+)$/.exec(specifier) ?? [];
  const manifest = join(directory, "node_modules", String(name), "package.json");
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).version === version;
}

/**
 * Runs a program until it ends.
 *
 * @returns What it printed to standard output.
 * @throws {Error} With the end of its output, if it fails or isn't installed.
 */
export function run(program: string, args: readonly string[], options: { cwd?: string; env?: object } = {}) {
  const env = { ...process.env, ...options.env };
  return new Promise<string>((resolve, reject) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string) => {
      if (error === null) return resolve(stdout);
      if (error.code === "ENOENT") return reject(new Error(`${program} isn't installed.`));
      reject(new Error(`${program} ${args[0]} failed:\n${`${stdout}\n${stderr}`.trim().slice(-2_000)}`));
    };
    execFile(program, args, { ...options, env, maxBuffer: 64 * 1024 * 1024 }, done);
  });
}
