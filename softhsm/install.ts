/** Finds the programs and libraries that a token needs, and installs missing ones if no user interaction is needed. */
import { fileURLToPath } from "node:url";
import { HardproofError } from "../src/index.js";
import { commandPath, run } from "./command.js";
import type { Dependency, PackageManager } from "./dependencies.js";

export type { PackageManager } from "./dependencies.js";

/** Thrown if a token can't be created on this machine. */
export class TokenUnavailable extends HardproofError {
  /** The name of the class. */
  override readonly name = "TokenUnavailable" as const;
  /** Identifies the kind of failure. */
  declare readonly code: "unavailable";
  /** The command that installs what is missing, if known. */
  readonly command: string | undefined;

  constructor(message: string, options: { command?: string | undefined; cause?: unknown } = {}) {
    super("unavailable", message, options);
    this.command = options.command;
  }
}

/** The properties of this machine that decide how to install packages. */
export interface System {
  /** Whether this process runs as root. */
  readonly root: boolean;
  /** Whether `sudo` is installed, and whether it asks for a password. `none` for root, which doesn't need it. */
  readonly sudo: "passwordless" | "password" | "none";
  /** The package managers that are installed, in order of preference. */
  readonly managers: readonly PackageManager[];
}

/** Install commands of the package managers, in order of preference. */
const INSTALL: Readonly<Record<PackageManager, (packages: string) => string>> = {
  // A `;` instead of `&&`: the update fails if any third-party source is broken, which doesn't affect these packages.
  "apt-get": (packages) =>
    `apt-get update; apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 ${packages}`,
  dnf: (packages) => `dnf install -y ${packages}`,
  apk: (packages) => `apk add --update-cache --wait 120 ${packages}`,
  brew: (packages) => `brew install ${packages}`,
};

