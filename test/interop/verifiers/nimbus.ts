/** Nimbus OAuth 2.0 SDK, in Java. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installFromMaven, mavenDirectory, run } from "../cache.js";
import type { Program } from "./verdicts.js";
import { verifierPeer } from "./verifier-peer.js";

const VERSION = "11.39";
const NAME = `nimbus-${VERSION}`;
const PROGRAM = fileURLToPath(new URL("NimbusVerifier.java", import.meta.url));
/** The SDK and what it needs. */
const JARS = {
  [`com.nimbusds:oauth2-oidc-sdk:${VERSION}:jar`]: "1bb8f0ae909685b5555b3aa8e239694325df41bc957956575c39bc260b4d286a",
  "com.nimbusds:nimbus-jose-jwt:10.9.1:jar": "33152ea83ec50d22706fdaf3b07acbcd716f9a68edcabdd7c4d02843cbdcdcf6",
  "com.nimbusds:content-type:2.3:jar": "60349793e006fba96b532cb0c21e10e969fe0db8d87f91c3b9eaf82ba2998895",
  "com.nimbusds:lang-tag:1.7:jar": "e8c1c594e2425bdbea2d860de55c69b69fc5d59454452449a0f0913c2a5b8a31",
  "net.minidev:json-smart:2.6.0:jar": "1ae4b561458afb540be8ec5c6dbb4f2e715a319a7ae64854998aaf924770d61b",
  "net.minidev:accessors-smart:2.6.0:jar": "222c9f547bb20a99fc486403a398352d1306fb671b38abd7ecab6401df170e61",
  "org.ow2.asm:asm:9.7.1:jar": "8cadd43ac5eb6d09de05faecca38b917a040bb9139c7edeb4cc81c740b713281",
};
/** `java.net.URI` doesn't parse them: RFC 3986 allows brackets in a host only (§3.2.2). */
const NOT_A_URI = /[[\]]/;

/** Nimbus. It needs a JDK and Maven. */
export const nimbus = verifierPeer({
  title: "Nimbus OAuth 2.0 SDK",
  version: VERSION,
  install,
  algorithms: ["ES256", "ES384", "ES512", "PS256", "RS256"],
  limitation: {
    what: "a path with [ or ], which java.net.URI doesn't parse (RFC 3986 §3.3)",
    of: ({ url }) => NOT_A_URI.test(new URL(url).pathname),
  },
});

async function install(): Promise<Program> {
  await assertJdk();
  for (const [coordinates, sha256] of Object.entries(JARS)) await installFromMaven(NAME, { coordinates, sha256 });
  return { program: "java", args: ["-cp", join(mavenDirectory(NAME), "*"), PROGRAM] };
}

async function assertJdk(): Promise<void> {
  const modules = await run("java", ["--list-modules"]);
  const version = /^jdk\.compiler@(\d+)/m.exec(modules)?.[1];
  if (!(Number(version) >= 17)) throw new Error("java isn't that of a JDK of version 17 or newer.");
}
