/** A Keycloak server in development mode on a free port of 127.0.0.1, with its database in memory. */
import { randomBytes } from "node:crypto";
import { freePort, startServer } from "../child-server.js";
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
  const server = await startServer({
    program: "sh",
    args: [program, "start-dev", ...ports, ...tls, "--db=dev-mem", ciba],
    env: {
      JAVA_OPTS_KC_HEAP: "-Xms64m -Xmx512m",
      KC_BOOTSTRAP_ADMIN_USERNAME: admin.username,
      KC_BOOTSTRAP_ADMIN_PASSWORD: admin.password,
    },
    ready: "Listening on:",
    timeout: START_LIMIT,
  });
  const [origin, secureOrigin] = [`http://127.0.0.1:${port}`, `https://127.0.0.1:${securePort}`];
  return { ...server, origin, secureOrigin, admin };
}
