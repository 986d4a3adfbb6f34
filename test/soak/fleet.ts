/**
 * A fleet of processes that share one rotated refresh token, at a server that revokes the grant if a refresh token is used
 * twice. Some of the processes are killed and started again at random, and so is the store's server.
 */
import { type ChildProcess, fork } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DPoPProver, OAuthClient, type StoredToken, type Token, type TokenStore, tokenSource } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import type { WorkerCall, WorkerOptions } from "../processes/fleet-worker.js";
import { type AuthorizationServer, authorizationServer } from "../servers/authorization-server.js";
import { authorizeInBrowser } from "../servers/browser.js";
import type { StoreDescription } from "../token-stores/open-store.js";
import type { ServerProcess } from "../token-stores/server-process.js";

/** How to run a fleet. */
export interface FleetOptions {
  /** The store of the n-th process. All of them have the same tokens. */
  store(index: number): StoreDescription;
  /** The same store, opened in this process. */
  readonly observer: TokenStore;
  /** The server that is killed and started again in the middle, if there is one. */
  readonly server?: ServerProcess;
  readonly processes: number;
  readonly seconds: number;
  /** The lifetime of an access token, in seconds. */
  readonly tokenLifetime: number;
  /** How many of the processes are killed from time to time. */
  readonly mortals: number;
}

/** What a fleet did. Times are in milliseconds. */
export interface FleetReport {
  readonly calls: number;
  /** Requests that the server received with a refresh token. */
  readonly refreshes: number;
  /** Refresh tokens that the server received more than once. */
  readonly usedTwice: number;
  readonly kills: number;
  /** The longest time without a server of the store. */
  readonly outage: number;
  /** Errors of calls that began while the store's server was away. */
  readonly errorsInOutage: Record<string, number>;
  /** Errors of other calls. */
  readonly errors: Record<string, number>;
  /** The longest call that returned a token. */
  readonly longestCall: number;
  /** The longest time from the start of a process to its first token. */
  readonly longestStart: number;
  /** Of each process, the time from its last token to the end. */
  readonly silences: readonly number[];
  /** Whether the last refresh token works. */
  readonly grantLives: boolean;
}

const program = fileURLToPath(new URL("../processes/fleet-worker.ts", import.meta.url));
const REDIRECT_URI = "http://127.0.0.1/callback";
/** Milliseconds between two kills of the same process: at least, and up to as much again. */
const KILL_INTERVAL = 3_000;

/** Runs a fleet. */
export async function runFleet(options: FleetOptions): Promise<FleetReport> {
  const { tokenLifetime, observer, seconds, processes, mortals } = options;
  await using as = await authorizationServer({
    requireNonce: false,
    offerNonces: false, // a nonce challenge would repeat the request with the same refresh token
    accessTokenLifetime: tokenLifetime,
  });
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const prover = await DPoPProver.create(MemorySigner.fromPem(pem));
  const shared = { issuer: as.issuer, ...as.clients.post, pem };
  const { login, client } = await logIn(as, prover);
  const key = await storeLogin(login, { client, prover, ...as.clients.post }, observer);
  const stored = () => observer.get(key);

  const fleet = Array.from(
    { length: processes },
    (_, index) => new Member({ ...shared, store: options.store(index) }, { as, stored }),
  );
  for (const member of fleet) member.start();
  await Promise.all(fleet.map((member) => member.hasToken()));
  const end = Date.now() + seconds * 1000;
  const killing = fleet.slice(0, mortals).map((member) => member.killUntil(end));
  const outage = options.server && restartAt(end - seconds * 500, options.server, stored);
  const away = await outage;
  const kills = (await Promise.all(killing)).reduce((sum, count) => sum + count, 0);
  await wait(end - Date.now());
  const silences = fleet.map(({ calls }) => Date.now() - lastSuccess(calls));
  for (const member of fleet) await member.kill();
  const report = summary(fleet, as, away);
  const refreshToken = (await stored())?.refreshToken ?? "";
  const refreshed = client.refresh({ dpopProver: prover, ...as.clients.post, refreshToken });
  const grantLives = await refreshed.then(
    () => true,
    () => false,
  );
  return { ...report, kills, silences, grantLives };
}

type Identity = { client: OAuthClient; prover: DPoPProver; clientId: string; clientSecret: string };

