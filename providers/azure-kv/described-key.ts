/** Checks what Key Vault says about a key: its type, its permitted operations, its state, and its public key. */
import { SignerError } from "../../src/errors.js";
import { ALGORITHMS, type AlgorithmName } from "../../src/jose/algorithms.js";
import { importPublicKey, type PublicJwk, type PublicKeyMembers } from "../../src/jose/public-key.js";
import { jwkTypeOf, jwsAlgorithmsOf, SIGN, SUPPORTED } from "./algorithms.js";
import type { KeyVaultKey, VaultKey } from "./client.js";

/**
 * Checks that a key can sign now.
 *
 * @returns The key.
 * @throws {SignerError} With code `access-denied` if it is disabled, expired or not yet valid, by the service's clock;
 *   `wrong-key` if it doesn't sign.
 */
export function assertUsable(found: VaultKey): VaultKey {
  const problem = findProblem(found.key, found.now);
  if (problem) throw problem;
  return found;
}

/** Returns the error of a key that can't sign now. */
export function findProblem({ properties, keyOperations }: KeyVaultKey, now: number): SignerError | undefined {
  const { enabled, notBefore, expiresOn } = properties;
  const denied = (message: string) => new SignerError("access-denied", message);
  if (enabled === false) return denied("The key version is disabled. Enable it, or use another one.");
  if (notBefore && now < notBefore.getTime())
    return denied(`The key version isn't valid before ${notBefore.toISOString()}. Wait, or use another version.`);
  if (expiresOn && now >= expiresOn.getTime())
    return denied(
      `The key version expired at ${expiresOn.toISOString()}. Use another version, or extend its validity.`,
    );
  if (keyOperations === undefined || keyOperations.includes(SIGN)) return undefined;
  const permitted = keyOperations.join(", ") || "nothing";
  return new SignerError(
    "wrong-key",
    `The key's permitted operations (key_ops) are ${permitted}. Use one with ${SIGN}.`,
  );
}

/**
 * Returns the public key with the algorithm that the key signs with.
 *
 * @param requested - The caller's option, which an RSA key needs.
 * @throws {SignerError} With code `wrong-key` if the key can't sign with the algorithm; `misconfigured` if it can sign
 *   with several and none was chosen.
 */
export function publicKeyOf(key: KeyVaultKey, requested: AlgorithmName | undefined): PublicJwk {
  const allowed = jwsAlgorithmsOf({ keyType: key.keyType, curve: key.key?.crv, keyOperations: key.keyOperations });
  const members = membersOf(key);
  if (!members || allowed.length === 0) throw wrongKey(key, requested);
  return importPublicKey(members, { algorithm: requested, allowed: allowed.map(({ alg }) => alg) }).jwk;
}

function wrongKey({ keyType, key }: KeyVaultKey, requested: AlgorithmName | undefined): SignerError {
  const found = [keyType, key?.crv].filter(Boolean).join(" ");
  const needed = requested
    ? `${requested} needs ${needsOf(requested)}`
    : `Use a key for one of ${SUPPORTED.join(", ")}`;
  return new SignerError("wrong-key", `The key is ${found}, which can't sign a JWS here. ${needed}.`);
}

function needsOf(alg: AlgorithmName): string {
  return ALGORITHMS.find((row) => row.alg === alg)?.needs ?? alg;
}

/** Returns the JWK members of a public key, or `undefined` for a symmetric key. */
function membersOf({ keyType, key }: KeyVaultKey): PublicKeyMembers | undefined {
  const { crv, x, y, n, e } = key ?? {};
  const kty = jwkTypeOf(keyType);
  if (kty === "RSA" && n && e) return { kty, n: base64url(n), e: base64url(e) };
  const row = ALGORITHMS.find((each) => each.kty === "EC" && each.crv === crv);
  if (kty !== "EC" || row?.kty !== "EC" || !x || !y) return undefined;
  return { kty, crv: row.crv, x: base64url(x), y: base64url(y) };
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
