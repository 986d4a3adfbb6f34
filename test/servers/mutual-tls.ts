/** Mutual TLS (RFC 8705): self-signed certificates, and a `fetch` that presents one. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { TLSSocket } from "node:tls";

/** A certificate and its private key, both in PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Creates a self-signed certificate for a loopback server or a client. */
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

/** Creates a `fetch` over node:https that trusts one server and presents one certificate. */
export function fetchWith(own: Certificate, server: Certificate): typeof fetch {
  return (input, { method = "GET", headers, body, signal } = {}) =>
    new Promise((resolve, reject) => {
      const tls = { ...own, ca: server.cert, agent: false as const };
      const options = { ...tls, method, headers: Object.fromEntries(new Headers(headers)), ...(signal && { signal }) };
      const clientRequest = request(String(input), options, async (response) => {
        const responseHeaders = new Headers(response.headersDistinct as Record<string, never>);
        resolve(new Response(await buffer(response), { status: response.statusCode ?? 0, headers: responseHeaders }));
      });
      clientRequest.once("error", reject).end(body);
    });
}

/** Returns the client certificate of a connection. */
export function peerCertificate(socket: unknown) {
  if (!(socket instanceof TLSSocket)) return undefined;
  const certificate = socket.getPeerX509Certificate();
  return certificate && { certificate, authorized: socket.authorized };
}
