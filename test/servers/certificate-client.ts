/** A stub that issues what oidc-provider can't, and clients that present one of two certificates to it. */
import { DPoPProver, OAuthClient, type OAuthClientOptions } from "hardproof";
import { type Certificate, newCertificate, thumbprintOf } from "./mutual-tls.js";
import { stubServer } from "./stub-server.js";

export const [certificate, otherCertificate] = ["agent", "other"].map(newCertificate) as [Certificate, Certificate];
export const x5t = thumbprintOf(certificate.cert);
export const otherX5t = thumbprintOf(otherCertificate.cert);
export const byCertificate = { clientId: "my-agent", binding: "certificate" } as const;

/** Starts the stub. `newClient` creates clients that present `certificate`, unless the options name another one. */
export async function certificateClient() {
  const [server, prover] = await Promise.all([stubServer(), DPoPProver.generate()]);
  const newClient = (options: Partial<OAuthClientOptions> = {}) =>
    new OAuthClient({ baseUrl: server.origin, certificate: certificate.cert, fetch, ...options });
  return { server, prover, newClient };
}
