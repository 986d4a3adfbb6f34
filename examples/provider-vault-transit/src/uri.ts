/**
 * URIs of transit keys: `vault-transit://HOST[:PORT]/MOUNT/NAME?version=&namespace=&token-source=&tls=`. They never
 * contain the token.
 */
import {
  isLoopback,
  percentEncode,
  readAttributes,
  type SecretReference,
  splitUri,
  type UriFailure,
} from "hardproof/provider";

/** The location of a key. */
export interface TransitKeyName {
  /** The server, such as `https://vault.example:8200`. */
  readonly origin: string;
  /** The path where the engine is mounted, such as `transit` or `team/transit`. */
  readonly mount: string;
  /** The name of the key, or an empty string for a whole engine. */
  readonly name: string;
  /** The version that signs. Default: the latest one when the key is opened. */
  readonly version?: number | undefined;
  readonly namespace?: string | undefined;
  /** Where the token is: an environment variable, or a file that an agent renews. */
  readonly token: SecretReference;
}

export const SCHEME = "vault-transit";
const DEFAULT_TOKEN: SecretReference = { env: "VAULT_TOKEN" };
const SEGMENT = /^[\w.-]+$/;

/**
 * Reads the URI of a key or an engine.
 *
 * @throws {SignerError} With code `misconfigured`. The message never contains a value, which may be a misplaced token.
 */
export function parseTransitUri(uri: string): TransitKeyName {
  const { path, query, fail } = splitUri(uri, SCHEME);
  const url = /^\/\/[^/]/.test(path.text) && URL.canParse(`https:${path.text}`) && new URL(`https:${path.text}`);
  if (!url) throw fail("The URI must have the form vault-transit://HOST/MOUNT/NAME");
  if (url.username || url.password) throw fail("The URI must not contain a user name or password");
  const attributes = readAttributes(query, "&", ["version", "namespace", "token-source", "tls"], fail);
  const protocol = readProtocol(url.hostname, attributes.text("tls"), fail);
  return {
    origin: new URL(`${protocol}//${url.host}`).origin,
    ...readPath(url.pathname, fail),
    version: readVersion(attributes.text("version"), fail),
    namespace: readNamespace(attributes.text("namespace"), fail),
    token: attributes.secretSource("token-source") ?? DEFAULT_TOKEN,
  };
}

/** Returns the URI that {@link parseTransitUri} reads. */
export function formatTransitUri({ origin, mount, name, version, namespace, token }: TransitKeyName): string {
  const { host, protocol } = new URL(origin);
  const source = "env" in token ? `env:${token.env}` : token.file;
  const attributes = Object.entries({
    version,
    namespace,
    "token-source": source === "env:VAULT_TOKEN" ? undefined : source,
    tls: protocol === "http:" ? "off" : undefined,
  }).flatMap(([key, value]) => (value === undefined ? [] : `${key}=${percentEncode(String(value), "/:")}`));
  return `${SCHEME}://${host}/${mount}/${name}${attributes.length > 0 ? "?" : ""}${attributes.join("&")}`;
}

function readPath(path: string, fail: UriFailure): { mount: string; name: string } {
  const segments = path.slice(1).split("/");
  const name = segments.pop() ?? "";
  if (segments.length > 0 && [...segments, name || "-"].every((segment) => SEGMENT.test(segment)))
    return { mount: segments.join("/"), name };
  throw fail("The path must be MOUNT/NAME, of letters, digits, and the characters . _ -");
}

/** Every request contains the token, so a server on another machine needs TLS. */
function readProtocol(host: string, tls: string | undefined, fail: UriFailure): "http:" | "https:" {
  if (tls === undefined) return "https:";
  if (tls === "off" && isLoopback(host)) return "http:";
  throw fail("tls can only be `off`, and only for a server on this machine");
}

function readVersion(text: string | undefined, fail: UriFailure): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw fail("version must be a positive integer");
}

/** The namespace is sent in a header. */
function readNamespace(text: string | undefined, fail: UriFailure): string | undefined {
  if (text === undefined || /^[\w./-]+$/.test(text)) return text;
  throw fail("namespace must consist of letters, digits, and the characters . _ - /");
}
