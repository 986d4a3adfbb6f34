/** How missing packages are found and installed. */
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { softHsm, TokenUnavailable } from "hardproof/softhsm";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SOFTHSM_DEPENDENCIES } from "../../softhsm/dependencies.js";
import { ensureInstalled, planInstall, type System } from "../../softhsm/install.js";
import { SOFT_TPM_DEPENDENCIES } from "../tokens/dependencies.js";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hardproof-test-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

describe("ensureInstalled()", () => {
  it("installs nothing if everything is found", async () => {
    const lines: string[] = [];
    const [one, other] = await Promise.all(
      [1, 2].map(() => ensureInstalled(SOFTHSM_DEPENDENCIES, { log: (line) => lines.push(line) })),
    );
    expect(one).toEqual(other);
    expect(one?.softhsm).toMatch(/libsofthsm2?\.so$/);
    expect(lines).toEqual([]);
  });

  it("uses SOFTHSM2_MODULE, and reports a path that doesn't exist", async () => {
    const { softhsm: module } = await ensureInstalled(SOFTHSM_DEPENDENCIES);
    const link = join(directory, "elsewhere.so");
    symlinkSync(module, link);
    vi.stubEnv("SOFTHSM2_MODULE", link);
    await using hsm = await softHsm({ label: "elsewhere" });
    expect(hsm.module).toBe(link);
    vi.stubEnv("SOFTHSM2_MODULE", "/no/such/module.so");
    await expect(softHsm({ label: "nowhere" })).rejects.toThrow(/SOFTHSM2_MODULE is set to \/no\/such\/module\.so/);
  });
});

describe("planInstall()", () => {
  const apt = "apt-get update; apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 libsofthsm2";
  const system = (more: Partial<System>): System => ({ root: false, sudo: "none", managers: ["apt-get"], ...more });
  const plan = (more: Partial<System>) => planInstall(Object.values(SOFTHSM_DEPENDENCIES), system(more));
  const errorOf = (more: Partial<System>): unknown => {
    try {
      return plan(more);
    } catch (error) {
      return error;
    }
  };

  it.each([
    ["root, Debian", { root: true }, apt, /^env DEBIAN_FRONTEND=noninteractive .*sh -c apt-get/],
    [
      "passwordless sudo, Debian",
      { sudo: "passwordless" },
      `sudo sh -c '${apt}'`,
      /^sudo -n env DEBIAN_FRONTEND=noninteractive /,
    ],
    ["root, Fedora", { root: true, managers: ["dnf"] }, "dnf install -y softhsm", /^env /],
    ["root, Alpine", { root: true, managers: ["apk"] }, "apk add --update-cache --wait 120 softhsm", /^env /],
    ["macOS", { sudo: "password", managers: ["brew"] }, "brew install softhsm", /^env .*sh -c brew/],
    ["Linux with Homebrew", { sudo: "password", managers: ["apt-get", "brew"] }, "brew install softhsm", /^env /],
  ] satisfies [string, Partial<System>, string, RegExp][])(
    "needs no user interaction: %s",
    (_, more, command, argv) => {
      expect(plan(more).command).toBe(command);
      expect(plan(more).argv.join(" ")).toMatch(argv);
    },
  );

  it.each([
    ["sudo with a password", { sudo: "password" }, `sudo sh -c '${apt}'`],
    ["no sudo", {}, `su -c '${apt}'`],
    ["Fedora", { sudo: "password", managers: ["dnf"] }, "sudo sh -c 'dnf install -y softhsm'"],
    ["Homebrew as root", { root: true, managers: ["brew"] }, "brew install softhsm"],
  ] satisfies [string, Partial<System>, string][])(
    "names the command that the user can run: %s",
    (_, more, command) => {
      const error = errorOf(more);
      expect(error).toBeInstanceOf(TokenUnavailable);
      expect(error).toMatchObject({ command, message: expect.stringContaining(command) });
    },
  );

  it("names what is missing if no package manager is known", () => {
    expect(errorOf({ root: true, managers: [] })).toMatchObject({
      command: undefined,
      message: expect.stringMatching(/Not installed: SoftHSM 2\. No supported.*SOFTHSM2_MODULE/),
    });
  });

  it("installs all packages of a TPM at once, and reports a package manager that lacks one", () => {
    expect(planInstall(Object.values(SOFT_TPM_DEPENDENCIES), system({ root: true })).packages).toBe(
      "swtpm dbus tpm2-abrmd libtss2-tcti-tabrmd0 libtpm2-pkcs11-1 opensc",
    );
    expect(() => planInstall(Object.values(SOFT_TPM_DEPENDENCIES), system({ managers: ["brew"] }))).toThrow(
      /tpm2-abrmd and .*\. The packages are not available from brew\./,
    );
  });

  it("installs only what is missing", () => {
    expect(planInstall([SOFT_TPM_DEPENDENCIES["pkcs11-tool"]], system({ root: true })).packages).toBe("opensc");
    expect(planInstall([SOFTHSM_DEPENDENCIES.softhsm], system({ root: true })).packages).toBe("libsofthsm2");
  });
});
