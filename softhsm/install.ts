/** The parts of tokens on this machine: found, or installed by the package manager where that needs no question. */
import { commandPath, run } from "./command.js";
import type { PackageManager, Part } from "./parts.js";

export type { PackageManager } from "./parts.js";

/** A token can't be had here; `command` is the one command to run, where there is one. */
export class TokenUnavailable extends Error {
  override readonly name = "TokenUnavailable" as const;
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

/** How each package manager is called, in order of preference. */
const INSTALL: Readonly<Record<PackageManager, (packages: string) => string>> = {
  // A `;`, since a broken third-party source makes the update fail and hinders nothing.
  "apt-get": (packages) =>
    `apt-get update; apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 ${packages}`,
  dnf: (packages) => `dnf install -y ${packages}`,
  apk: (packages) => `apk add --update-cache --wait 120 ${packages}`,
  brew: (packages) => `brew install ${packages}`,
};

/** `NEEDRESTART_SUSPEND`: Ubuntu's hook would restart the user's services after any installation. */
const SILENCE = ["DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "HOMEBREW_NO_AUTO_UPDATE=1"];

/**
 * Finds the parts, and installs what is missing. Does nothing where all are there; may run in several processes at once.
 * `log` hears what is installed (standard error unless set).
 *
 * @returns the path of each part
 * @throws TokenUnavailable where one can't be had without a question
 */
export async function ensureParts<Name extends string>(
  parts: Readonly<Record<Name, Part>>,
  options: { log?: ((line: string) => void) | undefined } = {},
): Promise<Record<Name, string>> {
  await othersInstalling();
  const found = findParts(parts);
  if (found.missing.length === 0) return found.paths;

  const plan = planInstall(found.missing, await thisSystem());
  await install(plan, options.log ?? console.error);

  const { paths, missing } = findParts(parts);
  if (missing.length === 0) return paths;
  const what = missing.map(({ title, remedy }) => `${title} is in no known place${remedy ? `: ${remedy}` : ""}`);
  throw new TokenUnavailable(`\`${plan.command}\` went well, but ${what.join("; ")}.`, { command: plan.command });
}

/** `paths` has every name once nothing is missing. */
function findParts<Name extends string>(parts: Readonly<Record<Name, Part>>) {
  const paths = {} as Record<Name, string>;
  const missing: Part[] = [];
  for (const [name, part] of Object.entries(parts) as [Name, Part][]) {
    const path = part.find();
    if (path === undefined) missing.push(part);
    else paths[name] = path;
  }
  return { paths, missing };
}

/** How the missing parts are installed: the command as a person would type it, and as it runs without a question. */
export interface InstallPlan {
  readonly command: string;
  readonly packages: string;
  readonly silent: readonly string[];
}

/** Chooses a package manager that needs no question; where there is none, an error that holds the command to run. */
export function planInstall(parts: readonly Part[], system: System): InstallPlan {
  const names = parts.map(({ title }) => title).join(" and ");
  const managers = system.managers.filter((name) => parts.every(({ packages }) => packages[name] !== undefined));
  const manager = managers.find((name) => canInstall(name, system)) ?? managers[0];
  if (!manager) {
    const why =
      system.managers.length > 0
        ? `${system.managers.join(" and ")} has no package for it`
        : "no known package manager either";
    const remedies = parts.flatMap(({ remedy }) => (remedy ? [`, or ${remedy}`] : []));
    throw new TokenUnavailable(`Missing here: ${names}; ${why}. Install by hand${remedies.join("")}.`);
  }

  const packages = [...new Set(parts.map((one) => one.packages[manager]))].join(" ");
  const script = INSTALL[manager](packages);
  const command = asTyped(script, manager, system);
  if (!canInstall(manager, system)) {
    const why = manager === "brew" ? "Homebrew does not run as root" : "installing needs root";
    throw new TokenUnavailable(`Missing here: ${names}; ${why}. Run: ${command}`, { command });
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
    throw new TokenUnavailable(`Could not install ${packages}:\n${end}\nRun: ${command}`, { command, cause });
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
  const names = Object.keys(INSTALL) as PackageManager[];
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
