/** What a login sends. The secrets are read for each login. */
import { createHash } from "node:crypto";
import { SignerError } from "../../src/errors.js";
import { readSecret } from "../../src/keystore/secret-source.js";
import type { VaultResponse } from "./http.js";
import { jwtSource, type OwnLogin } from "./login.js";

/** The body of a login, and its members that no error may repeat. */
export interface Credentials {
  readonly body: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
}

const NOTE = "No login was attempted.";

/**
 * Reads the credentials of a login.
 *
 * @throws {SignerError} With code `pin-required` if one is missing.
 */
export async function readCredentials(login: OwnLogin): Promise<Credentials> {
  if (login.kind === "kubernetes") {
    const jwt = (await readSecret(jwtSource(login), { name: "service account token", note: NOTE })).trim();
    return { body: { role: login.role, jwt }, secrets: [jwt] };
  }
  const roleId = (await readSecret(login.roleId, { name: "AppRole role id", note: NOTE })).trim();
  if (login.secretId === undefined) return { body: { role_id: roleId }, secrets: [] };
  const secretId = (await readSecret(login.secretId, { name: "AppRole secret id", note: NOTE })).trim();
  return { body: { role_id: roleId, secret_id: secretId }, secrets: [secretId] };
}

/** Milliseconds. Vault locks a role out after five wrong secret ids in 15 minutes. */
const PAUSE = 5 * 60_000;

/** When rejected credentials may be sent again, by their digest, for all signers of the process. */
const rejected = new Map<string, number>();

/**
 * Rejects credentials that the server has rejected a short time ago: to send them again could lock the role out.
 *
 * @param place - The server and the path of the login.
 * @throws {SignerError} With code `access-denied`.
 */
export function checkNotRejected(place: string, credentials: Credentials): void {
  const until = rejected.get(digestOf(place, credentials)) ?? 0;
  if (performance.now() > until) return;
  const message = "The server has rejected this secret id. It isn't sent again for 5 minutes, unless it changes.";
  throw new SignerError("access-denied", `${message} Provide another one.`);
}

/** Remembers the credentials if the server rejected them for what they are. */
export function rememberRejection(place: string, credentials: Credentials, { status, errorText }: VaultResponse): void {
  if (status >= 500 || !/invalid (?:role or )?secret[ _]id/i.test(errorText)) return;
  const now = performance.now();
  for (const [digest, until] of rejected) if (until < now) rejected.delete(digest);
  rejected.set(digestOf(place, credentials), now + PAUSE);
}

function digestOf(place: string, { body }: Credentials): string {
  return createHash("sha256")
    .update(JSON.stringify([place, body]))
    .digest("hex");
}
