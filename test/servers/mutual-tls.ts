/** TLS that shows a certificate on both sides (RFC 8705): certificates out of nothing, and a `fetch` that uses one. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { TLSSocket } from "node:tls";

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** A self-signed certificate for a server on loopback, or for a client. */
export function newCertificate(name: string): Certificate {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-tls-"));
  try {
    const [key, cert] = [join(directory, "key"), join(directory, "cert")];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
    const args = ["req", "-x509", ...curve, ...subject, "-days", "1", "-keyout", key, "-out", cert];
    execFileSync("openssl", args, { stdio: "pipe" });
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** `fetch` over node:https, which trusts one server and shows one certificate. */
export function fetchWith(own: Certificate, server: Certificate): typeof fetch {
  return (input, { method = "GET", headers, body, signal } = {}) =>
    new Promise((resolve, reject) => {
      const tls = { ...own, ca: server.cert, agent: false as const };
      const sent = { ...tls, method, headers: Object.fromEntries(new Headers(headers)), ...(signal && { signal }) };
      const asking = request(String(input), sent, async (answer) => {
        const got = new Headers(answer.headersDistinct as Record<string, never>);
        resolve(new Response(await buffer(answer), { status: answer.statusCode ?? 0, headers: got }));
      });
      asking.once("error", reject).end(body);
    });
}

/** What the server knows of its peer. */
export function peerCertificate(socket: unknown) {
  if (!(socket instanceof TLSSocket)) return undefined;
  const certificate = socket.getPeerX509Certificate();
  return certificate && { certificate, authorized: socket.authorized };
}
