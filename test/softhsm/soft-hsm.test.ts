/** Throw-away tokens: their contents, their clean-up, and how missing packages are installed. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SOFTHSM_DEPENDENCIES, type SoftHsm, softHsm, TokenUnavailable } from "../../softhsm/index.js";
import { ensureInstalled, planInstall, type System } from "../../softhsm/install.js";
import { startDaemon } from "../tokens/daemon.js";
import { SOFT_TPM_DEPENDENCIES } from "../tokens/dependencies.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hardproof-test-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

/** Returns the objects that the logged-in user or the public can see, as `pkcs11-tool` prints them. */
function objects(hsm: SoftHsm, as: "user" | "public" = "user"): string[] {
  const login = as === "user" ? ["--login", "--pin", "env:PIN"] : [];
  const args = ["--module", hsm.module, "--token-label", hsm.token, "--list-objects", ...login];
  const env = { ...process.env, ...hsm.env, PIN: hsm.pin };
  const listing = execFileSync("pkcs11-tool", args, { env, encoding: "utf8", stdio: "pipe" });
  return listing.split(/^(?=\S)/m);
}
const privateKeys = (hsm: SoftHsm) => objects(hsm).filter((object) => object.startsWith("Private Key"));
const publicKeys = (hsm: SoftHsm) => objects(hsm).filter((object) => object.startsWith("Public Key"));

describe("a token", () => {
  it("creates a token with a non-extractable P-256 key pair that can only sign", async () => {
    await using hsm = await softHsm({ label: "a label with spaces" });
    const [privateKey, ...others] = privateKeys(hsm);
    expect(others).toEqual([]);
    expect(privateKey).toMatch(/^Private Key Object; EC/);
    expect(privateKey).toMatch(/Access: +sensitive, always sensitive, never extractable, local$/m);
    expect(privateKey).toMatch(/Allowed mechanisms: ECDSA$/m);
    expect(privateKey).toMatch(new RegExp(`label: +${hsm.key.label}$`, "m"));
    expect(privateKey).toMatch(new RegExp(`ID: +${hsm.key.id}$`, "m"));
    expect(publicKeys(hsm)).toEqual([expect.stringMatching(/EC_POINT 256 bits.*ID: +01$/ms)]);
    expect(objects(hsm, "public").join()).not.toContain("Private Key");
  });

  it("returns the serial number that the library reports, and uses the requested PIN", async () => {
    await using hsm = await softHsm({ label: "serial", pin: "a PIN" });
    const list = ["--module", hsm.module, "--list-token-slots"];
    expect(hsm.pin).toBe("a PIN");
    expect(execFileSync("pkcs11-tool", list, { encoding: "utf8" })).toContain(hsm.serial);
    expect(() => objects({ ...hsm, pin: "another" })).toThrow(/CKR_PIN_INCORRECT/);
  });

  it("generates unusual keys and deletes objects", async () => {
    await using hsm = await softHsm({ label: "odd" });
    await hsm.generateKey({ label: "p384", id: "02", type: "EC:secp384r1" });
    await hsm.generateKey({ label: "rsa", id: "03", type: "rsa:2048" });
    await hsm.generateKey({ label: "loose", id: "04", type: "EC:prime256v1", extractable: true });
    await hsm.generateKey({ label: "half", id: "01", type: "EC:prime256v1", publicObject: false });
    const found = (label: string) => objects(hsm).filter((object) => object.includes(` ${label}\n`));
    expect(found("p384").join()).toContain("EC_POINT 384 bits");
    expect(found("rsa").join()).toContain("RSA 2048 bits");
    expect(found("loose").join()).toMatch(/sensitive, extractable, local/);
    expect(found("half")).toEqual([expect.stringContaining("Private Key")]);
    expect(found("dpop")).toHaveLength(2);
    await hsm.deleteObject({ type: "privkey", id: "03" });
    expect(found("rsa")).toEqual([expect.stringContaining("Public Key")]);
    await expect(hsm.deleteObject({ type: "privkey", id: "03" })).rejects.toThrow(/object not found/i);
  });

  it("leaves no files, and doesn't show the PIN in the error, if the token can't be created", async () => {
    vi.stubEnv("SOFTHSM2_CONF", "/home/user/softhsm2.conf");
    vi.stubEnv("TMPDIR", directory);
    const error: Error = await softHsm({ label: "short PIN", pin: "abc" }).catch((error) => error);
    expect(error.message).toMatch(/--init-pin.*CKR_PIN_LEN_RANGE/s);
    expect(error.message).not.toContain("abc");
    expect(process.env.SOFTHSM2_CONF).toBe("/home/user/softhsm2.conf");
    expect(readdirSync(directory)).toEqual([]);
  });

  it("creates a token without a PIN on any command line", async () => {
    const { "pkcs11-tool": tool } = await ensureInstalled(SOFTHSM_DEPENDENCIES);
    const log = join(directory, "log");
    writeFileSync(join(directory, "pkcs11-tool"), `#!/bin/sh\necho "$@" >> ${log}\nexec ${tool} "$@"\n`, {
      mode: 0o755,
    });
    vi.stubEnv("PATH", `${directory}:${process.env.PATH}`);
    await using hsm = await softHsm({ label: "discreet" });
    const seen = readFileSync(log, "utf8");
    expect(seen).toContain("--init-token");
    expect(seen).toContain("--keypairgen");
    expect(seen).not.toContain(hsm.pin);
    expect(seen).not.toContain(hsm.soPin);
  });
});

