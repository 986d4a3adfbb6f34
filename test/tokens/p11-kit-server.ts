/** Serves a token through `p11-kit server`: the library runs in another process, which can be killed and restarted. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { makeTempDirectory, removeTempDirectory } from "../../softhsm/directory.js";
import { setEnvironment } from "../../softhsm/environment.js";
import { ensureInstalled } from "../../softhsm/install.js";
import { acceptsConnections, type Daemon, startDaemon } from "./daemon.js";
import { P11_KIT_DEPENDENCIES } from "./dependencies.js";
import type { Token } from "./token.js";

/** A p11-kit server that serves one token. */
export interface P11KitServer extends AsyncDisposable {
  /** Path of p11-kit's client module, which replaces the token's library. */
  readonly module: string;
  /** The environment variables that another process needs to connect to the server. */
  readonly env: { readonly P11_KIT_SERVER_ADDRESS: string };
  /** Kills the server, and the child processes that serve its clients. */
  kill(): Promise<void>;
  /** Starts the server again at the same address. */
  restart(): Promise<void>;
  /** Stops the server. The token remains. */
  close(): Promise<void>;
}

/**
 * Serves a token, and sets the environment of this process so that p11-kit's client module connects to the server.
 *
 * @throws {TokenUnavailable} If p11-kit can't be installed.
 */
export async function p11KitServer(
  token: Pick<Token, "module" | "token" | "env">,
  options: { log?: (line: string) => void } = {},
): Promise<P11KitServer> {
  const paths = await ensureInstalled(P11_KIT_DEPENDENCIES, options);
  const directory = makeTempDirectory("hardproof-p11-kit-");
  const socket = join(directory, "socket");
  const env = { P11_KIT_SERVER_ADDRESS: `unix:path=${socket}` };
  const restoreEnvironment = setEnvironment(env);
  let daemon: Daemon | undefined;
  const kill = async () => {
    await daemon?.kill();
    daemon = undefined;
    rmSync(socket, { force: true });
  };
  const restart = async () => {
    const uri = `pkcs11:token=${encodeURIComponent(token.token)}`;
    const args = ["server", "--foreground", "--name", socket, "--provider", token.module, uri];
    daemon = await startDaemon(paths["p11-kit"], args, {
      env: token.env,
      log: `${socket}.log`,
      ready: () => acceptsConnections(socket),
    });
  };
  const close = async () => {
    restoreEnvironment();
    await kill();
    removeTempDirectory(directory);
  };
  try {
    await restart();
    return { module: paths["p11-kit-client"], env, kill, restart, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
