/** The workers' file is found in the installed package and in bundles; otherwise the error explains what to do. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { type InstalledPackage, installTarball } from "../../tarball.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
let hsm: SoftHsm;
let installed: InstalledPackage;
let directory: string;
beforeAll(async () => {
  hsm = await softHsm({ label: "bundled" });
  installed = installTarball(inject("tarball"), ["graphene-pk11", "pkcs11js", "koffi"]);
  directory = mkdtempSync(join(tmpdir(), "hardproof-bundle-"));
});
afterAll(async () => {
  installed.remove();
  rmSync(directory, { recursive: true });
  await hsm.close();
});

const program = (more = "") => `
  import { Pkcs11Signer } from "hardproof/pkcs11";
  async function main() {
    const signer = new Pkcs11Signer({
      module: process.env.TEST_MODULE, token: "bundled", key: "dpop", pin: { env: "TEST_PIN" }, ${more} });
    const outcome = await signer.sign(Buffer.from("x")).then(({ length }) => length, (error) => error.message);
    console.log(outcome);
    await signer.close();
  }
  void main();`;

/** Bundles the program into a separate directory, and returns a function that runs it there. */
async function bundle(
  name: string,
  format: "esm" | "cjs",
  code = program(),
  define: Record<string, string> = {},
): Promise<() => string> {
  const folder = join(directory, name);
  mkdirSync(folder);
  const outfile = join(folder, format === "esm" ? "app.mjs" : "app.cjs");
  const logLevel = "silent";
  const external = ["graphene-pk11", "pkcs11js", "koffi"];
  const stdin = { contents: code, resolveDir: installed.directory };
  await build({ stdin, bundle: true, format, platform: "node", outfile, external, define, logLevel });
  return () => run(outfile);
}

function run(file: string): string {
  const env = { ...process.env, HARDPROOF_PKCS11_WORKER: "", TEST_MODULE: hsm.module, TEST_PIN: hsm.pin };
  return execFileSync(process.execPath, [file], { env, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}

function linkModules(folder: string, ...names: string[]): void {
  mkdirSync(join(directory, folder, "node_modules"));
  for (const name of names) {
    const target = name === "hardproof" ? installed.path : join(root, "node_modules", name);
    symlinkSync(target, join(directory, folder, "node_modules", name));
  }
}

it.each(["binding: 'graphene-pk11'", "binding: 'koffi'", "isolate: true"])(
  "the installed package signs (%s)",
  (more) => {
    const file = join(installed.directory, "app.mjs");
    writeFileSync(file, program(more));
    expect(run(file)).toBe("64");
  },
);

it("the package signs if it is linked, as pnpm does", () => {
  mkdirSync(join(directory, "linked"));
  linkModules("linked", "hardproof");
  const file = join(directory, "linked", "app.mjs");
  writeFileSync(file, program());
  expect(run(file)).toBe("64");
});

it.each(["esm", "cjs"] as const)("a bundle (%s) in a project with node_modules signs", async (format) => {
  const start = await bundle(`project-${format}`, format);
  linkModules(`project-${format}`, "hardproof", "graphene-pk11", "pkcs11js");
  expect(start()).toBe("64");
});

it.each(["esm", "cjs"] as const)("a bundle (%s) with a copy of the worker beside it signs", async (format) => {
  const start = await bundle(`copied-${format}`, format);
  const worker = join(installed.path, "dist/providers/pkcs11/worker.js");
  copyFileSync(worker, join(directory, `copied-${format}`, "hardproof-pkcs11-worker.mjs"));
  linkModules(`copied-${format}`, "graphene-pk11", "pkcs11js");
  expect(start()).toBe("64");
});

it.each([
  ["node_modules", "binding: 'graphene-pk11'"],
  ["node_modules", "binding: 'koffi'"],
  ["a copy of the worker", "binding: 'graphene-pk11'"],
])(
  "a bundle by webpack, in which import.meta.url is a path of the build machine, signs with %s, %s",
  async (how, more) => {
    const name = `webpack-${how}-${more.replace(/\W/g, "")}`.replaceAll(" ", "-");
    const define = { "import.meta.url": JSON.stringify("file:///build/node_modules/hardproof/dist/chunks/chunk.js") };
    const start = await bundle(name, "cjs", program(more), define);
    linkModules(name, "graphene-pk11", "pkcs11js", "koffi", ...(how === "node_modules" ? ["hardproof"] : []));
    const worker = join(installed.path, "dist/providers/pkcs11/worker.js");
    if (how !== "node_modules") copyFileSync(worker, join(directory, name, "hardproof-pkcs11-worker.mjs"));
    expect(start()).toBe("64");
  },
);

it.each(["esm", "cjs"] as const)("doctor's check of the addon passes in a bundle (%s)", async (format) => {
  const code = `import { provider } from "hardproof/pkcs11";
    async function main() {
      const findings = provider.diagnose("pkcs11:token=bundled;object=dpop?module-path=" + process.env.TEST_MODULE);
      console.log((await findings.next()).value.ok);
    }
    void main();`;
  const start = await bundle(`doctor-${format}`, format, code);
  linkModules(`doctor-${format}`, "hardproof", "graphene-pk11", "pkcs11js");
  expect(start()).toBe("true");
});

it.each(["esm", "cjs"] as const)("a bundle (%s) without the worker names the file to copy", async (format) => {
  const start = await bundle(`without-${format}`, format);
  expect(start()).toMatch(/copy dist\/providers\/pkcs11\/worker\.js .*hardproof-pkcs11-worker\.mjs/);
});

it("the sources run their worker with tsx", () => {
  const file = join(directory, "sources.ts");
  writeFileSync(file, program().replace("hardproof/pkcs11", join(root, "providers/pkcs11/index.ts")));
  const env = { ...process.env, HARDPROOF_PKCS11_WORKER: "", TEST_MODULE: hsm.module, TEST_PIN: hsm.pin };
  const args = ["--import", import.meta.resolve("tsx"), file];
  expect(execFileSync(process.execPath, args, { cwd: root, env, encoding: "utf8" }).trim()).toBe("64");
});
