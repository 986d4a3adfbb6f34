/** A token served by `p11-kit server`: another process has the library, and can be killed and started again. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, removeDirectory } from "../../softhsm/directory.js";
import { pointProcessAt } from "../../softhsm/environment.js";
import { ensureParts } from "../../softhsm/install.js";
import type { Token } from "../../softhsm/token.js";
import { accepts, type Daemon, startDaemon } from "./daemon.js";
import { P11_KIT_PARTS } from "./parts.js";

export interface P11KitServer extends AsyncDisposable {
  /** Path of p11-kit's client module, which stands for the token's own. */
  readonly module: string;
  /** What another process needs to reach the server. */
  readonly env: { readonly P11_KIT_SERVER_ADDRESS: string };
  /** Kills the server and what it has forked for its clients. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Ends the server. The token behind it stays. */
  close(): Promise<void>;
}

/**
 * Serves a token, and points this process at the server.
 *
 * @throws TokenUnavailable where p11-kit can't be had.
 */
export async function p11KitServer(
  behind: Pick<Token, "module" | "token" | "env">,
  options: { log?: (line: string) => void } = {},
): Promise<P11KitServer> {
  const parts = await ensureParts(P11_KIT_PARTS, options);
  const directory = makeDirectory("hardproof-p11-kit-");
  const socket = join(directory, "socket");
  const env = { P11_KIT_SERVER_ADDRESS: `unix:path=${socket}` };
  const restoreEnvironment = pointProcessAt(env);
  let daemon: Daemon | undefined;
  const kill = async () => {
    await daemon?.kill();
    daemon = undefined;
    rmSync(socket, { force: true });
  };
  const restart = async () => {
    const token = `pkcs11:token=${encodeURIComponent(behind.token)}`;
    const args = ["server", "--foreground", "--name", socket, "--provider", behind.module, token];
    daemon = await startDaemon(parts["p11-kit"], args, {
      env: behind.env,
      log: `${socket}.log`,
      ready: () => accepts(socket),
    });
  };
  const close = async () => {
    restoreEnvironment();
    await kill();
    removeDirectory(directory);
  };
  try {
    await restart();
    return { module: parts["p11-kit-client"], env, kill, restart, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
