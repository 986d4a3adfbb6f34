/** The checks of `hardproof doctor` for a key in an agent: the socket, the agent, and whether it has the key. */
import type { Finding } from "../../src/keystore/finding.js";
import { findKey, NO_KEYS } from "./find-key.js";
import type { Identity } from "./identities.js";
import { printable } from "./printable.js";
import { socketPath } from "./socket-path.js";
import type { SshAgentLocation } from "./uri.js";

/**
 * Yields one finding per check.
 *
 * @param identities - Requests the agent's keys.
 * @throws {SignerError} If a check fails and the next ones can't run.
 */
export async function* diagnoseAgent(
  location: SshAgentLocation,
  identities: () => Promise<Identity[]>,
): AsyncGenerator<Finding> {
  yield { check: "socket", ok: true, found: printable(socketPath(location.socket)) };
  const listed = await identities();
  if (listed.length === 0)
    return yield { check: "agent", ok: false, found: "responds, but doesn't list any key", remedy: NO_KEYS };
  yield {
    check: "agent",
    ok: true,
    found: `responds, and lists ${listed.length} ${listed.length === 1 ? "key" : "keys"}`,
  };
  const { type, comment } = findKey(listed, location);
  yield { check: "key's type", ok: true, found: `${type}, comment ${JSON.stringify(printable(comment))}` };
}
