/** The checks of `hardproof doctor` for a key in Cloud KMS: endpoint, credentials, clock, permissions, key version. */
import { clockFinding } from "../../src/keystore/clock-finding.js";
import type { Finding } from "../../src/keystore/finding.js";
import { callStore } from "../../src/keystore/store-call.js";
import { GcpKmsClient, type GcpKmsClientOptions } from "./client.js";
import { sendsCredentials } from "./client-config.js";
import { credentialFindings } from "./credentials.js";
import { isUnimplemented } from "./errors.js";
import { checkResourceName, parentOf } from "./resource-name.js";
import { ENABLED, newestVersion, versionProblem } from "./versions.js";

/** The key to check. */
export interface KeyToDiagnose {
  readonly uri: string;
  readonly name: string;
  readonly clientOptions: GcpKmsClientOptions;
  readonly signal?: AbortSignal | undefined;
}

const SIGN = ["cloudkms.cryptoKeyVersions.useToSign", "cloudkms.cryptoKeyVersions.viewPublicKey"];
const GET = "cloudkms.cryptoKeyVersions.get";
const LIST = "cloudkms.cryptoKeyVersions.list";

type Call = <T>(operation: string, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/**
 * Yields one finding per check, outermost first. Nothing is signed.
 *
 * @throws {SignerError} If a check fails and the next ones can't run.
 */
export async function* diagnoseKms({ uri, name, clientOptions, signal }: KeyToDiagnose): AsyncGenerator<Finding> {
  const { timeout } = clientOptions;
  const call: Call = (operation, work) =>
    callStore({ uri, operation, timeout, signal }, (deadline) => work(deadline.signal));
  const client = await call("getting credentials", () => GcpKmsClient.connect(clientOptions));
  try {
    const [, project, , location] = name.split("/");
    yield { check: "endpoint", ok: true, found: `${client.host}; project ${project}, location ${location}` };
    if (sendsCredentials(clientOptions)) {
      const account = await call("getting an access token", () => client.findAccount());
      yield* credentialFindings(clientOptions, account);
    } else yield { check: "credentials", ok: null, found: "not needed for an endpoint without TLS" };
    yield* checkKey(client, name, call);
  } finally {
    await client.close();
  }
}

async function* checkKey(client: GcpKmsClient, name: string, call: Call): AsyncGenerator<Finding> {
  const isVersion = checkResourceName(name, ["key", "key version"]) === "key version";
  const key = isVersion ? parentOf(name) : name;
  const needed = isVersion ? SIGN : [...SIGN, LIST];
  const granted = await call("testing the permissions", (signal) => grantedPermissions(client, key, signal));
  if (granted) yield clockFinding(granted.date, client.host);
  yield permissionFinding(key, needed, granted?.permissions);
  if (granted && !granted.permissions.includes(GET)) {
    const found = `not read: the caller lacks ${GET} (roles/cloudkms.viewer), which signing doesn't need`;
    return yield { check: "key version", ok: null, found };
  }
  yield await call("reading the key version", (signal) => versionFinding(client, name, isVersion, signal));
}

/** Returns `undefined` if the server, such as an emulator, can't tell. */
async function grantedPermissions(client: GcpKmsClient, key: string, signal: AbortSignal) {
  try {
    return await client.testPermissions(key, [...SIGN, GET, LIST], signal);
  } catch (error) {
    if (isUnimplemented(error)) return undefined;
    throw error;
  }
}

function permissionFinding(key: string, needed: readonly string[], granted: readonly string[] | undefined): Finding {
  const check = "permissions";
  if (!granted) return { check, ok: null, found: "not tested: the server doesn't know TestIamPermissions" };
  const missing = needed.filter((permission) => !granted.includes(permission));
  if (missing.length === 0) return { check, ok: true, found: needed.join(", ") };
  const roles = [
    SIGN.some((permission) => missing.includes(permission)) && "roles/cloudkms.signerVerifier",
    missing.includes(LIST) && "roles/cloudkms.viewer",
  ].filter(Boolean);
  const remedy = `Grant ${roles.join(" and ")} on ${key}, or correct the name: Cloud KMS reports no permission for a key that doesn't exist.`;
  return { check, ok: false, found: `missing: ${missing.join(", ")}`, remedy };
}

async function versionFinding(
  client: GcpKmsClient,
  name: string,
  isVersion: boolean,
  signal: AbortSignal,
): Promise<Finding> {
  const check = "key version";
  const version = await client.getVersion(isVersion ? name : await newestVersion(client, name, signal), signal);
  const { name: found = name, state, algorithm, protectionLevel } = version;
  const facts = `${found} is ${state}, ${algorithm}, ${protectionLevel}`;
  const problem = versionProblem(version);
  if (problem) return { check, ok: false, found: facts, remedy: problem.message };
  return { check, ok: state === ENABLED || null, found: facts };
}
