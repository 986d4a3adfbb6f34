/** "A TPM in software" of docs/tpm.md: its own lines, with an empty home directory and the packed package. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { libraryPath } from "../../../softhsm/dependencies.js";
import { type InstalledPackage, installTarball } from "../../tarball.js";

const page = readFileSync(new URL("../../../docs/tpm.md", import.meta.url), "utf8");
const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);
const tpmLines = linesOf("swtpm socket");
const tokenLines = linesOf("export MODULE").slice(0, 3);
const keyLines = linesOf("npx hardproof keygen");

/** The lines of the block that contains the text. A line that ends in a backslash continues. */
function linesOf(text: string): string[] {
  const block = blocks.find((code) => code.includes(text)) ?? expect.unreachable(`docs/tpm.md doesn't contain ${text}`);
  return block.replaceAll("\\\n", "").trim().split("\n");
}

it("takes six lines", () => expect(tpmLines).toHaveLength(6));

describe.skipIf(inject("unavailable").TPM)("the lines", () => {
  let installed: InstalledPackage;
  const home = mkdtempSync(join(tmpdir(), "tpm-")); // short: the path of a socket has at most 107 bytes
  beforeAll(() => {
    installed = installTarball(inject("tarball"), ["koffi"]);
  });
  afterAll(() => {
    const pid = join(home, "soft-tpm/pid");
    if (existsSync(pid)) process.kill(Number(readFileSync(pid, "utf8")));
    rmSync(home, { recursive: true });
    installed.remove();
  });

  it("lead to a key that the software TPM made and doesn't export", { timeout: 120_000 }, () => {
    const [install = "", bus = "", ...rest] = tpmLines;
    expect(install).toMatch(/^sudo apt-get install /);
    const module = libraryPath("libtpm2_pkcs11.so", "libtpm2_pkcs11.so.1") ?? expect.unreachable("no tpm2-pkcs11");
    const ready = 'until pkcs11-tool --module "$MODULE" --list-slots >/dev/null 2>&1; do sleep 0.1; done';
    const lines = [`export MODULE=${module}`, ...rest, ready, ...tokenLines.slice(1), ...keyLines, "exit 0"];
    const [program = "", ...args] = bus.split("#")[0]?.trim().replace('"$SHELL"', "sh -e").split(" ") ?? [];
    const env = { PATH: process.env.PATH, HOME: home, SO_PIN: "sopin-1234", TPM_PIN: "pin-1234" };
    const { stdout, stderr, status } = spawnSync(program, args, {
      cwd: installed.directory,
      env,
      input: lines.join("\n"),
      timeout: 100_000,
      encoding: "utf8",
    });
    expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^protection +software$[\s\S]*^exportable +no/m);
    expect(stdout).not.toContain("pin-1234");
  });

  it("end with the command of the page", () => {
    const [, end = ""] = /`(kill "[^`]+)`/.exec(page) ?? [];
    execFileSync("sh", ["-c", end], { env: { PATH: process.env.PATH, HOME: home } });
    expect.soft(existsSync(join(home, "soft-tpm/tpm2-00.permall"))).toBe(true);
    rmSync(join(home, "soft-tpm/pid"), { force: true });
  });
});