async function logIn(as: AuthorizationServer, dpopProver: DPoPProver) {
  const client = await OAuthClient.discover(as.issuer);
  const agent = { dpopProver, ...as.clients.post };
  const pending = await client.authorizationUrl({
    ...agent,
    redirectUri: REDIRECT_URI,
    scope: "openid offline_access read",
    extra: { prompt: "consent" },
  });
  const callback = await authorizeInBrowser(pending.url, REDIRECT_URI);
  return { client, login: await client.authorizationCode(callback, { ...agent, ...pending }) };
}

/** Stores the token of the login as the processes do. Returns the token's key in the store. */
async function storeLogin(token: Token, identity: Identity, store: TokenStore): Promise<string> {
  let key = "";
  const recording: TokenStore = {
    ...store,
    set: (name, stored) => {
      key = name;
      return store.set(name, stored);
    },
  };
  await tokenSource({ ...identity, grantType: "refresh_token", subject: "alice", token, store: recording }).token();
  return key;
}

interface World {
  readonly as: AuthorizationServer;
  /** Returns the token in the store. */
  stored(): Promise<StoredToken | undefined>;
}

/** One process, and its successors. */
class Member {
  readonly calls: WorkerCall[] = [];
  /** From the start of each process to its first token. */
  readonly starts: number[] = [];
  readonly #options: WorkerOptions;
  readonly #world: World;
  #child: ChildProcess | undefined;

  constructor(options: WorkerOptions, world: World) {
    this.#options = options;
    this.#world = world;
  }

  start(): void {
    const began = Date.now();
    const before = this.starts.length;
    this.#child = fork(program, [JSON.stringify(this.#options)], { execArgv: ["--import", "tsx"] });
    this.#child.on("message", (call: WorkerCall) => {
      this.calls.push(call);
      if (call.accessToken && this.starts.length === before) this.starts.push(call.ended - began);
    });
  }

  async hasToken(): Promise<void> {
    while (!this.calls.some(({ accessToken }) => accessToken)) await wait(50);
  }

  /** @returns How often the process was killed. */
  async killUntil(end: number): Promise<number> {
    for (let kills = 0; ; kills++) {
      await wait(KILL_INTERVAL * (1 + Math.random()));
      if (Date.now() > end - 2 * KILL_INTERVAL) return kills;
      await this.kill();
      this.start();
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    await this.#untilSettled();
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }

  /**
   * Waits until the store has the token of the last response. A process that is killed between the two takes the new
   * refresh token with it, which no store can prevent.
   */
  async #untilSettled(): Promise<void> {
    for (;;) {
      const stored = await this.#world.stored().catch(() => undefined);
      const last = refreshesOf(this.#world.as).at(-1);
      if (!last || (stored && last.status !== 0 && stored.refreshToken !== last.refreshToken)) return;
      await wait(10);
    }
  }
}

/** Kills the server, and starts it again after a second. Returns when it was away. */
async function restartAt(time: number, server: ServerProcess, stored: () => Promise<unknown>) {
  await wait(time - Date.now());
  const from = Date.now();
  await server.kill();
  await wait(1000);
  await server.start();
  while (!(await stored().catch(() => undefined))) await wait(20);
  return { from, to: Date.now() };
}

function refreshesOf({ requests }: AuthorizationServer) {
  return requests
    .map(({ body, status }) => ({ refreshToken: new URLSearchParams(body).get("refresh_token"), status }))
    .filter(({ refreshToken }) => refreshToken !== null);
}

function summary(fleet: readonly Member[], as: AuthorizationServer, away = { from: 0, to: 0 }) {
  const calls = fleet.flatMap((member) => member.calls);
  const failed = calls.filter(({ error }) => error !== undefined);
  const inOutage = failed.filter(({ started, ended }) => started <= away.to && ended >= away.from);
  const sent = refreshesOf(as).map(({ refreshToken }) => refreshToken);
  return {
    calls: calls.length,
    refreshes: sent.length,
    usedTwice: sent.length - new Set(sent).size,
    outage: away.to - away.from,
    errorsInOutage: countsOf(inOutage),
    errors: countsOf(failed.filter((call) => !inOutage.includes(call))),
    longestCall: Math.max(...calls.filter(({ error }) => !error).map(({ started, ended }) => ended - started)),
    longestStart: Math.max(...fleet.flatMap(({ starts }) => starts)),
  };
}

/** Returns when the last call that returned a token ended. */
function lastSuccess(calls: readonly WorkerCall[]): number {
  return calls.findLast(({ accessToken }) => accessToken)?.ended ?? 0;
}

function countsOf(calls: readonly WorkerCall[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { error = "" } of calls) counts[error] = (counts[error] ?? 0) + 1;
  return counts;
}
