/** The published package: its files, what importing it loads, and how it bundles. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { build } from "esbuild";
import { afterAll, describe, expect, inject, it } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { type InstalledPackage, installTarball } from "./tarball.js";

const subpaths = Object.keys(packageJson.exports).filter((subpath) => subpath !== "./package.json");
const modules = subpaths.map((subpath) => `hardproof${subpath.slice(1)}`);
const peers = Object.keys(packageJson.peerDependencies);
const bare = installTarball(inject("tarball"));
const all = installTarball(inject("tarball"), peers);
afterAll(() => {
  bare.remove();
  all.remove();
});

describe("the tarball", () => {
  const files = readdirSync(bare.path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(bare.path, join(entry.parentPath, entry.name)));

  it("contains the sources, their types, the entry points and shared chunks, the docs and the examples, and nothing else", () => {
    const sources = files.filter((file) => /^(src|providers|conformance|softhsm|testing)\/.*\.ts$/.test(file));
    const types = sources.flatMap((source) =>
      [".d.ts", ".d.ts.map"].map((ending) => `dist/${source.replace(/\.ts$/, ending)}`),
    );
    const targets = Object.values(packageJson.exports).flatMap((target) =>
      typeof target === "string" ? [] : [target.default],
    );
    const entries = [...targets, ...Object.values(packageJson.bin)].map((file) => file.slice("./".length));
    const programs = ["dist/providers/pkcs11/worker.js", "dist/softhsm/program.js"];
    const shared = files.filter((file) => /^dist\/chunks\/[\w-]+\.js$/.test(file));
    const built = [...entries, ...programs, ...shared].flatMap((file) => [file, `${file}.map`]);
    const named = readdirSync("docs").filter((name) => /\.(md|svg)$/.test(name));
    const shim = ["pkcs11-shim.c", "cryptoki.h"].map((name) => `testing/pkcs11/${name}`);
    const pages = ["CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", ...named.map((name) => `docs/${name}`)];
    const examples = ["examples", "examples/clients"].flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => name.endsWith(".ts"))
        .map((name) => `${folder}/${name}`),
    );
    expect(files.sort()).toEqual(
      [...sources, ...types, ...built, ...pages, ...examples, ...shim, "package.json"].sort(),
    );
  });

  it("contains each file that a page links to, except those for contributors and a whole package", () => {
    const pages = files.filter((file) => file.endsWith(".md"));
    const links = pages.flatMap((page) =>
      [...readFileSync(join(bare.path, page), "utf8").matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, target = ""]) =>
        join(page, "..", target),
      ),
    );
    const outside = new Set(links.filter((target) => !files.includes(target)));
    expect([...outside].sort()).toEqual(["CONTRIBUTING.md", "examples/provider-signing-service"]);
  });

  it("contains the files of each subpath and of the command", () => {
    for (const target of Object.values(packageJson.exports))
      for (const file of typeof target === "string" ? [target] : Object.values(target))
        expect(files).toContain(file.slice("./".length));
    for (const file of Object.values(packageJson.bin)) expect(files).toContain(file.slice("./".length));
  });
});

/** Returns every ES module that an import loads, in a new process. CommonJS modules inside packages are not listed. */
function loadedBy(name: string, installed: InstalledPackage): string[] {
  const log = join(installed.directory, "loaded");
  const hook = `import { appendFileSync } from "node:fs";
    export const load = (url, context, next) => { appendFileSync(${JSON.stringify(log)}, url + "\\n"); return next(url, context); };`;
  writeFileSync(log, "");
  installed.run(`
    import { register } from "node:module";
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});
    await import(${JSON.stringify(name)});
    const addons = process.report.getReport().sharedObjects.filter((file) => file.endsWith(".node"));
    if (addons.length > 0) throw new Error("addons: " + addons);`);
  return readFileSync(log, "utf8").trim().split("\n");
}

