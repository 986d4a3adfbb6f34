/** The Spring application of `Server.java` on a free port of 127.0.0.1. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeTempDirectory, removeTempDirectory } from "../../../softhsm/directory.js";
import type { Certificate } from "../../servers/mutual-tls.js";
import { freePort, startServer } from "../child-server.js";
import { springLibraries } from "./libraries.js";
import type { User } from "./user.js";

const SOURCE = fileURLToPath(new URL("Server.java", import.meta.url));

/** A running server, which is both authorization server and resource server. */
export interface SpringServer extends AsyncDisposable {
  /** It is the issuer too. */
  readonly origin: string;
  readonly user: User;
  /** Returns the secret of a client. */
  secretOf(clientId: string): string;
}

/** TLS with client certificates: the server's certificate, and those that it trusts in PEM. */
export interface ServerTls {
  readonly own: Certificate;
  readonly trusted: string;
}

/**
 * Starts a server.
 *
 * @param jwks - The URL of the keys of `key-agent` and `self-signed-agent`: Spring has no other way to register a key.
 */
export async function springServer(jwks: string, tls?: ServerTls): Promise<SpringServer> {
  const { directory: libraries } = await springLibraries();
  const port = await freePort();
  const files = makeTempDirectory("hardproof-spring-");
  const password = randomBytes(12).toString("hex");
  const secret = randomBytes(12).toString("hex");
  const settings = {
    "server.address": "127.0.0.1",
    "server.port": port,
    "server.tomcat.basedir": files,
    "server.forward-headers-strategy": "framework",
    "hardproof.jwks": jwks,
    ...(tls && tlsSettings(tls, files)),
  };
  const options = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  const process = await startServer({
    program: "java",
    // The second option makes the start faster. Java compiles the source itself.
    args: ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", `${libraries}/*`, SOURCE, ...options],
    env: { HARDPROOF_PASSWORD: password, HARDPROOF_SECRET: secret },
    ready: "Started Server",
  });
  return {
    origin: `${tls ? "https" : "http"}://127.0.0.1:${port}`,
    user: { username: "alice", password },
    secretOf: (clientId) => `${clientId}-${secret}`,
    async [Symbol.asyncDispose]() {
      await process[Symbol.asyncDispose]();
      removeTempDirectory(files);
    },
  };
}

function tlsSettings({ own, trusted }: ServerTls, directory: string) {
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  return {
    "server.ssl.certificate": file("cert.pem", own.cert),
    "server.ssl.certificate-private-key": file("key.pem", own.key),
    "server.ssl.trust-certificate": file("trusted.pem", trusted),
    "server.ssl.client-auth": "want",
  };
}
