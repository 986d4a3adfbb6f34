/** Programs in a network namespace of their own, which nothing outside of it can reach. */
import { run } from "../cache.js";

const LOOPBACK_UP = 'ip link set lo up && exec "$@"';

/**
 * Runs a program in a new network namespace with a loopback interface, and returns what it printed.
 *
 * @throws {Error} If it fails, or the namespace can't be made.
 */
export function inNamespace(command: readonly string[]): Promise<string> {
  // Without root, a namespace of users is needed too, which not every system allows.
  const flags = process.getuid?.() === 0 ? ["--net"] : ["--net", "--map-root-user"];
  return run("unshare", [...flags, "sh", "-c", LOOPBACK_UP, "sh", ...command]);
}

/** @throws {Error} With the reason, if this user can't make a namespace. */
export async function assertNamespaces(): Promise<void> {
  await inNamespace(["true"]).catch((error: Error) => {
    const reason = error.message.replaceAll(/\s+/g, " ");
    throw new Error(`a network namespace can't be made, which needs Linux and usually root (${reason})`);
  });
}
