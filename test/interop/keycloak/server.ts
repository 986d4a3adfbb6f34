/** A Keycloak server in development mode on a free port of 127.0.0.1, with its database in memory. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { keycloakProgram } from "./distribution.js";

/** A running server. */
export interface KeycloakServer extends AsyncDisposable {
  readonly origin: string;
  /** The same server by TLS, which requests the client's certificate. */
  readonly secureOrigin: string;
  /** Credentials for the `master` realm. */
  readonly admin: { readonly username: string; readonly password: string };
}

/** Milliseconds. The first start builds the server, which takes longest. */
const START_LIMIT = 300_000;

/**
 * Starts a server. It needs Java 17. It is stopped with this process too, however that ends.
 *
 * @param cibaChannel - The URL of the user's authentication device, where Keycloak asks for consent (CIBA).
 * @param tls - Its options for certificates.
 */
export async function keycloakServer(cibaChannel: string, tls: readonly string[]): Promise<KeycloakServer> {
  const program = await keycloakProgram();
  const [port, securePort] = await Promise.all([freePort(), freePort()]);
  const admin = { username: "admin", password: randomBytes(16).toString("hex") };
  const ciba = `--spi-ciba-auth-channel--ciba-http-auth-channel--http-authentication-channel-uri=${cibaChannel}`;
  const ports = ["--http-host=127.0.0.1", `--http-port=${port}`, `--https-port=${securePort}`];
  const options = ["start-dev", ...ports, ...tls, "--db=dev-mem", ciba];
  const child = spawn("nice", ["sh", program, ...options], {
    detached: true, // a process group of its own, which contains the JVM and is stopped as a whole
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      JAVA_OPTS_KC_HEAP: "-Xms64m -Xmx512m",
      KC_BOOTSTRAP_ADMIN_USERNAME: admin.username,
      KC_BOOTSTRAP_ADMIN_PASSWORD: admin.password,
    },
  });
  const stop = stopper(child);
  try {
    await started(child);
    const [origin, secureOrigin] = [`http://127.0.0.1:${port}`, `https://127.0.0.1:${securePort}`];
    return { origin, secureOrigin, admin, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Resolves when the server listens. Afterwards, its output is discarded. */
async function started(child: ChildProcess): Promise<void> {
  let output = "";
  const listening = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk) => {
        output = (output + chunk).slice(-10_000);
        if (output.includes("Listening on:")) resolve();
      });
  });
  const timer = new AbortController();
  const failed = Promise.race([once(child, "exit"), sleep(START_LIMIT, undefined, { signal: timer.signal })]);
  const isListening = await Promise.race([listening.then(() => true), failed.then(() => false)]);
  failed.catch(() => undefined);
  timer.abort();
  if (!isListening) throw new Error(`Keycloak did not start:\n${output}`);
}

function stopper(child: ChildProcess): () => Promise<void> {
  const exited = once(child, "exit");
  const kill = () => {
    if (child.exitCode === null && child.signalCode === null && child.pid) process.kill(-child.pid, "SIGKILL");
  };
  const killAndExit = () => process.exit(1); // which calls `kill`
  process.once("exit", kill);
  process.once("SIGINT", killAndExit).once("SIGTERM", killAndExit);
  return async () => {
    kill();
    await exited;
    process.off("exit", kill).off("SIGINT", killAndExit).off("SIGTERM", killAndExit);
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error(`The server has no port: ${address}`);
  return address.port;
}
