/** dpop-verifier, in Rust. */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDirectory, run } from "../cache.js";
import type { Program } from "./verdicts.js";
import { verifierPeer } from "./verifier-peer.js";

const VERSION = "4.4.0";
const DIRECTORY = cacheDirectory(join("verifiers", `dpop-verifier-${VERSION}`));
const MANIFEST = `[package]
name = "proof-verifier"
version = "0.0.0"
edition = "2024"
publish = false

[profile.dev]
debug = false

[dependencies]
async-trait = "=0.1.92"
dpop-verifier = { version = "=${VERSION}", features = ["eddsa"] }
pollster = "=0.4.0"
serde_json = "=1.0.154"
`;
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"];

/** dpop-verifier. It needs Rust. */
export const dpopVerifier = verifierPeer({
  title: "dpop-verifier",
  version: VERSION,
  install,
  algorithms: ["ES256", "EdDSA"],
  limitation: {
    what: `a method that isn't one of ${METHODS.join(", ")}`,
    fault: "RFC 9449 §4.2: htm is the method of the request, and RFC 9110 §16.1 allows others",
    of: ({ method }) => !METHODS.includes(method.toUpperCase()),
  },
});

/** Cargo builds only what has changed. */
async function install(): Promise<Program> {
  mkdirSync(join(DIRECTORY, "src"), { recursive: true });
  writeFileSync(join(DIRECTORY, "Cargo.toml"), MANIFEST);
  cpSync(fileURLToPath(new URL("dpop-verifier/main.rs", import.meta.url)), join(DIRECTORY, "src/main.rs"), {
    preserveTimestamps: true,
  });
  const target = join(DIRECTORY, "target");
  await run("cargo", ["build", "--quiet", "--target-dir", target], { cwd: DIRECTORY });
  return { program: join(target, "debug/proof-verifier"), args: [] };
}
