/** The structure of the repository. For a new folder under providers/, the failing tests name what is still missing. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { builtInProviders } from "../src/keystore/built-in-providers.js";
import { isProvider } from "../src/keystore/provider.js";
import { LONG_FILES } from "./long-files.js";
import { TESTED_ALGORITHMS } from "./tested-algorithms.js";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const list = (path: string) => readdirSync(new URL(`../${path}`, import.meta.url), { withFileTypes: true });

const folders = list("providers")
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();
/** Folder → the other cells of its row in the README's table. */
const rows = new Map(
  [...read("README.md").matchAll(/^\|[^|\n]*\| `hardproof\/([\w-]+)` *\|(.*)$/gm)].map(([, name = "", row = ""]) => [
    name,
    row,
  ]),
);
/** Scheme → folder. Reads the source, because vitest rewrites the imports in the loaded functions. */
const loaders = [
  ...read("src/keystore/built-in-providers.ts").matchAll(
    /^export const (\w+)(?:: Load)? = \(\) => import\("hardproof\/([\w-]+)"\)/gm,
  ),
];
const folderOf = new Map(loaders.map(([, constant = "", folder = ""]) => [constant, folder]));
/** The constant of `ssh-agent` is `sshAgent`. */
const constantOf = (scheme: string) => scheme.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
const schemes = new Map(Object.keys(builtInProviders).map((scheme) => [scheme, folderOf.get(constantOf(scheme))]));
const exported = new Map(
  Object.entries(packageJson.exports).filter(([subpath]) =>
    /^\.\/(?!package\.json$|conformance$|provider$|webcrypto$|x509$|redis$|postgres$|softhsm$|testing$)/.test(subpath),
  ),
);

/** Returns the packages that a folder's files load when they are first needed. */
function peersOf(path: string): string[] {
  const files = list(path).map(({ name }) => read(`${path}/${name}`));
  return files.flatMap((text) =>
    [...text.matchAll(/(?:await import|resolveInstalled)\("([^"]+)"\)/g)].map(([, name = ""]) => name),
  );
}

describe.each(folders)("providers/%s", (folder) => {
  it("is a row of the scheme table in src/keystore/built-in-providers.ts", () => {
    expect([...schemes.values()]).toContain(folder);
  });

  it("exports a provider of that scheme", async () => {
    const [scheme] =
      [...schemes].find(([, name]) => name === folder) ??
      expect.unreachable("no row in src/keystore/built-in-providers.ts");
    const module = await Object.entries(builtInProviders).find(([name]) => name === scheme)?.[1]();
    const provider = module && "provider" in module ? module.provider : undefined;
    expect(isProvider(provider)).toBe(true);
    expect(provider).toMatchObject({ scheme });
  });

  it("is a subpath of package.json", () => {
    expect(exported.get(`./${folder}`)).toEqual({
      types: `./dist/providers/${folder}/index.d.ts`,
      default: `./dist/providers/${folder}/index.js`,
    });
  });

  it("is a row of the README's table that names the packages to install", () => {
    expect([...rows.keys()]).toContain(folder);
    for (const peer of peersOf(`providers/${folder}`)) expect(rows.get(folder)).toContain(`\`${peer}\``);
  });

  it("loads only packages that are optional peers", () => expectOptional(peersOf(`providers/${folder}`)));

  it("runs the conformance kit in test/providers/<name>/", () => {
    const tests = existsSync(new URL(`providers/${folder}`, import.meta.url)) ? list(`test/providers/${folder}`) : [];
    const kits = tests.filter(
      ({ name }) => name.endsWith(".test.ts") && runsKitOn(folder, read(`test/providers/${folder}/${name}`)),
    );
    expect(kits).not.toEqual([]);
  });

  it("has the algorithms that its tests sign with in the README", () => {
    const tested = TESTED_ALGORITHMS[folder] ?? expect.unreachable(`no row in test/tested-algorithms.ts`);
    const [, cell] = new RegExp(`^\\| \`hardproof/${folder}\` +\\| (.+?) +\\|$`, "m").exec(read("README.md")) ?? [];
    expect(cell).toBe(shortNames(tested));
  });

  it("runs the kit with each of those algorithms", () => {
    const only = TESTED_ALGORITHMS[folder]?.join() === "ES256";
    const tests = list(`test/providers/${folder}`).map(({ name }) => read(`test/providers/${folder}/${name}`));
    expect(only || tests.join("\n").includes(`describe.each(testedAlgorithms("${folder}"))`)).toBe(true);
  });

  it("has a page in docs/", () => {
    expect(existsSync(new URL(`../docs/${folder}.md`, import.meta.url))).toBe(true);
  });
});

describe("src/x509", () => {
  it("loads @peculiar/x509 and the package that it needs, which are optional peers", () => {
    expect(peersOf("src/x509").sort()).toEqual(["@peculiar/x509", "reflect-metadata"]);
    expectOptional(peersOf("src/x509"));
  });
});

function expectOptional(peers: readonly string[]): void {
  for (const peer of peers) {
    expect(Object.keys(packageJson.peerDependencies)).toContain(peer);
    expect(packageJson.peerDependenciesMeta).toMatchObject({ [peer]: { optional: true } });
  }
}

/** Returns `ES256/384, Ed25519` for `ES256`, `ES384`, `Ed25519`. */
function shortNames(algorithms: readonly string[]): string {
  const groups = new Map<string, string[]>();
  for (const [, prefix = "", suffix = ""] of algorithms.map((alg) => /^(.*?)(\d+\w*)$/.exec(alg) ?? []))
    groups.set(prefix, [...(groups.get(prefix) ?? []), suffix]);
  return [...groups].map(([prefix, suffixes]) => prefix + suffixes.join("/")).join(", ");
}

function runsKitOn(folder: string, test: string): boolean {
  return test.includes('from "hardproof/conformance"') && test.includes(`from "hardproof/${folder}"`);
}

describe("the lists of providers", () => {
  it("name only schemes whose folder exists under providers/", () => {
    expect([...schemes.values()].filter((folder) => !folders.includes(folder ?? ""))).toEqual([]);
  });

  it("name only subpaths in package.json whose folder exists under providers/", () => {
    expect([...exported.keys()].filter((subpath) => !folders.includes(subpath.slice(2)))).toEqual([]);
  });

  it("name only rows in the README's table whose folder exists under providers/", () => {
    expect([...rows.keys()].filter((folder) => !folders.includes(folder))).toEqual([]);
  });

  it("name only peer dependencies that a provider or hardproof/x509 loads", () => {
    const loaded = ["src/x509", ...folders.map((folder) => `providers/${folder}`)].flatMap(peersOf);
    expect(Object.keys(packageJson.peerDependencies).filter((peer) => !loaded.includes(peer))).toEqual([]);
  });
});

it("the files that start first exist", () => {
  expect(LONG_FILES.filter((name) => !existsSync(new URL(`${name}.test.ts`, import.meta.url)))).toEqual([]);
});
