/** atproto's PDS: an authorization server and a resource server, with its directory of DIDs, in a process of its own. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { loopbackServer } from "../../servers/loopback-server.js";
import { installFromNpm } from "../cache.js";
import { freePort, startServer } from "../child-server.js";
import { disposable } from "../disposable.js";
import type { PdsConfiguration } from "./pds-process.js";

/** An account at the PDS. */
export interface Account {
  readonly did: string;
  readonly handle: string;
  readonly password: string;
}

/** A running PDS. */
export interface Pds {
  /** The issuer, and the origin of its resources. */
  readonly origin: string;
  /** The origin of the directory of DIDs. */
  readonly plc: string;
  readonly account: Account;
  /** Publishes a JSON document, and returns its URL at the client's host, which only the PDS can read. */
  publish(path: string, document: object): string;
}

/** The host of the clients' documents. It isn't a host of the DNS (RFC 9476), and the PDS forbids those of RFC 2606. */
export const CLIENT_HOST = "client.hardproof.alt";
const PACKAGES = ["@atproto/dev-env@0.3.215", "@atproto/pds@0.4.217"];
const PROCESS = fileURLToPath(new URL("pds-process.ts", import.meta.url));

/** Installs the PDS, and returns the directory that contains `node_modules`. */
export async function installPds(): Promise<string> {
  const node = await node20();
  const { PATH } = process.env;
  process.env.PATH = [dirname(node), PATH].join(delimiter); // npm builds the addon for the first Node.js on it.
  try {
    return await installFromNpm("atproto", PACKAGES);
  } finally {
    process.env.PATH = PATH;
  }
}

/** Returns the path of Node.js 20: a native addon of the PDS doesn't build for Node.js 24. */
async function node20(): Promise<string> {
  if (process.version.startsWith("v20.")) return process.execPath;
  return join(await installFromNpm("node-20", ["node@20.20.2"]), "node_modules/node/bin/node");
}

/** Returns the version of an installed package. */
export function versionOf(directory: string, name: string): string {
  return JSON.parse(readFileSync(join(directory, "node_modules", name, "package.json"), "utf8")).version;
}

/** Starts a PDS with one account. */
export async function startPds(): Promise<Pds & AsyncDisposable> {
  return disposable(startParts);
}

async function startParts(onStop: (stop: () => unknown) => void): Promise<Pds> {
  const directory = await installPds();
  const documents = await documentServer();
  onStop(documents.close);
  const data = mkdtempSync(join(tmpdir(), "hardproof-pds-")); // It stores repositories in its temporary directory.
  onStop(() => rmSync(data, { recursive: true }));
  const configuration: PdsConfiguration = {
    port: await freePort(),
    plcPort: await freePort(),
    clientHost: CLIENT_HOST,
    documents: documents.origin,
  };
  const server = await startServer({
    program: await node20(),
    args: ["--import", import.meta.resolve("tsx"), PROCESS, directory, JSON.stringify(configuration)],
    env: { TMPDIR: data, LOG_ENABLED: "false" },
    ready: "READY",
  });
  onStop(() => server[Symbol.asyncDispose]());
  const origin = `http://localhost:${configuration.port}`;
  return {
    origin,
    plc: `http://localhost:${configuration.plcPort}`,
    account: await createAccount(origin),
    publish: documents.publish,
  };
}

/** The documents that clients publish: their metadata and keys. */
async function documentServer() {
  const server = await loopbackServer();
  const documents = new Map<string, string>();
  server.http.on("request", ({ url = "" }, response) => {
    const document = documents.get(url);
    response.writeHead(document === undefined ? 404 : 200, { "content-type": "application/json" }).end(document);
  });
  return {
    ...server,
    publish(path: string, document: object) {
      documents.set(path, JSON.stringify(document));
      return `https://${CLIENT_HOST}${path}`;
    },
  };
}

async function createAccount(origin: string): Promise<Account> {
  const user = { handle: "alice.test", password: "correct-horse-battery", email: "alice@example.com" };
  const response = await fetch(`${origin}/xrpc/com.atproto.server.createAccount`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(user),
  });
  const { did } = (await response.json()) as { did?: string };
  if (did === undefined) throw new Error(`The account can't be created: status ${response.status}.`);
  return { ...user, did };
}
