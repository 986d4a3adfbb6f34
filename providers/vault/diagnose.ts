/** The checks of `hardproof doctor` for a key in a transit engine: server, clock, token, policies, and the key. */
import { SignerError } from "../../src/errors.js";
import { isJsonObject } from "../../src/jose/json-object.js";
import type { Finding } from "../../src/keystore/finding.js";
import type { SignOptions } from "../../src/keystore/signer.js";
import { callStore, checkTimeout } from "../../src/keystore/store-call.js";
import { algorithmsToOpen, transitAlgorithm } from "./algorithms.js";
import { VaultClient } from "./client.js";
import { exchange, type VaultResponse } from "./http.js";
import type { VaultKey } from "./open-key.js";
import { parameterSetOf, versionKeyOf } from "./public-key.js";
import { readKey, signPath, type TransitKey } from "./transit.js";
import { formatVaultUri } from "./uri.js";

type Call = <T>(operation: string, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;

/**
 * Yields one finding per check. Doesn't log in by AppRole, since a secret id may be valid only once.
 *
 * @throws {SignerError} If a check fails and the next ones can't run.
 */
export async function* diagnoseVault(
  key: VaultKey,
  { timeout, signal }: SignOptions & { timeout?: number | undefined },
): AsyncGenerator<Finding> {
  const uri = formatVaultUri(key);
  const call: Call = (operation, work) =>
    callStore({ uri, operation, timeout: checkTimeout(uri, timeout), signal }, (deadline) => work(deadline.signal));
  const health = await call("reading the health", (limit) => readHealth(key, limit));
  const server = healthFinding(health);
  yield server;
  yield clockFinding(health.date);
  if (server.ok === false) return;
  if (key.login.kind === "approle")
    return yield { check: "token", ok: null, found: "not checked: a login by AppRole may use the secret id up" };
  const client = new VaultClient(key);
  try {
    await call("logging in", (limit) => client.logIn(limit));
    yield await call("looking up the token", (limit) => tokenFinding(client, limit));
    if (key.name === "") return;
    const transitKey = await call("reading the key", (limit) => readKey(client, key.name, limit));
    yield keyFinding(transitKey, key);
    yield await call("reading the policies", (limit) => policyFinding(client, key, transitKey, limit));
  } finally {
    client.release();
  }
}

/** Without a token and a namespace, which this path doesn't need. */
function readHealth({ address, fetch }: VaultKey, signal: AbortSignal): Promise<VaultResponse> {
  return exchange({ address, fetch }, { method: "GET", path: "sys/health" }, signal);
}

const HEALTH: Readonly<Record<number, readonly [ok: boolean, state: string, remedy?: string]>> = {
  200: [true, "active"],
  429: [true, "standby, which forwards requests"],
  472: [false, "disaster recovery secondary", "Use the address of the primary."],
  473: [true, "performance standby"],
  501: [false, "not initialized", "Initialize the server: run `vault operator init`."],
  503: [false, "sealed", "Unseal the server: run `vault operator unseal`."],
};

function healthFinding({ status, json, errorText }: VaultResponse): Finding {
  const [ok, state, remedy] = HEALTH[status] ?? [
    false,
    `HTTP ${status} ${errorText}`,
    "Check the address and the server.",
  ];
  const version = typeof json.version === "string" ? `, version ${json.version.slice(0, 40)}` : "";
  return { check: "server", ok, found: `${state}${version}`, ...(remedy && { remedy }) };
}

/** Seconds. Servers accept a proof only within seconds of its time. */
const MAX_SKEW = 30;

function clockFinding(date: string | null): Finding {
  const check = "Vault's clock";
  const skew = Math.round((Date.now() - Date.parse(date ?? "")) / 1000);
  if (Number.isNaN(skew)) return { check, ok: null, found: "not compared: the response doesn't have a Date header" };
  const found = `${Math.abs(skew)} s ${skew > 0 ? "behind" : "ahead of"} this machine`;
  if (Math.abs(skew) <= MAX_SKEW) return { check, ok: true, found };
  return { check, ok: null, found, remedy: "Synchronise both clocks (NTP): servers reject proofs with a wrong time." };
}

/** The response contains the token, which no finding repeats. */
async function tokenFinding(client: VaultClient, signal: AbortSignal): Promise<Finding> {
  const request = { method: "GET", path: "/auth/token/lookup-self", capability: "read" } as const;
  const response = await client.request(request, signal).catch(ifDenied);
  if (!response) return { check: "token", ok: null, found: "not checked: it is invalid, or may not look itself up" };
  const { json } = response;
  const { ttl, renewable } = isJsonObject(json.data) ? json.data : {};
  if (!ttl) return { check: "token", ok: true, found: "valid, without an end" };
  const found = `valid for ${Number(ttl)} s, ${renewable === true ? "renewable" : "not renewable"}`;
  if (renewable === true) return { check: "token", ok: true, found };
  const remedy = "Signing ends with the token. Use a renewable or periodic one, or log in by AppRole or Kubernetes.";
  return { check: "token", ok: null, found, remedy };
}

function keyFinding(key: TransitKey, { version = key.latestVersion }: VaultKey): Finding {
  versionKeyOf(key, version);
  const found = `${key.type}, version ${version} of ${key.latestVersion}`;
  if (key.data.exportable !== true && key.data.allow_plaintext_backup !== true)
    return { check: "transit key", ok: true, found };
  const remedy = "The key can be copied. Create one with exportable=false and allow_plaintext_backup=false.";
  return { check: "transit key", ok: null, found: `${found}, exportable`, remedy };
}

const ALLOWING = ["update", "root"];

/** A token with the policy `default` may ask what else it may do. */
async function policyFinding(
  client: VaultClient,
  { mount, name, algorithm }: VaultKey,
  key: TransitKey,
  signal: AbortSignal,
): Promise<Finding> {
  const check = "policy";
  const [first] = algorithmsToOpen(key.type, parameterSetOf(key));
  const path = `${mount}/${signPath(name, transitAlgorithm(algorithm ?? first ?? "ES256"))}`;
  const capabilities = await capabilitiesOn(client, path, signal);
  if (capabilities === undefined) return { check, ok: null, found: "not checked: sys/capabilities-self is denied" };
  const found = `${capabilities.join(", ")} on ${path}`;
  if (capabilities.some((capability) => ALLOWING.includes(capability))) return { check, ok: true, found };
  return { check, ok: false, found, remedy: `Allow \`update\` on ${path} in a policy of the token.` };
}

async function capabilitiesOn(client: VaultClient, path: string, signal: AbortSignal): Promise<string[] | undefined> {
  const body = { paths: [path] };
  const request = { method: "POST", path: "/sys/capabilities-self", body, capability: "update" } as const;
  const json = (await client.request(request, signal).catch(ifDenied))?.json ?? {};
  const { [path]: capabilities } = isJsonObject(json.data) ? json.data : json;
  return Array.isArray(capabilities) ? capabilities.map(String) : undefined;
}

function ifDenied(error: unknown): undefined {
  if (!(error instanceof SignerError) || error.code !== "access-denied") throw error;
}
