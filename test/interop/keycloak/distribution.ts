/** Keycloak's distribution from Maven Central, unpacked in the cache. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { promisify } from "node:util";
import { cacheDirectory } from "../cache.js";

/** The version that is downloaded. */
export const VERSION = "26.7.3";
const SOURCE = `https://repo1.maven.org/maven2/org/keycloak/keycloak-quarkus-dist/${VERSION}/keycloak-quarkus-dist-${VERSION}.zip`;
const SHA256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f";
const DIRECTORY = cacheDirectory("keycloak");
const ARCHIVE = join(DIRECTORY, "kc.zip");
const HOME = join(DIRECTORY, `keycloak-${VERSION}`);

/** Downloads and unpacks Keycloak unless it is in the cache, and returns the path of `kc.sh`. */
export async function keycloakProgram(): Promise<string> {
  if (!existsSync(HOME)) {
    mkdirSync(DIRECTORY, { recursive: true });
    if (!existsSync(ARCHIVE)) await download();
    await assertHash();
    await promisify(execFile)("unzip", ["-q", "-o", ARCHIVE, "-d", DIRECTORY]);
  }
  return join(HOME, "bin/kc.sh");
}

async function download(): Promise<void> {
  const { ok, status, body } = await fetch(SOURCE);
  if (!ok || body === null) throw new Error(`${SOURCE} responded with status ${status}.`);
  await pipeline(Readable.fromWeb(body as ReadableStream), createWriteStream(`${ARCHIVE}.part`));
  renameSync(`${ARCHIVE}.part`, ARCHIVE);
}

async function assertHash(): Promise<void> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(ARCHIVE), hash);
  if (hash.digest("hex") !== SHA256) throw new Error(`${ARCHIVE} isn't Keycloak ${VERSION}. Delete it and try again.`);
}