describe("importing", () => {
  it.each(modules)("%s doesn't load a native addon, a peer or an SDK", (name) => {
    const loaded = loadedBy(name, all);
    const unexpected = loaded.filter((url) => !/^node:|\/node_modules\/(hardproof\/dist|jose|crc-32)\//.test(url));
    expect(unexpected).toEqual([]);
    expect(loaded.some((url) => url.includes("/hardproof/dist/"))).toBe(true);
  });

  it("hardproof doesn't load a provider, or jose, which only the JWTs of a server need", () => {
    expect(loadedBy("hardproof", all).filter((url) => /\/providers\/|\/jose\//.test(url))).toEqual([]);
  });
});

/** Returns the errors of TypeScript, with `skipLibCheck` off and the types of Node. */
function typeErrors(program: string, { directory }: InstalledPackage): string {
  const [tsc = "", typeRoots] = [".bin/tsc", "@types"].map((path) =>
    join(import.meta.dirname, "../node_modules", path),
  );
  const options = `--noEmit --strict --skipLibCheck false --target es2023 --lib es2023,esnext.disposable
    --module nodenext --moduleResolution nodenext --types node --typeRoots ${typeRoots}`;
  return spawnSync(tsc, [...options.split(/\s+/), program], { cwd: directory, encoding: "utf8" }).stdout;
}

describe("without its peers", () => {
  it.each(modules)("%s is importable", (name) => {
    expect(bare.run(`console.log(Object.keys(await import(${JSON.stringify(name)})).length > 0)`)).toBe("true\n");
  });

  it("keys in memory work", () => {
    const script = `
      import { DPoPProver } from "hardproof";
      const proof = await (await DPoPProver.generate()).makeProof({ htm: "GET", htu: "https://a.example" });
      console.log(proof.split(".").length);`;
    expect(bare.run(script)).toBe("3\n");
  });

  it("the command makes a proof", () => {
    const command = join(bare.directory, "node_modules/.bin/hardproof");
    const proof = execFileSync(command, ["proof", "memory:", "GET", "https://a.example"], { encoding: "utf8" });
    expect(proof.split(".")).toHaveLength(3);
  });

  const keyVersion = "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1";
  it.each([
    ["graphene-pk11", "pkcs11:token=t;object=k?module-path=/etc/hostname"],
    ["@aws-sdk/client-kms", "awskms:///alias/a?region=eu-central-1"],
    ["@azure/keyvault-keys", "azurekms://v.vault.azure.net/dpop"],
    ["@google-cloud/kms", `gcpkms://${keyVersion}`],
    ["@google-cloud/kms", `gcpkms://${keyVersion}?endpoint=http://127.0.0.1:9`],
  ])("the first use of a key names the missing package %s: %s", (peer, uri) => {
    const script = `
      import { openSigner } from "hardproof";
      const signer = await openSigner(${JSON.stringify(uri)});
      await signer.publicJwk().catch(({ code, message }) => console.log(code, message));`;
    expect(bare.run(script)).toMatch(new RegExp(`^misconfigured .*Install it beside hardproof: npm install ${peer}`));
  });

  it("the first certificate request names the missing packages", () => {
    const script = `
      import { MemorySigner } from "hardproof/memory";
      import { createCsr } from "hardproof/x509";
      await createCsr(MemorySigner.generate(), { subject: "CN=a" }).catch(({ code, message }) => console.log(code, message));`;
    const command = "npm install @peculiar/x509 reflect-metadata";
    for (const peers of [[], ["@peculiar/x509"]]) {
      const installed = installTarball(inject("tarball"), peers);
      expect(installed.run(script)).toMatch(
        new RegExp(`^misconfigured .*Install them beside hardproof: ${command}\\.`),
      );
      installed.remove();
    }
  });

  it("certificate requests work with both packages, and leave the global WebCrypto unchanged", () => {
    const script = `
      const { sign, importKey } = SubtleCrypto.prototype;
      const { MemorySigner } = await import("hardproof/memory");
      const { createCsr } = await import("hardproof/x509");
      const { pem } = await createCsr(MemorySigner.generate(), { subject: "CN=a" });
      console.log(pem.split("\\n")[0], sign === SubtleCrypto.prototype.sign, importKey === SubtleCrypto.prototype.importKey);`;
    expect(all.run(script)).toBe("-----BEGIN CERTIFICATE REQUEST----- true true\n");
  });

  it.each([
    ["", ["graphene-pk11", "koffi"]],
    ["graphene-pk11", ["graphene-pk11"]],
    ["koffi", ["koffi"]],
  ])(
    "the error of PKCS#11 names each package that can be installed (HARDPROOF_PKCS11_BINDING=%s)",
    (binding, names) => {
      const script = `
      import { Pkcs11Signer } from "hardproof/pkcs11";
      const signer = new Pkcs11Signer({ module: "/etc/hostname", token: "t", key: "k" });
      await signer.publicJwk().catch(({ message }) => console.log(message));`;
      const notes: Record<string, string> = {
        "graphene-pk11": "compiled at installation: needs Python and a C++ compiler",
        koffi: "prebuilt: needs no compiler",
      };
      const commands = names.map((name) => `npm install ${name} (${notes[name]})`).join(", or ");
      expect(bare.run(script, { HARDPROOF_PKCS11_BINDING: binding })).toContain(
        `PKCS#11 needs the package ${names.join(" or ")}. Install it beside hardproof: ${commands}.`,
      );
    },
  );

  it("a program that imports only hardproof type-checks strictly, including the types of its libraries", () => {
    const program = join(bare.directory, "program.mts");
    writeFileSync(
      program,
      `import { DPoPProver, openSigner, type Signer } from "hardproof";
       const signer: Signer = await openSigner("memory:");
       console.log(await (await DPoPProver.create(signer)).makeProof({ htm: "GET", htu: "https://a.example" }));`,
    );
    expect(typeErrors(program, bare)).toBe("");
  });

  it.each(["hardproof/testing", "hardproof/softhsm"])("a program that imports %s type-checks strictly", (name) => {
    const program = join(bare.directory, "tests.mts");
    writeFileSync(program, `import * as tests from "${name}";\nconsole.log(tests);`);
    expect(typeErrors(program, bare)).toBe("");
  });

  it("the error for an addon that isn't built names the command that builds it, not one that installs it", () => {
    const unbuilt = installTarball(inject("tarball"));
    const addon = join(unbuilt.directory, "node_modules/graphene-pk11");
    mkdirSync(addon);
    writeFileSync(join(addon, "index.js"), 'require("./build/Release/pkcs11.node");');
    const script = `
      import { openSigner } from "hardproof";
      const signer = await openSigner("pkcs11:token=t;object=k?module-path=/etc/hostname");
      await signer.publicJwk().catch(({ code, message }) => console.log(code, message));`;
    expect(unbuilt.run(script)).toMatch(/^misconfigured .*was not built. Build it: npm rebuild pkcs11js/);
    unbuilt.remove();
  });
});

describe("bundled by esbuild, without peers", () => {
  const bundle = async (code: string) => {
    const result = await build({
      stdin: { contents: code, resolveDir: bare.directory },
      bundle: true,
      format: "esm",
      platform: "node",
      write: false,
      metafile: true,
      logLevel: "silent",
    });
    const [output] = Object.values(result.metafile.outputs);
    const inputs = Object.entries(output?.inputs ?? {}).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
    return { inputs: inputs.map(([file]) => file), text: result.outputFiles[0]?.text ?? "" };
  };

  it.each(modules)("%s can be bundled", async (name) => {
    expect((await bundle(`export * from ${JSON.stringify(name)}`)).text).not.toBe("");
  });

  it("{ DPoPProver } includes the memory provider and no other", async () => {
    const { inputs } = await bundle('export { DPoPProver } from "hardproof"');
    const providers = inputs.flatMap((file) => /hardproof\/dist\/providers\/([\w-]+)/.exec(file)?.[1] ?? []);
    expect(new Set(providers)).toEqual(new Set(["memory"]));
  });

  it("{ OAuthClient } doesn't include a provider that the application doesn't import", async () => {
    const { inputs } = await bundle('export { OAuthClient } from "hardproof"');
    expect(inputs.filter((file) => /providers\/(?!memory)/.test(file))).toEqual([]);
  });
});
