/** Keycloak's distribution, unpacked in the cache. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory, installFromMaven, run } from "../cache.js";

/** The version that is installed. */
export const VERSION = "26.7.3";
const ARCHIVE = {
  coordinates: `org.keycloak:keycloak-quarkus-dist:${VERSION}:zip`,
  sha256: "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f",
};
const DIRECTORY = cacheDirectory("keycloak");
const PROGRAM = join(DIRECTORY, `keycloak-${VERSION}/bin/kc.sh`);

/** Gets and unpacks Keycloak unless it is in the cache, and returns the path of `kc.sh`. */
export async function keycloakProgram(): Promise<string> {
  await run("java", ["-version"]); // rejects if it isn't installed
  if (!existsSync(PROGRAM)) {
    const archive = await installFromMaven("keycloak", ARCHIVE);
    await run("unzip", ["-q", "-o", archive, "-d", DIRECTORY]);
  }
  return PROGRAM;
}
