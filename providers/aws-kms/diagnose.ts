/** The checks of `hardproof doctor` for a key in AWS KMS: region, credentials, clock, permissions and the key's state. */
import { randomBytes } from "node:crypto";
import { SignerError } from "../../src/errors.js";
import { algorithmNamed } from "../../src/jose/find-algorithm.js";
import type { PublicJwk } from "../../src/jose/public-key.js";
import type { Finding } from "../../src/keystore/finding.js";
import { Message } from "../../src/keystore/message.js";
import type { SignOptions } from "../../src/keystore/signer.js";
import { callStore, checkTimeout } from "../../src/keystore/store-call.js";
import { AwsKmsClient, type GetPublicKeyCommandOutput, type KeyMetadata, type SignRequest } from "./client.js";
import { describeCredentials } from "./credential-source.js";
import type { ClientInspection, FoundCredentials } from "./inspection.js";
import { type KeyName, parseKeyName } from "./key-name.js";
import { checkKeyArn, checkPublicKey } from "./open-key.js";
import { signRequests } from "./sign-request.js";
import { type KmsSignerOptions, toClientOptions, toUri } from "./signer.js";

/** Seconds. Resource servers accept the time of a proof only within a few seconds of theirs (RFC 9449 §11.1). */
const MAX_SKEW = 30;
const CLOCK =
  "Synchronise this machine's clock (NTP): AWS rejects a time that is 5 minutes off, and other servers reject proofs.";

type Options = KmsSignerOptions & SignOptions;

/** What the checks use. */
interface Diagnosis {
  readonly name: KeyName;
  readonly options: Options;
  readonly client: AwsKmsClient;
  readonly inspection: ClientInspection;
  /** Runs one request within the time limit. */
  readonly call: <T>(work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
}

/** Yields one finding per check. The first one that isn't ok is the last: the others depend on it. */
export async function* diagnoseKms(keyId: string, options: Options): AsyncGenerator<Finding> {
  const name = parseKeyName(keyId);
  const uri = toUri(keyId, options, name.region);
  const timeout = checkTimeout(uri, options.timeout);
  const client = await AwsKmsClient.connect(toClientOptions(options, name.region));
  const call: Diagnosis["call"] = (work) =>
    callStore({ uri, operation: "checking the key", timeout, signal: options.signal }, ({ signal }) => work(signal));
  try {
    yield* runChecks({ name, options, client, inspection: client.inspect(), call });
  } finally {
    client.close();
  }
}

async function* runChecks(diagnosis: Diagnosis): AsyncGenerator<Finding> {
  const { name, options, client, inspection, call } = diagnosis;
  let check = "region";
  try {
    yield { check, ok: true, found: `${await call(() => inspection.region())}, ${regionSource(diagnosis)}` };
    check = "credentials";
    const credentials = await call(() => inspection.credentials());
    yield credentialFinding(credentials, options);
    check = "GetPublicKey";
    const request = call((signal) => client.getPublicKey(name.keyId, signal));
    await request.catch(() => undefined);
    yield* connectionFindings(inspection);
    const response = await request;
    const keyArn = checkKeyArn(name, response.KeyId);
    const publicKey = checkPublicKey(keyArn, response, options.algorithm);
    yield keyFinding(name, keyArn, response, credentials);
    yield await stateFinding(diagnosis, keyArn);
    check = "Sign";
    await call((signal) => client.dryRunSign(keyArn, exampleRequest(publicKey), signal));
    yield { check, ok: true, found: `allowed with ${publicKey.alg} (dry run)` };
  } catch (error) {
    if (!(error instanceof SignerError)) throw error;
    yield { check, ok: false, found: error.code, remedy: error.message };
  }
}

function regionSource({ name, options }: Diagnosis): string {
  if (options.client) return "from the option client";
  if (options.region ?? options.clientConfig?.region) return "from the URI or an option";
  return name.region === undefined ? "from the environment or the profile" : "from the ARN";
}

function credentialFinding(credentials: FoundCredentials, { clientConfig }: Options): Finding {
  const found = describeCredentials(credentials, clientConfig?.profile ?? process.env.AWS_PROFILE ?? "default");
  const isExpired = credentials.expiration !== undefined && credentials.expiration.getTime() < Date.now();
  if (isExpired) return { check: "credentials", ok: false, found: `expired: ${found}`, remedy: "Get new credentials." };
  return { check: "credentials", ok: true, found };
}

/** What the first request showed, also if it failed. */
function* connectionFindings({ endpoint, clockSkew }: ClientInspection): Generator<Finding> {
  if (endpoint !== undefined) yield { check: "endpoint", ok: true, found: endpoint };
  if (clockSkew === undefined) return;
  const seconds = Math.round(clockSkew / 1000);
  const found = `${Math.abs(seconds)} s ${seconds < 0 ? "behind" : "ahead of"} AWS KMS`;
  const ok = Math.abs(seconds) <= MAX_SKEW;
  yield ok ? { check: "clock", ok, found } : { check: "clock", ok, found, remedy: CLOCK };
}

function keyFinding(
  { keyId }: KeyName,
  keyArn: string,
  { KeySpec, KeyUsage }: GetPublicKeyCommandOutput,
  { accountId }: FoundCredentials,
): Finding {
  const target = keyId === keyArn ? "" : `${keyId} names ${keyArn}, `;
  const account = keyArn.split(":")[4] ?? "";
  const owner = accountId && accountId !== account ? ` (the credentials' is ${accountId})` : "";
  const found = `allowed: ${target}${KeySpec} for ${KeyUsage}, account ${account}${owner}`;
  return { check: "GetPublicKey", ok: true, found };
}

/** Signing doesn't need the permission to describe the key. */
async function stateFinding({ client, call }: Diagnosis, keyArn: string): Promise<Finding> {
  const check = "key state";
  try {
    return { check, ok: true, found: describeState(await call((signal) => client.describeKey(keyArn, signal))) };
  } catch (error) {
    if (!(error instanceof SignerError) || error.code !== "access-denied") throw error;
    return { check, ok: null, found: "not checked: access-denied", remedy: error.message };
  }
}

function describeState({ KeyState, Origin, MultiRegion, ValidTo }: KeyMetadata): string {
  const until = ValidTo ? `, key material until ${ValidTo.toISOString()}` : "";
  return `${KeyState}, origin ${Origin}${MultiRegion ? ", multi-Region" : ""}${until}`;
}

function exampleRequest(publicKey: PublicJwk): SignRequest {
  const message = new Message(randomBytes(64));
  return signRequests(publicKey)(message.inputOf(algorithmNamed(publicKey.alg)));
}
