/** Runs the code of docs/provider-authors.md, installed beside the packed package. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transform } from "esbuild";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { installTarball } from "./tarball.js";

const page = readFileSync(new URL("../docs/provider-authors.md", import.meta.url), "utf8");
const [provider, algorithms, kit, program] = [...page.matchAll(/^```[tj]s\n([\s\S]*?)^```$/gm)].map(
  ([, code = ""]) => code,
);
const installed = installTarball(inject("tarball"));
beforeAll(async () => {
  const plugin = join(installed.directory, "node_modules/hardproof-provider-mystore");
  mkdirSync(plugin);
  writeFileSync(join(plugin, "package.json"), JSON.stringify({ type: "module", exports: "./index.js" }));
  writeFileSync(join(plugin, "index.js"), (await transform(provider ?? "", { loader: "ts" })).code);
});
afterAll(() => installed.remove());

it("runs the conformance kit in node:test, and the example provider passes", () => {
  const counts = new Map(
    [...installed.run(kit ?? "").matchAll(/^\S+ (pass|fail|skipped) (\d+)$/gm)].map(([, what, count]) => [
      what,
      Number(count),
    ]),
  );
  expect(counts.get("pass")).toBeGreaterThan(12);
  expect(counts.get("skipped")).toBeGreaterThan(0);
  expect(counts.get("fail")).toBe(0);
});

it("chooses the algorithm of a key", () => {
  const out = installed.run(algorithms ?? "");
  expect(out).toMatch(/alg: 'PS256'[\s\S]*is signed with as rsa-3072-pss, over sha256\necdsa-p256/);
});

it("opens a key of the package that the operator named", async () => {
  const { code } = await transform(program ?? "", { loader: "ts", target: "node20" });
  const env = { HARDPROOF_PROVIDERS: "hardproof-provider-mystore", HARDPROOF_KEY: "mystore:key-1" };
  expect(installed.run(code, env)).toMatch(/provider: 'mystore',\s+uri: 'mystore:key-1'/);
  expect(() => installed.run(code, { ...env, HARDPROOF_PROVIDERS: "" })).toThrow(/no provider for the scheme mystore:/);
  expect(() => installed.run(code, { ...env, HARDPROOF_PROVIDERS: "no-such-package" })).toThrow(
    /no-such-package can't be loaded/,
  );
});
