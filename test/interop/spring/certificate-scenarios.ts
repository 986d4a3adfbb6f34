/** Clients that authenticate by a certificate (RFC 8705), at a server of their own, which speaks TLS. */
import { createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { OAuthClient } from "hardproof";
import { loopbackServer } from "../../servers/loopback-server.js";
import {
  type Certificate,
  fetchWith,
  issueCertificate,
  newCertificate,
  thumbprintOf,
} from "../../servers/mutual-tls.js";
import { check } from "../scenario.js";
import { seenToken } from "../seen.js";
import { springServer } from "./server.js";
import type { Setting } from "./setting.js";

/** Runs the scenarios. The key of the proofs is on the token, and those of the certificates are in memory. */
export async function certificateScenarios({ scenario, prover }: Setting): Promise<void> {
  const [authority, own] = [newCertificate("authority"), newCertificate("spring")];
  const selfSigned = newCertificate("self-signed-agent");
  await using keys = await certificateServer(selfSigned);
  await using server = await springServer(keys.url, { own, trusted: authority.cert + selfSigned.cert });

  for (const [clientAuth, clientId, certificate] of [
    ["tls_client_auth", "tls-agent", issued(authority, "tls-agent")],
    ["self_signed_tls_client_auth", "self-signed-agent", selfSigned],
  ] as const)
    await scenario("mutual TLS", `${clientAuth}, and a token that is bound to certificate and key`, async () => {
      const fetch = fetchWith(certificate, own);
      const options = { clientAuth, certificate: certificate.cert, fetch, requireBinding: true };
      const client = await OAuthClient.discover(server.origin, options);
      const token = await client.clientCredentials({ clientId, dpopProver: prover, binding: "certificate" });
      check(token.cnfX5t === thumbprintOf(certificate.cert), `x5t#S256 ${token.cnfX5t}`);
      return `${seenToken(token, prover)}, x5t#S256`;
    });
}

/** The certificate with its issuer's: Spring takes one that comes alone for a self-signed one. */
function issued(authority: Certificate, name: string): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const cert = issueCertificate(authority, publicKey.export({ type: "spki", format: "pem" }).toString(), name);
  return { cert: cert + authority.cert, key: privateKey.export({ type: "pkcs8", format: "pem" }).toString() };
}

/** Serves the certificate as a JWK Set with `x5c`, by which Spring knows a self-signed one (RFC 8705 §2.2.2). */
async function certificateServer({ cert }: Certificate): Promise<{ url: string } & AsyncDisposable> {
  const { raw } = new X509Certificate(cert);
  const jwk = { ...createPublicKey(cert).export({ format: "jwk" }), use: "sig", x5c: [raw.toString("base64")] };
  const { origin, http, close } = await loopbackServer();
  http.on("request", (_req, res) =>
    res.setHeader("content-type", "application/json").end(JSON.stringify({ keys: [jwk] })),
  );
  return { url: `${origin}/jwks`, [Symbol.asyncDispose]: close };
}