/** `NEEDRESTART_SUSPEND` stops Ubuntu from restarting the user's services after an installation. */
const NON_INTERACTIVE = ["DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "HOMEBREW_NO_AUTO_UPDATE=1"];

/**
 * Finds the dependencies, and installs those that are missing. Several processes may call it at the same time.
 *
 * @param options - `log` receives one line before an installation. Default: standard error.
 * @returns The path of each dependency.
 * @throws {TokenUnavailable} If a dependency can't be installed without user interaction.
 */
export async function ensureInstalled<Name extends string>(
  dependencies: Readonly<Record<Name, Dependency>>,
  options: { log?: ((line: string) => void) | undefined } = {},
): Promise<Record<Name, string>> {
  await waitForOtherInstallations();
  const before = findAll(dependencies);
  if (before.missing.length === 0) return before.paths;

  const plan = planInstall(before.missing, await detectSystem());
  await install(plan, options.log ?? console.error);

  const { paths, missing } = findAll(dependencies);
  if (missing.length === 0) return paths;
  const problems = missing.map(
    ({ title, remedy }) => `${title} was not found in any known directory${remedy ? `: ${remedy}` : ""}`,
  );
  throw new TokenUnavailable(`\`${plan.command}\` succeeded, but ${problems.join("; ")}.`, { command: plan.command });
}

/**
 * Finds the dependencies, and never installs anything.
 *
 * @returns The path of each dependency.
 * @throws {TokenUnavailable} If one is missing. The message contains the command that installs it, if known.
 */
export async function findInstalled<Name extends string>(
  dependencies: Readonly<Record<Name, Dependency>>,
): Promise<Record<Name, string>> {
  const { paths, missing } = findAll(dependencies);
  if (missing.length === 0) return paths;
  const { command } = planInstall(missing, await detectSystem());
  const names = missing.map(({ title }) => title).join(" and ");
  throw new TokenUnavailable(`Not installed: ${names}. Run: ${command}`, { command });
}

/** `paths` is complete only if `missing` is empty. */
function findAll<Name extends string>(dependencies: Readonly<Record<Name, Dependency>>) {
  const paths = {} as Record<Name, string>;
  const missing: Dependency[] = [];
  for (const [name, dependency] of Object.entries(dependencies) as [Name, Dependency][]) {
    const path = dependency.find();
    if (path === undefined) missing.push(dependency);
    else paths[name] = path;
  }
  return { paths, missing };
}

/** How to install the missing dependencies. */
export interface InstallPlan {
  /** The command as a user would type it. */
  readonly command: string;
  /** The names of the packages, separated by spaces. */
  readonly packages: string;
  /** The program and its arguments that run the command without user interaction. */
  readonly argv: readonly string[];
}

/**
 * Chooses a package manager that needs no user interaction.
 *
 * @throws {TokenUnavailable} If there is no such package manager. The message contains the command to run, if known.
 */
export function planInstall(dependencies: readonly Dependency[], system: System): InstallPlan {
  const names = dependencies.map(({ title }) => title).join(" and ");
  const managers = system.managers.filter((name) => dependencies.every(({ packages }) => packages[name] !== undefined));
  const manager = managers.find((name) => canInstall(name, system)) ?? managers[0];
  if (!manager) throw noPackage(names, dependencies, system);

  const packages = [...new Set(dependencies.map((dependency) => dependency.packages[manager]))].join(" ");
  const script = INSTALL[manager](packages);
  const command = userCommand(script, manager, system);
  if (!canInstall(manager, system)) {
    const reason = manager === "brew" ? "Homebrew doesn't run as root" : "The installation needs root";
    throw new TokenUnavailable(`Not installed: ${names}. ${reason}. Run: ${command}`, { command });
  }
  const sudo = system.root || manager === "brew" ? [] : ["sudo", "-n"];
  return { command, packages, argv: [...sudo, "env", ...NON_INTERACTIVE, "sh", "-c", script] };
}

function noPackage(names: string, dependencies: readonly Dependency[], { managers }: System): TokenUnavailable {
  const reason =
    managers.length > 0
      ? `The packages are not available from ${managers.join(" or ")}`
      : "No supported package manager was found";
  const remedies = dependencies.flatMap(({ remedy }) => (remedy ? [`, or ${remedy}`] : []));
  return new TokenUnavailable(`Not installed: ${names}. ${reason}. Install them manually${remedies.join("")}.`);
}

/** Homebrew refuses to run as root. The other package managers need root. */
function canInstall(manager: PackageManager, { root, sudo }: System): boolean {
  return manager === "brew" ? !root : root || sudo === "passwordless";
}

function userCommand(script: string, manager: PackageManager, { root, sudo }: System): string {
  if (root || manager === "brew") return script;
  return sudo === "none" ? `su -c '${script}'` : `sudo sh -c '${script}'`;
}

async function install({ argv, packages, command }: InstallPlan, log: (line: string) => void): Promise<void> {
  log(`Installing ${packages}: ${command}`);
  const locked = commandPath("flock") ? ["flock", LOCK, ...argv] : argv;
  await run("/usr/bin/env", locked).catch((cause: Error) => {
    const lastLines = cause.message.split("\n").slice(-5).join("\n");
    throw new TokenUnavailable(`Could not install ${packages}:\n${lastLines}\nRun: ${command}`, { command, cause });
  });
}

/**
 * The lock file is this source file: it always exists, and the kernel releases the lock when its process ends. The lock
 * is needed because `apt-get update` doesn't wait for another one to finish, and because a package that is only half unpacked
 * must not be taken for installed.
 */
const LOCK = fileURLToPath(import.meta.url);

let waited: Promise<unknown> | undefined;

/** Waits once in a process. */
function waitForOtherInstallations(): Promise<unknown> {
  const flock = commandPath("flock");
  waited ??= flock ? run(flock, ["-s", LOCK, "true"]) : Promise.resolve();
  return waited;
}

async function detectSystem(): Promise<System> {
  const names = Object.keys(INSTALL) as PackageManager[];
  const root = process.getuid?.() === 0;
  return { root, sudo: root ? "none" : await detectSudo(), managers: names.filter((name) => commandPath(name)) };
}

async function detectSudo(): Promise<System["sudo"]> {
  const sudo = commandPath("sudo");
  if (!sudo) return "none";
  return run(sudo, ["-n", "true"]).then(
    () => "passwordless",
    () => "password",
  );
}
