/** Spring's libraries, which Maven downloads into the cache. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { commandPath } from "../../../softhsm/command.js";
import { ensureInstalled } from "../../../softhsm/install.js";
import { cacheDirectory, run } from "../cache.js";

const POM = fileURLToPath(new URL("pom.xml", import.meta.url));
const COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
const MAVEN = {
  title: "Maven",
  find: () => commandPath("mvn"),
  packages: { "apt-get": "maven", dnf: "maven", apk: "maven", brew: "maven" },
};

/** The libraries that `pom.xml` names. */
export interface Libraries {
  readonly directory: string;
  /** The version of Spring Authorization Server. */
  readonly version: string;
}

/**
 * Downloads the libraries unless they are in the cache.
 *
 * @throws {Error} If there is no Java compiler, or Maven can't be installed, or can't download.
 */
export async function springLibraries(): Promise<Libraries> {
  if (commandPath("javac") === undefined) throw new Error("Java 17 or later with its compiler isn't installed.");
  const pomHash = createHash("sha256").update(readFileSync(POM)).digest("hex");
  const directory = cacheDirectory(join("spring", pomHash.slice(0, 12)));
  if (!existsSync(directory)) await downloadLibraries(directory);
  const names = readdirSync(directory).join("\n");
  return { directory, version: /spring-security-oauth2-authorization-server-(.*)\.jar/.exec(names)?.[1] ?? "unknown" };
}

async function downloadLibraries(directory: string): Promise<void> {
  const { maven } = await ensureInstalled({ maven: MAVEN });
  const part = `${directory}.part`;
  rmSync(part, { recursive: true, force: true });
  const repository = `-Dmaven.repo.local=${cacheDirectory("maven")}`;
  const copy = [COPY, "-DincludeScope=runtime", `-DoutputDirectory=${part}`];
  await run(maven, ["-B", "-q", "-f", POM, repository, ...copy]).catch(({ message }: Error) => {
    const reason = /^\[(?:FATAL|ERROR)\] (?!Some problems)(.*)/m.exec(message)?.[1] ?? message;
    throw new Error(`Maven can't download Spring's libraries: ${reason}`);
  });
  renameSync(part, directory);
}
