/** The key under which a source stores its token. */
import { hash } from "node:crypto";
import { joinWords } from "../oauth/space-delimited.js";
import type { TokenRenewalOptions } from "./token-renewal.js";

/**
 * Identifies the same token request after a restart, and no other: a different code or subject token may belong to a
 * different user. Fields that may be secret are hashed. A password isn't included at all, since a hash of it could be
 * guessed.
 */
export function storeKey(options: TokenRenewalOptions): string {
  const { client, grantType, clientId, scope, subject, extra = {} } = options;
  const { resource, audience, password, ...others } = extra;
  const fields = Object.entries(others).filter(([, value]) => value != null);
  const extraHash = fields.length === 0 ? undefined : hash("sha256", JSON.stringify(fields.sort()), "base64url");
  const grant = { grant_type: grantType, scope: joinWords(scope), subject, resource, audience, extra_hash: extraHash };
  const key = new URLSearchParams({ ...boundTo(options), client_id: clientId });
  for (const [name, values] of Object.entries({ issuer: client.issuer, ...grant }))
    for (const value of [values ?? []].flat()) key.append(name, String(value));
  return key.toString();
}

/** The thumbprints of the key and the certificate: a token for another one must not be found. */
function boundTo({ client, prover, binding }: TokenRenewalOptions): Record<string, string> {
  const x5t = binding === "certificate" ? client.certificateThumbprint : undefined;
  return { ...(prover && { jkt: prover.jkt }), ...(x5t && { x5t }) };
}
