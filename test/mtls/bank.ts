/** A bank over mutual TLS, a client certificate whose key is on a token, and programs that run as the page says. */
import { spawn } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { authorizationServer, confidential } from "../servers/authorization-server.js";
import { type CertificateResource, certificateResource } from "../servers/certificate-resource.js";
import { fetchWith, issueCertificate, newCertificate, thumbprintOf } from "../servers/mutual-tls.js";
import { resourceServer } from "../servers/resource-server.js";

/** A client of the bank whose tokens are bound to its certificate, and one whose tokens are bound by DPoP. */
export type BankClient = "bound-agent" | "dpop-agent";

/** What the TLS key can sign with. */
export type TlsAlgorithm = "ES256" | "PS256";

/** A running bank. */
export interface Bank extends AsyncDisposable {
  readonly hsm: SoftHsm;
  /** The thumbprint of the client certificate (`x5t#S256`). */
  readonly x5t: string;
  /** The API for certificate-bound tokens. */
  readonly api: CertificateResource;
  /** Writes a file into the programs' directory, with the page's names replaced. Returns its path. */
  write(name: string, content: string, client?: BankClient): string;
  /**
   * Runs a command in the programs' directory, with the page's names replaced.
   *
   * @returns Its output, and how it ended.
   */
  run(command: string, env?: Record<string, string>): Promise<{ output: string; code: number | null }>;
  close(): Promise<void>;
}

/**
 * Starts a bank.
 *
 * @param paths - The paths of this machine, by those of the page. Paths can be added later.
 * @param algorithm - What the TLS key can sign with.
 */
export async function bank(paths: Readonly<Record<string, string>>, algorithm: TlsAlgorithm): Promise<Bank> {
  const hsm = await softHsm({ label: "agents", keys: [{ label: "dpop" }, { label: "tls", algorithm }] });
  const [ca, own] = [newCertificate("ca"), newCertificate("server")];
  const certificate = issueCertificate(ca, await publicKeyOf(hsm, algorithm), "agent");
  const as = await authorizationServer({ clients: registrations(), mutualTls: { own, client: ca } });
  const fetch = fetchWith(undefined, own);
  const { issuer, audience } = as;
  const api = await certificateResource({ issuer, audience, own });
  const dpopApi = await resourceServer({ issuer, audience, fetch });

  const directory = mkdtempSync(fileURLToPath(new URL("../.mtls-", import.meta.url)));
  const file = (name: string) => join(directory, name);
  const names = (client: BankClient): Record<string, string> => ({
    ...paths,
    "https://auth.bank.example": issuer,
    "https://api.bank.example/accounts": client === "bound-agent" ? api.url : dpopApi.url,
    '"my-agent"': JSON.stringify(client),
    "/etc/agent": directory,
    "/run/secrets": directory,
  });
  const write = (name: string, content: string, client: BankClient = "bound-agent") => {
    writeFileSync(file(name), replaceAll(content, names(client)), { mode: 0o600 });
    return file(name);
  };
  mkdirSync(directory, { recursive: true });
  write("tls.pem", certificate);
  write("hsm-pin", hsm.pin);
  const trusted = write("server.pem", own.cert);
  return {
    hsm,
    x5t: thumbprintOf(certificate),
    api,
    write,
    run: (command, env) =>
      run(replaceAll(command, names("bound-agent")), directory, { NODE_EXTRA_CA_CERTS: trusted, ...env }),
    close,
    [Symbol.asyncDispose]: close,
  };

  async function close() {
    rmSync(directory, { recursive: true });
    await Promise.all([as.close(), api.close(), dpopApi.close()]);
    await hsm.close();
  }
}

async function publicKeyOf({ module, token, pin }: SoftHsm, algorithm: TlsAlgorithm): Promise<string> {
  await using signer = new Pkcs11Signer({ module, token, key: "tls", pin, algorithm });
  const key = createPublicKey({ key: { ...(await signer.publicJwk()) }, format: "jwk" });
  return key.export({ type: "spki", format: "pem" }).toString();
}

function registrations() {
  const client = {
    ...confidential,
    token_endpoint_auth_method: "tls_client_auth" as const,
    tls_client_auth_subject_dn: "CN=agent",
  };
  const bound: BankClient = "bound-agent";
  const byDpop: BankClient = "dpop-agent";
  return [
    { ...client, client_id: bound, tls_client_certificate_bound_access_tokens: true },
    { ...client, client_id: byDpop },
  ];
}

function replaceAll(content: string, names: Record<string, string>): string {
  return Object.entries(names).reduce((result, [name, value]) => result.replaceAll(name, value), content);
}

/** `node` is the one that runs this test. */
async function run(command: string, cwd: string, env: Record<string, string>) {
  const PATH = [dirname(process.execPath), process.env.PATH ?? ""].join(delimiter);
  const child = spawn("/bin/sh", ["-c", `exec 2>&1; ${command}`], {
    cwd,
    env: { ...process.env, ...env, PATH },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, "close")]);
  return { output, code: code as number | null };
}
