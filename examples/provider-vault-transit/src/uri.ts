/**
 * The URI of a transit key: `vault-transit://HOST[:PORT]/MOUNT/NAME?version=&namespace=&token-source=&tls=`. The token is
 * never in it.
 */
import { SignerError } from "hardproof";

/** Where a key is. */
export interface TransitKeyName {
  /** Of the server: `https://vault.example:8200`. */
  readonly origin: string;
  /** Where the engine is mounted: `transit`, `team/transit`. */
  readonly mount: string;
  /** Of the key; empty in the URI of a whole engine. */
  readonly name: string;
  /** The version that signs; without it, the one that is the latest when the key is opened. */
  readonly version?: number | undefined;
  readonly namespace?: string | undefined;
  /** Where the token is: an environment variable, or a file that an agent keeps fresh. */
  readonly token: TokenSource;
}

export type TokenSource = { readonly env: string } | { readonly file: string };

const SCHEME = "vault-transit";
const DEFAULT_TOKEN: TokenSource = { env: "VAULT_TOKEN" };
const ATTRIBUTES = ["version", "namespace", "token-source", "tls"];
const SEGMENT = /^[\w.-]+$/;
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/;

/** @throws {SignerError} code `misconfigured`, naming what is wrong, and no value: somebody may have put the token there */
export function parseTransitUri(uri: string): TransitKeyName {
  const url = uri.startsWith(`${SCHEME}://`) && URL.canParse(uri) ? new URL(uri) : undefined;
  if (!url?.host) throw refused("It must be of the form vault-transit://HOST/MOUNT/NAME");
  if (url.username || url.password) throw refused("A user name or password may not stand in it");
  if (url.hash) throw refused("A fragment (#) may not stand in it");
  const segments = url.pathname.slice(1).split("/");
  const name = segments.pop() ?? "";
  if (segments.length === 0 || !segments.every((one) => SEGMENT.test(one)) || !(name === "" || SEGMENT.test(name)))
    throw refused("The path must be MOUNT/NAME, of letters, digits, and the characters . _ -");
  const query = attributesOf(url);
  return {
    origin: `${protocol(url, query.get("tls"))}//${url.host}`,
    mount: segments.join("/"),
    name,
    version: version(query.get("version")),
    namespace: namespace(query.get("namespace")),
    token: tokenSource(query.get("token-source")),
  };
}

export function formatTransitUri({ origin, mount, name, version, namespace, token }: TransitKeyName): string {
  const { host, protocol } = new URL(origin);
  const query = new URLSearchParams();
  if (version !== undefined) query.set("version", String(version));
  if (namespace !== undefined) query.set("namespace", namespace);
  const source = "env" in token ? `env:${token.env}` : token.file;
  if (source !== "env:VAULT_TOKEN") query.set("token-source", source);
  if (protocol === "http:") query.set("tls", "off");
  const suffix = query.size > 0 ? `?${query}` : "";
  return `${SCHEME}://${host}/${mount}/${name}${suffix}`;
}

function attributesOf(url: URL): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of url.searchParams) {
    if (!ATTRIBUTES.includes(name)) throw refused(`An attribute is not known; known are ${ATTRIBUTES.join(", ")}`);
    if (found.has(name)) throw refused(`${name} is given twice`);
    if (value === "") throw refused(`${name} is empty`);
    found.set(name, value);
  }
  return found;
}

/** The token is in every request: without TLS it goes to this machine alone. */
function protocol({ hostname }: URL, tls: string | undefined): "http:" | "https:" {
  if (tls === undefined) return "https:";
  if (tls !== "off" || !LOOPBACK.test(hostname)) throw refused("tls can only be `off`, and for this machine alone");
  return "http:";
}

function version(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw refused("version must be a whole number from 1");
  return Number(text);
}

/** It goes into a header. */
function namespace(text: string | undefined): string | undefined {
  if (text === undefined || /^[\w./-]+$/.test(text)) return text;
  throw refused("namespace must be of letters, digits, and the characters . _ - /");
}

function tokenSource(text: string | undefined): TokenSource {
  if (text === undefined) return DEFAULT_TOKEN;
  if (/^env:[A-Za-z_]\w*$/.test(text)) return { env: text.slice("env:".length) };
  if (/^\/[^\0]/.test(text)) return { file: text };
  throw refused("token-source must be env:NAME, or the absolute path of a file");
}

function refused(message: string): SignerError {
  return new SignerError("misconfigured", `${SCHEME}: ${message}.`);
}
