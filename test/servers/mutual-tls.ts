/** Mutual TLS (RFC 8705): certificates, and a `fetch` that presents one. */
import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
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

/** Creates a self-signed certificate for a client, or for a loopback server that is reached by its address or this name. */
export function newCertificate(name: string): Certificate {
  return inDirectory((file) => {
    const [key, cert] = [file("key"), file("cert")];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=IP:127.0.0.1,DNS:${name}`];
    const args = ["req", "-x509", ...curve, ...subject, "-days", "1", "-keyout", key, "-out", cert];
    execFileSync("openssl", args, { stdio: "pipe" });
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  });
}

/**
 * Issues a certificate for a public key whose private key can stay on its token: the issuer signs, and not the key.
 *
 * @param publicKey - SubjectPublicKeyInfo in PEM.
 * @returns The certificate in PEM.
 */
export function issueCertificate(issuer: Certificate, publicKey: string, name: string): string {
  return inDirectory((file) => {
    writeFileSync(file("ca"), issuer.cert);
    writeFileSync(file("ca-key"), issuer.key);
    writeFileSync(file("public"), publicKey);
    const by = ["-CA", file("ca"), "-CAkey", file("ca-key"), "-days", "1"];
    const args = ["x509", "-new", "-force_pubkey", file("public"), "-subj", `/CN=${name}`, ...by];
    return execFileSync("openssl", args, { stdio: "pipe", encoding: "utf8" });
  });
}

/** Returns the thumbprint of a certificate (`x5t#S256`, RFC 8705 §3.1). */
export function thumbprintOf(certificate: X509Certificate | string): string {
  const { raw } = new X509Certificate(certificate.toString());
  return createHash("sha256").update(raw).digest("base64url");
}

function inDirectory<T>(work: (file: (name: string) => string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-tls-"));
  try {
    return work((name) => join(directory, name));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Creates a `fetch` over node:https that trusts one server, and presents a certificate unless `own` is `undefined`. */
export function fetchWith(own: Certificate | undefined, server: Certificate): typeof fetch {
  return async (input, init = {}) => {
    const message = new Request(input, init);
    const { url, method, headers, signal } = message;
    const body = Buffer.from(await message.arrayBuffer());
    return new Promise((resolve, reject) => {
      const tls = { ...own, ca: server.cert, agent: false as const };
      const options = { ...tls, method, headers: Object.fromEntries(headers), signal };
      const clientRequest = request(url, options, async (response) => {
        resolve(
          new Response(await buffer(response), { status: response.statusCode ?? 0, headers: headersOf(response) }),
        );
      });
      clientRequest.once("error", reject).end(body);
    });
  };
}

function headersOf({ headersDistinct }: IncomingMessage): Headers {
  const pairs = Object.entries(headersDistinct).flatMap(([name, values = []]) => values.map((value) => [name, value]));
  return new Headers(pairs as [string, string][]);
}

/** Returns the client certificate of a connection. */
export function peerCertificate(socket: unknown) {
  if (!(socket instanceof TLSSocket)) return undefined;
  const certificate = socket.getPeerX509Certificate();
  return certificate && { certificate, authorized: socket.authorized };
}
