/** The tokens of the process: all signers with the same server and login share one, and the last one closes it. */
import { createHash } from "node:crypto";
import type { SecretSource } from "../../src/keystore/secret-source.js";
import { CallerTokens } from "./caller-tokens.js";
import type { VaultServer } from "./http.js";
import type { Login } from "./login.js";
import { LoginTokens } from "./login-tokens.js";
import type { Tokens } from "./tokens.js";

/** What a session needs: the server, and a login. */
export interface SessionOptions extends VaultServer {
  readonly namespace: string | undefined;
  readonly login: Login;
}

/** A share in the tokens. */
export interface Session {
  readonly tokens: Tokens;
  /** Releases the share. The last one stops renewals, and revokes a token of a login. */
  close(): Promise<void>;
  /** Releases the share, but closes the tokens only after a minute: a secret id may not be valid for another login. */
  release(): void;
}

interface Entry {
  readonly tokens: Tokens;
  users: number;
}

/** Milliseconds. */
const IDLE_TIME = 60_000;
const shared = new Map<string, Entry>();

/** Returns a share in the tokens of this server and login. Sends nothing. */
export function openSession(options: SessionOptions): Session {
  const key = keyOf(options);
  const entry = shared.get(key) ?? { tokens: newTokens(options), users: 0 };
  shared.set(key, entry);
  entry.users += 1;
  let isOpen = true;
  const releaseShare = () => {
    entry.users -= isOpen ? 1 : 0;
    isOpen = false;
  };
  return {
    tokens: entry.tokens,
    close: async () => {
      releaseShare();
      await closeIfUnused(key, entry);
    },
    release: () => {
      releaseShare();
      setTimeout(() => void closeIfUnused(key, entry), IDLE_TIME).unref();
    },
  };
}

async function closeIfUnused(key: string, entry: Entry): Promise<void> {
  if (entry.users > 0 || shared.get(key) !== entry) return;
  shared.delete(key);
  await entry.tokens.close();
}

function newTokens({ namespace, login, ...server }: SessionOptions): Tokens {
  if (login.kind === "token") return new CallerTokens(server, namespace, login.token);
  return new LoginTokens(server, namespace, login);
}

function keyOf({ address, fetch, namespace, login }: SessionOptions): string {
  const members = Object.entries(login).map(([name, value]) => [name, identify(name, value)]);
  return JSON.stringify([address, namespace ?? "", fetch && identityOf(fetch), members.sort()]);
}

const SOURCES = new Set(["token", "roleId", "secretId", "jwt"]);

/** The key must not contain a secret, since a heap dump would show it in one more place. */
function identify(name: string, value: SecretSource | undefined): unknown {
  if (typeof value === "function") return identityOf(value);
  if (typeof value !== "string" || !SOURCES.has(name)) return value ?? "";
  return createHash("sha256").update(value).digest("hex");
}

const identities = new WeakMap<object, number>();
let last = 0;

/** Functions are the same only if they are the same object. */
function identityOf(value: object): number {
  const known = identities.get(value);
  if (known !== undefined) return known;
  last += 1;
  identities.set(value, last);
  return last;
}