describe("close()", () => {
  it("removes the private directory and restores SOFTHSM2_CONF", async () => {
    vi.stubEnv("SOFTHSM2_CONF", "/home/user/softhsm2.conf");
    const listeners = () => ["exit", "SIGINT", "SIGTERM", "SIGHUP"].map((event) => process.listenerCount(event));
    const before = listeners();
    const hsm = await softHsm({ label: "clean" });
    expect(process.env.SOFTHSM2_CONF).toBe(hsm.env.SOFTHSM2_CONF);
    expect(dirname(hsm.env.SOFTHSM2_CONF)).toBe(hsm.directory);
    expect(statSync(hsm.directory).mode & 0o777).toBe(0o700);
    await hsm.close();
    await hsm.close();
    expect(existsSync(hsm.directory)).toBe(false);
    expect(process.env.SOFTHSM2_CONF).toBe("/home/user/softhsm2.conf");
    expect(listeners()).toEqual(before);
  });

  it("removes SOFTHSM2_CONF if it was not set before", async () => {
    vi.stubEnv("SOFTHSM2_CONF", undefined);
    await (await softHsm({ label: "none" })).close();
    expect("SOFTHSM2_CONF" in process.env).toBe(false);
  });

  it("does not change another open token", async () => {
    vi.stubEnv("SOFTHSM2_CONF", "/home/user/softhsm2.conf");
    const one = await softHsm({ label: "same label" });
    await using other = await softHsm({ label: "same label" });
    expect(one.serial).not.toBe(other.serial);
    expect(process.env.SOFTHSM2_CONF).toBe(one.env.SOFTHSM2_CONF);
    await other.generateKey({ label: "second", id: "02", type: "EC:prime256v1" });
    expect([privateKeys(one).length, privateKeys(other).length]).toEqual([1, 2]);
    await one.close();
    expect(process.env.SOFTHSM2_CONF).toBe("/home/user/softhsm2.conf");
    expect(privateKeys(other)).toHaveLength(2);
  });
});

describe("a daemon", () => {
  const log = () => join(directory, "log");
  const start = (script: string, ready = () => existsSync(join(directory, "ready"))) =>
    startDaemon("/bin/sh", ["-c", `cd ${directory}; ${script}`], { log: log(), ready });

  it("kills a daemon together with its child processes", async () => {
    const daemon = await start("(while sleep 0.01; do echo >>beats; done) & touch ready; sleep 100");
    await expect.poll(() => existsSync(join(directory, "beats"))).toBe(true);
    await daemon.kill();
    const beats = statSync(join(directory, "beats")).size;
    await new Promise((done) => setTimeout(done, 50));
    expect(statSync(join(directory, "beats")).size).toBe(beats);
    await daemon.kill();
  });

  it("reports a daemon that ends immediately, with its log", async () => {
    await expect(start("echo no such device >&2; exit 3")).rejects.toThrow(/did not start:\nno such device/);
  });

  it("lets a daemon write a large log without blocking", async () => {
    const daemon = await start("yes a line | head -100000 >&2; touch ready; sleep 100");
    expect(statSync(log()).size).toBe(700_000);
    await daemon.kill();
  });

  it("ends a daemon if this process is killed", async () => {
    const beats = join(directory, "beats");
    const script = `
      const { startDaemon } = await import("./test/tokens/daemon.ts");
      const loop = "while sleep 0.01; do echo >>${beats}; done";
      await startDaemon("/bin/sh", ["-c", loop], { log: "${log()}", ready: async () => (await import("node:fs")).existsSync("${beats}") });
      process.kill(process.pid, "SIGKILL");`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], { cwd: root });
    expect(await once(child, "close")).toEqual([null, "SIGKILL"]);
    const stopped = async () => {
      const before = statSync(beats).size;
      await new Promise((done) => setTimeout(done, 100));
      return statSync(beats).size === before;
    };
    await expect.poll(stopped, { timeout: 10_000 }).toBe(true);
  });
});

