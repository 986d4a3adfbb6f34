/** Compiles and tests the example of a third party's provider as its author would: beside the packed package. */
import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, inject, it } from "vitest";
import { installTarball, linkCompiler } from "./tarball.js";
import { testCounts } from "./test-counts.js";

const installed = installTarball(inject("tarball"), ["fast-check"]);
afterAll(() => installed.remove());
linkCompiler(installed);
cpSync(join(import.meta.dirname, "../examples/provider-signing-service"), installed.directory, { recursive: true });

it("compiles, and passes its own tests and the conformance kit", { timeout: 120_000 }, () => {
  const out = execFileSync("npm", ["test"], { cwd: installed.directory, encoding: "utf8", stdio: "pipe" });
  const { pass, fail, skipped } = testCounts(out);
  expect(pass).toBeGreaterThan(40);
  expect(skipped).toBeGreaterThan(0);
  expect(fail).toBe(0);
});

it("is loaded by the command", () => {
  const hardproof = join(installed.directory, "node_modules/.bin/hardproof");
  const env = { ...process.env, HARDPROOF_PROVIDERS: "./dist/src/provider.js", SIGNING_SERVICE_TOKEN: "t" };
  const show = () =>
    execFileSync(hardproof, ["show", "signing-service://127.0.0.1:1/dpop?tls=off"], {
      cwd: installed.directory,
      env,
      encoding: "utf8",
      stdio: "pipe",
    });
  expect(show).toThrow(/signing-service:.*The service can't be reached/);
});

it("opens or refuses any URI, and an error never repeats what could be a token", () => {
  const script = `
    import fc from "fast-check";
    import { provider } from "./dist/src/provider.js";
    const part = fc.oneof(fc.string(), fc.constantFrom("//h/", "dpop", "?", "&", "=", "tls=off", "token-source=", "%"));
    fc.assert(fc.property(fc.array(part).map((parts) => "signing-service:" + parts.join("")), (uri) => {
      try {
        return provider.open(uri).uri === uri;
      } catch ({ code, message }) {
        return code === "misconfigured" && message.length < 300;
      }
    }), { numRuns: 2000 });
    for (const uri of ["signing-service://h/k?token=s3cr3t", "signing-service://s3cr3t@h/k", "signing-service:s3cr3t"])
      try { provider.open(uri); } catch ({ message }) { console.log(message); }
  `;
  const messages = installed.run(script).trim().split("\n");
  expect(messages).toHaveLength(3);
  expect(messages.join()).not.toContain("s3cr3t");
});
