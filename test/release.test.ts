/** The release script: what it refuses, and the files that it makes. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { CHECKSUMS, writeArtifacts } from "../release/artifacts.js";
import { PLACEHOLDER, releaseProblems } from "../release/problems.js";

const ready = {
  version: "1.2.3",
  author: "A Bank",
  homepage: "https://bank.example",
  repository: { url: "git+https://bank.example/hardproof.git" },
  bugs: "https://bank.example/issues",
};

describe("a release", () => {
  it("has no problem if everything is set and committed", () => {
    expect(releaseProblems(ready, "# Changelog\n\n## 1.2.3\n", "")).toEqual([]);
  });

  it.each(["author", "homepage", "repository", "bugs"] as const)(
    "is refused while %s is missing or not set",
    (field) => {
      const { [field]: _, ...without } = ready;
      for (const manifest of [without, { ...ready, [field]: `https://example.com/${PLACEHOLDER}` }])
        expect(releaseProblems(manifest as typeof ready, "## 1.2.3", "")).toEqual([
          expect.stringContaining(`"${field}"`),
        ]);
    },
  );

  it("is refused for a version that the changelog doesn't have, or with uncommitted changes", () => {
    expect(releaseProblems(ready, "## 1.2.30", "")).toEqual([expect.stringContaining("CHANGELOG.md")]);
    expect(releaseProblems(ready, "## 1.2.3", " M README.md")).toEqual([expect.stringContaining("committed")]);
  });

  it("keeps what the owner must set in package.json alone", () => {
    const places = execFileSync("git", ["grep", "-l", PLACEHOLDER], { encoding: "utf8" }).trim().split("\n");
    expect(places.filter((file) => !/^(release|test)\//.test(file)).sort()).toEqual([
      "CONTRIBUTING.md",
      "package.json",
    ]);
  });
});

describe("the files of a release", () => {
  const root = mkdtempSync(join(tmpdir(), "hardproof-release-"));
  const out = join(root, "out");
  afterAll(() => rmSync(root, { recursive: true }));

  it("leave no copy behind if they can't be made", () => {
    const [broken, temporary] = ["broken", "temporary"].map((name) => mkdtempSync(join(root, name)));
    if (broken === undefined || temporary === undefined) throw new Error("There is no directory.");
    writeFileSync(join(broken, "package.json"), JSON.stringify({ name: "without-a-lock-file", version: "1.0.0" }));
    vi.stubEnv("TMPDIR", temporary);
    expect(() => writeArtifacts(broken, join(broken, "out"))).toThrow("package-lock.json");
    vi.unstubAllEnvs();
    // npm itself leaves the cache of Node 24 there.
    expect(readdirSync(temporary).filter((name) => name.startsWith("hardproof-"))).toEqual([]);
  });

  it("are the tarball and its bill of materials, with checksums that sha256sum accepts", { timeout: 120_000 }, () => {
    writeFileSync(join(root, "package.json"), JSON.stringify({ ...packageJson, scripts: {}, files: ["README.md"] }));
    for (const name of ["package-lock.json", "README.md"]) writeFileSync(join(root, name), readFileSync(name));
    writeArtifacts(root, out);
    const base = `hardproof-${packageJson.version}`;
    expect(readdirSync(out).sort()).toEqual(
      [`${base}.cyclonedx.json`, `${base}.spdx.json`, `${base}.tgz`, CHECKSUMS].sort(),
    );
    const check = () => execFileSync("sha256sum", ["--check", "--strict", CHECKSUMS], { cwd: out, stdio: "pipe" });
    expect(check).not.toThrow();
    writeFileSync(join(out, `${base}.tgz`), "changed");
    expect(check).toThrow();
  });

  it("list the package and its dependencies, without those of the development", () => {
    const read = (format: string) =>
      JSON.parse(readFileSync(join(out, `hardproof-${packageJson.version}.${format}.json`), "utf8"));
    const names = (list: readonly { name: string }[]) => list.map(({ name }) => name).sort();
    const dependencies = Object.keys(packageJson.dependencies);
    expect(names(read("spdx").packages)).toEqual([...dependencies, "hardproof"].sort());
    expect(names(read("cyclonedx").components)).toEqual(dependencies.sort());
  });
});
