/** Community Solid Server with its resources in memory, and one account with a pod. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { installFromNpm } from "../cache.js";
import { freePort, startServer } from "../child-server.js";
import { disposable } from "../disposable.js";

/** A running server. */
export interface SolidServer {
  /** The issuer, which ends with a slash. */
  readonly issuer: string;
  readonly user: SolidUser;
  /** Sets the server's clock fast by these seconds. */
  setClock(seconds: number): Promise<void>;
}

/** A user with an account and a pod. */
export interface SolidUser {
  readonly email: string;
  readonly password: string;
  readonly webId: string;
  /** The URL of the pod, which ends with a slash. */
  readonly pod: string;
  /** Creates client credentials that act as the user. */
  clientCredentials(name: string): Promise<{ clientId: string; clientSecret: string }>;
}

/** The version that is installed. */
export const VERSION = "7.2.0";
/** Seconds. The lifetime of tokens by client credentials, which is 600 by default. */
export const LIFETIME = 60;
const PRELOADED = [
  import.meta.resolve("tsx"),
  new URL("../listen-on-loopback.ts", import.meta.url).href,
  new URL("../adjustable-clock.ts", import.meta.url).href,
];

/** Installs the server, and returns the path of its package. */
export async function installSolid(): Promise<string> {
  const directory = await installFromNpm("solid", [`@solid/community-server@${VERSION}`]);
  return join(directory, "node_modules/@solid/community-server");
}

/** Starts a server with one account. */
export async function startSolid(): Promise<SolidServer & AsyncDisposable> {
  return disposable(startParts);
}

async function startParts(onStop: (stop: () => unknown) => void): Promise<SolidServer> {
  const directory = await installSolid();
  const data = mkdtempSync(join(tmpdir(), "hardproof-solid-"));
  onStop(() => rmSync(data, { recursive: true }));
  const config = join(data, "config.json");
  const clock = join(data, "clock");
  writeFileSync(config, JSON.stringify(configuration(directory)));
  writeFileSync(clock, "0");
  const port = await freePort();
  const issuer = `http://localhost:${port}/`;
  const program = [join(directory, "bin/server.js"), "--config", config, "--port", String(port), "--baseUrl", issuer];
  const server = await startServer({
    program: process.execPath,
    args: [...PRELOADED.flatMap((module) => ["--import", module]), ...program],
    env: { CLOCK_FILE: clock },
    cwd: data,
    ready: "Listening to server at",
    timeout: 240_000, // It loads 900 components.
  });
  onStop(() => server[Symbol.asyncDispose]());
  await untilReachable(issuer);
  return {
    issuer,
    user: await createUser(issuer),
    async setClock(seconds) {
      writeFileSync(clock, String(seconds));
      await sleep(500);
    },
  };
}

/** The server says that it listens a moment before it does. */
async function untilReachable(url: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (await fetch(url).catch(() => undefined)) return;
    await sleep(100);
  }
}

/** The server's default configuration, with a shorter lifetime. */
function configuration(directory: string): object {
  const file = join(directory, "config/identity/handler/base/provider-factory.json");
  const {
    "@context": context,
    "@graph": [{ "@id": id, "@type": type, config }],
  } = JSON.parse(readFileSync(file, "utf8"));
  const ttl = { ...config.ttl, ClientCredentials: LIFETIME };
  return {
    "@context": context,
    import: ["css:config/default.json"],
    "@graph": [
      {
        "@id": "urn:hardproof:lifetime",
        "@type": "Override",
        overrideInstance: { "@id": id },
        overrideParameters: { "@type": type, config: { ...config, ttl } },
      },
    ],
  };
}

/** Creates an account by the server's JSON API, as its pages do. */
async function createUser(issuer: string): Promise<SolidUser> {
  const login = { email: "alice@example.com", password: "correct-horse" };
  let authorization: string | undefined;
  const call = async (url: string, body?: object) => {
    const headers = new Headers({ accept: "application/json" });
    if (authorization !== undefined) headers.set("authorization", authorization);
    if (body !== undefined) headers.set("content-type", "application/json");
    const request = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const response = await fetch(url, { ...request, headers });
    if (!response.ok) throw new Error(`${url} responded with status ${response.status}: ${await response.text()}`);
    return JSON.parse(await response.text());
  };
  const index = `${issuer}.account/`;
  const account = await call((await call(index)).controls.account.create, {});
  authorization = `CSS-Account-Token ${account.authorization}`;
  const { controls } = await call(index);
  await call(controls.password.create, login);
  const { pod, webId } = await call(controls.account.pod, { name: "alice" });
  return {
    ...login,
    webId,
    pod,
    async clientCredentials(name) {
      const { id, secret } = await call(controls.account.clientCredentials, { name, webId });
      return { clientId: id, clientSecret: secret };
    },
  };
}
