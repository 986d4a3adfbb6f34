/** Keycloak's own certificate, and the one of a client that it trusts, as files that it reads. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Certificate, newCertificate } from "../../servers/mutual-tls.js";

/** The certificates. */
export interface KeycloakTls extends Disposable {
  readonly server: Certificate;
  /** The client's: its subject is `CN=agent`. */
  readonly agent: Certificate;
  /** Keycloak's options. */
  readonly options: readonly string[];
}

/** Creates the certificates. */
export function keycloakTls(): KeycloakTls {
  const [server, agent] = [newCertificate("keycloak"), newCertificate("agent")];
  const directory = mkdtempSync(join(tmpdir(), "hardproof-keycloak-"));
  const file = (name: string, content: string) => {
    const path = join(directory, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const options = [
    `--https-certificate-file=${file("server.pem", server.cert)}`,
    `--https-certificate-key-file=${file("server-key.pem", server.key)}`,
    `--truststore-paths=${file("agent.pem", agent.cert)}`,
    "--https-client-auth=request",
  ];
  return { server, agent, options, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}
