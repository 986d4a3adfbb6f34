/** SoftHSM on this machine: found, or installed by the system's package manager where that needs no question. */
import { commandPath, run } from "./command.js";
import { findParts, type SoftHsmParts } from "./find.js";

/** No PKCS#11 token can be had; `command` is the one command to run, where there is one. */
export class SoftHsmUnavailable extends Error {
  override readonly name = "SoftHsmUnavailable" as const;
  readonly command: string | undefined;

  constructor(message: string, options: { command?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.command = options.command;
  }
}

/** What decides how something is installed here. */
export interface System {
  /** Whether this process is root's. */
  readonly root: boolean;
  /** Whether there is `sudo`, and whether it asks for a password. */
  readonly sudo: "silent" | "asks" | "none";
  readonly managers: readonly PackageManager[];
}

export type PackageManager = keyof typeof MANAGERS;
type Part = keyof SoftHsmParts;

/** A row for each package manager, in order of preference. */
const MANAGERS = {
  "apt-get": {
    packages: { module: "libsofthsm2", tool: "opensc" },
    // A `;`, since a broken third-party source makes the update fail and hinders nothing.
    install: (names: string) =>
      `apt-get update; apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 ${names}`,
  },
  dnf: {
    packages: { module: "softhsm", tool: "opensc" },
    install: (names: string) => `dnf install -y ${names}`,
  },
  apk: {
    packages: { module: "softhsm", tool: "opensc" },
    install: (names: string) => `apk add --update-cache --wait 120 ${names}`,
  },
  brew: {
    packages: { module: "softhsm", tool: "opensc" },
    install: (names: string) => `brew install ${names}`,
  },
};

/** `NEEDRESTART_SUSPEND`: Ubuntu's hook would restart the user's services after any installation. */
const SILENCE = ["DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "HOMEBREW_NO_AUTO_UPDATE=1"];

/**
 * Finds SoftHSM and `pkcs11-tool`, and installs what is missing. Does nothing where both are there; may run in several
 * processes at once. `log` hears what is installed (standard error unless set).
 */
export async function ensureSoftHsm(options: { log?: (line: string) => void } = {}): Promise<SoftHsmParts> {
  await othersInstalling();
  const { module, tool } = findParts();
  if (module && tool) return { module, tool };

  const missing: Part[] = [...(module ? [] : ["module" as const]), ...(tool ? [] : ["tool" as const])];
  const plan = planInstall(missing, await thisSystem());
  await install(plan, options.log ?? console.error);

  const now = findParts();
  if (now.module && now.tool) return { module: now.module, tool: now.tool };
  const what = now.module
    ? "pkcs11-tool is on no known path"
    : "libsofthsm2.so is in no known place: set SOFTHSM2_MODULE";
  throw new SoftHsmUnavailable(`\`${plan.command}\` went well, but ${what}.`, { command: plan.command });
}

/** How the missing parts are installed: the command as a person would type it, and as it runs without a question. */
export interface InstallPlan {
  readonly command: string;
  readonly packages: string;
  readonly silent: readonly string[];
}

/** Chooses a package manager that needs no question; where there is none, an error that holds the command to run. */
export function planInstall(missing: readonly Part[], system: System): InstallPlan {
  const names = missing.map((part) => ({ module: "SoftHSM 2", tool: "OpenSC's pkcs11-tool" })[part]).join(" and ");
  const manager = system.managers.find((name) => canInstall(name, system)) ?? system.managers[0];
  if (!manager)
    throw new SoftHsmUnavailable(
      `Missing here: ${names}; no known package manager either. Install by hand, or set SOFTHSM2_MODULE.`,
    );

  const packages = missing.map((part) => MANAGERS[manager].packages[part]).join(" ");
  const script = MANAGERS[manager].install(packages);
  const command = asTyped(script, manager, system);
  if (!canInstall(manager, system)) {
    const why = manager === "brew" ? "Homebrew does not run as root" : "installing needs root";
    throw new SoftHsmUnavailable(`Missing here: ${names}; ${why}. Run: ${command}`, { command });
  }
  const rights = system.root || manager === "brew" ? [] : ["sudo", "-n"];
  return { command, packages, silent: [...rights, "env", ...SILENCE, "sh", "-c", script] };
}

/** Homebrew refuses to run as root; everybody else wants root. */
function canInstall(manager: PackageManager, { root, sudo }: System): boolean {
  return manager === "brew" ? !root : root || sudo === "silent";
}

function asTyped(script: string, manager: PackageManager, { root, sudo }: System): string {
  if (root || manager === "brew") return script;
  return sudo === "none" ? `su -c '${script}'` : `sudo sh -c '${script}'`;
}

async function install({ silent, packages, command }: InstallPlan, log: (line: string) => void): Promise<void> {
  log(`Installing ${packages}: ${command}`);
  const locked = commandPath("flock") ? ["flock", LOCK, ...silent] : silent;
  await run("/usr/bin/env", locked).catch((cause: Error) => {
    const end = cause.message.split("\n").slice(-5).join("\n");
    throw new SoftHsmUnavailable(`Could not install ${packages}:\n${end}\nRun: ${command}`, { command, cause });
  });
}

/**
 * This very file: there is nothing to make or clean up, and the kernel lets go when the holder dies. It is needed since
 * `apt-get update` waits for nobody, and so that nobody takes a half-unpacked package for an installed one.
 */
const LOCK = import.meta.filename;

async function othersInstalling(): Promise<void> {
  const flock = commandPath("flock");
  if (flock) await run(flock, ["-s", LOCK, "true"]);
}

async function thisSystem(): Promise<System> {
  const names = Object.keys(MANAGERS) as PackageManager[];
  const root = process.getuid?.() === 0;
  return { root, sudo: root ? "none" : await sudoHere(), managers: names.filter((name) => commandPath(name)) };
}

async function sudoHere(): Promise<System["sudo"]> {
  const sudo = commandPath("sudo");
  if (!sudo) return "none";
  return run(sudo, ["-n", "true"]).then(
    () => "silent",
    () => "asks",
  );
}
