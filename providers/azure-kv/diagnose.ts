/** The checks of `hardproof doctor` for a key in Key Vault: the vault, the clock, the credential, the key, the permissions. */
import { createHash, randomBytes } from "node:crypto";
import { SignerError } from "../../src/errors.js";
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { clockFinding } from "../../src/keystore/clock-finding.js";
import type { Finding } from "../../src/keystore/finding.js";
import { callStore } from "../../src/keystore/store-call.js";
import { jwsAlgorithmsOf, SUPPORTED } from "./algorithms.js";
import { AzureKvClient, type AzureKvClientOptions, type VaultKey } from "./client.js";
import { findProblem } from "./described-key.js";
import { describeIdentity } from "./identity.js";
import { isManagedHsm, type KeyId } from "./key-id.js";
import { formatAzureKvUri } from "./uri.js";

/** What was seen while the key was read. */
interface Observed {
  /** The check of the clock by the vault's last response, made when it arrived. Missing if there wasn't any. */
  clock?: Finding;
  token?: string;
}

/** The key to diagnose, and how to reach it. */
export interface KeyToDiagnose {
  readonly id: KeyId;
  readonly algorithm: AlgorithmName | undefined;
  readonly options: AzureKvClientOptions;
  readonly signal: AbortSignal | undefined;
}

/**
 * Yields one finding per check. Reads the key and signs a random digest, but doesn't change anything.
 *
 * @throws {SignerError} With code `misconfigured` if a package isn't installed.
 */
export async function* diagnoseKey({ id, algorithm, options, signal }: KeyToDiagnose): AsyncGenerator<Finding> {
  const observed: Observed = {};
  const client = await AzureKvClient.connect({
    ...options,
    onResponse: ({ headers }) => {
      observed.clock = clockFinding(headers.get("date") ?? null, new URL(id.vaultUrl).host);
    },
    onToken: ({ token }) => {
      observed.token = token;
    },
  });
  const call = <T>(operation: string, work: (signal: AbortSignal) => Promise<T>) =>
    attempt(() =>
      callStore({ uri: formatAzureKvUri(id), operation, timeout: options.timeout, signal }, (deadline) =>
        work(deadline.signal),
      ),
    );
  const found = await call("reading the key", (signal) => client.getKey(id.name, id.version, signal));
  yield* vaultFindings(id.vaultUrl, observed, found);
  if (observed.token === undefined) return;
  if (found instanceof SignerError && found.code !== "access-denied")
    return yield findingOf("key in the vault", found, "");
  yield findingOf("permission to read", found, `got version ${found instanceof SignerError ? "" : found.id.version}`);
  if (found instanceof SignerError) return;
  const alg = signingAlgorithm(found, algorithm);
  yield keyFinding(found, alg);
  if (alg === undefined || findProblem(found.key, found.now)) return;
  const signed = await call("signing", (signal) => client.sign(found.id, alg, randomDigest(alg), signal));
  yield findingOf("permission to sign", signed, `signed a random digest with ${alg}`);
}

function* vaultFindings(vaultUrl: string, { clock, token }: Observed, found: unknown): Generator<Finding> {
  const { host } = new URL(vaultUrl);
  const error = found instanceof SignerError ? found : undefined;
  if (clock === undefined && error)
    return yield { check: "vault", ok: false, found: error.code, remedy: error.message };
  yield {
    check: "vault",
    ok: true,
    found: `${host} responds as a ${isManagedHsm(vaultUrl) ? "managed HSM" : "vault"}`,
  };
  if (clock) yield clock;
  if (token !== undefined) yield { check: "credential", ok: true, found: describeIdentity(token) };
  else if (error) yield { check: "credential", ok: false, found: error.code, remedy: error.message };
}

function keyFinding({ key, now }: VaultKey, alg: string | undefined): Finding {
  const check = "key in the vault";
  const problem = findProblem(key, now);
  const type = [key.keyType, key.key?.crv].filter(Boolean).join(" ");
  if (problem) return { check, ok: false, found: `${type}, ${problem.code}`, remedy: problem.message };
  if (alg !== undefined) return { check, ok: true, found: `${type}, enabled, signs with ${alg}` };
  const remedy = `Use a key for one of ${SUPPORTED.join(", ")}, and the algorithm that fits it.`;
  return { check, ok: false, found: `${type} can't sign with the algorithm`, remedy };
}

/** An RSA key without an algorithm is tried with its first one. */
function signingAlgorithm({ key }: VaultKey, requested: AlgorithmName | undefined) {
  const described = { keyType: key.keyType, curve: key.key?.crv, keyOperations: key.keyOperations };
  const names = jwsAlgorithmsOf(described).map(({ alg }) => alg);
  const alg = requested ?? names[0];
  return names.some((name) => name === alg) ? SUPPORTED.find((name) => name === alg) : undefined;
}

/** Any digest can be signed. Nobody knows a message for a random one. */
function randomDigest(alg: string): Uint8Array {
  return createHash(`sha${alg.slice(2)}`)
    .update(randomBytes(64))
    .digest();
}

function findingOf(check: string, result: unknown, found: string): Finding {
  if (!(result instanceof SignerError)) return { check, ok: true, found };
  return { check, ok: false, found: result.code, remedy: result.message };
}

async function attempt<T>(work: () => Promise<T>): Promise<T | SignerError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SignerError) return error;
    throw error;
  }
}