describe("a program that doesn't close its token", () => {
  it.each([
    ["ends normally", "", { code: 0, signal: null }],
    ["calls process.exit", "process.exit(3)", { code: 3, signal: null }],
    ["throws", "throw new Error('expected')", { code: 1, signal: null }],
    ["is ended by SIGTERM", "await sendSignal('SIGTERM')", { code: null, signal: "SIGTERM" }],
    ["is ended by SIGINT", "await sendSignal('SIGINT')", { code: null, signal: "SIGINT" }],
    ["is ended by SIGHUP", "await sendSignal('SIGHUP')", { code: null, signal: "SIGHUP" }],
    [
      "handles SIGTERM itself",
      "process.once('SIGTERM', () => setTimeout(() => process.exit(existsSync(hsm.directory) ? 7 : 8), 50)); await sendSignal('SIGTERM')",
      { code: 7, signal: null },
    ],
  ])(
    "leaves no directory and does not change the exit code or signal of a program that %s",
    async (_, end, expected) => {
      const { directory, code, signal } = await program(end);
      expect({ code, signal }).toEqual(expected);
      expect(directory).toMatch(/hardproof-softhsm-/);
      expect(existsSync(directory)).toBe(false);
    },
  );

  it("does not affect concurrent programs", async () => {
    const endings = ["", "await sendSignal('SIGTERM')", "await hsm.close()"];
    const directories = (await Promise.all(endings.map(program))).map(({ directory }) => directory);
    expect(new Set(directories).size).toBe(3);
    expect(directories.filter((directory) => directory === "" || existsSync(directory))).toEqual([]);
  });

  it("ends with exit code 130 in a shell after Ctrl-C", () => {
    const inner = source("await sendSignal('SIGINT')").replaceAll("'", `'\\''`);
    const script = `'${process.execPath}' --import tsx --input-type=module -e '${inner}' >/dev/null; echo $?`;
    expect(execFileSync("sh", ["-c", script], { cwd: root, encoding: "utf8" }).trim()).toBe("130");
  });
});

/** Returns the source of a program that creates a token, prints its directory, and then runs `end`. */
function source(end: string): string {
  return `
    const { existsSync } = await import("node:fs");
    const { softHsm } = await import("./softhsm/index.ts");
    const sendSignal = (signal) => { process.kill(process.pid, signal); return new Promise((done) => setTimeout(done, 10_000)); };
    const hsm = await softHsm({ label: "child" });
    if (!existsSync(hsm.env.SOFTHSM2_CONF)) throw new Error("The token does not exist.");
    console.log(hsm.directory);
    ${end}`;
}

async function program(end: string): Promise<{ directory: string; code: number | null; signal: string | null }> {
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", source(end)], {
    cwd: root,
    stdio: ["ignore", "pipe", "ignore"],
  });
  let directory = "";
  child.stdout.on("data", (chunk) => {
    directory += chunk;
  });
  const [code, signal] = await once(child, "close");
  return { directory: directory.trim(), code, signal };
}

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
  const apt =
    "apt-get update; apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 libsofthsm2 opensc";
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
    ["root, Fedora", { root: true, managers: ["dnf"] }, "dnf install -y softhsm opensc", /^env /],
    ["root, Alpine", { root: true, managers: ["apk"] }, "apk add --update-cache --wait 120 softhsm opensc", /^env /],
    ["macOS", { sudo: "password", managers: ["brew"] }, "brew install softhsm opensc", /^env .*sh -c brew/],
    [
      "Linux with Homebrew",
      { sudo: "password", managers: ["apt-get", "brew"] },
      "brew install softhsm opensc",
      /^env /,
    ],
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
    ["Fedora", { sudo: "password", managers: ["dnf"] }, "sudo sh -c 'dnf install -y softhsm opensc'"],
    ["Homebrew as root", { root: true, managers: ["brew"] }, "brew install softhsm opensc"],
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
      message: expect.stringMatching(
        /Not installed: SoftHSM 2 and OpenSC's pkcs11-tool\. No supported.*SOFTHSM2_MODULE/,
      ),
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
    expect(planInstall([SOFTHSM_DEPENDENCIES["pkcs11-tool"]], system({ root: true })).packages).toBe("opensc");
    expect(planInstall([SOFTHSM_DEPENDENCIES.softhsm], system({ root: true })).packages).toBe("libsofthsm2");
  });
});
