/**
 * URIs of transit keys: `vault-transit://HOST[:PORT]/MOUNT/NAME?version=&algorithm=&namespace=&token-source=&tls=`. They never
 * contain the token.
 */
import {
  type AlgorithmName,
  formatAttributes,
  formatSecretSource,
  isLoopback,
  readAttributes,
  type SecretReference,
  splitUri,
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
  /** The JWS algorithm, which an RSA key needs. */
  readonly algorithm?: AlgorithmName | undefined;
  /** The value of `X-Vault-Namespace`. */
  readonly namespace?: string | undefined;
  /** Where the token is: an environment variable, or a file that an agent renews. */
  readonly token: SecretReference;
}

/** The scheme of the URIs. */
export const SCHEME = "vault-transit";

/**
 * Parses the URI of a key or an engine.
 *
 * @throws {SignerError} With code `misconfigured`. The message never contains a value, which may be a misplaced token.
 */
export function parseTransitUri(uri: string): TransitKeyName {
  const { path, query, fail } = splitUri(uri, SCHEME);
  const [, host = "", mount = "", name = ""] = /^\/\/([^/]+)(?:\/(.*))?\/([^/]*)$/.exec(path.text) ?? [];
  if (!URL.canParse(`https://${host}`)) throw fail("The URI must have the form vault-transit://HOST/MOUNT/NAME");
  if (host.includes("@")) throw fail("The URI must not contain a user name or password");
  if (![...mount.split("/"), name || "-"].every((segment) => /^(?!\.\.?$)[\w.-]+$/.test(segment)))
    throw fail("The path must be MOUNT/NAME, of letters, digits, and the characters . _ -");

  const attributes = readAttributes(query, "&", ["version", "algorithm", "namespace", "token-source", "tls"], fail);
  const matching = (name: string, pattern: RegExp, expected: string) => {
    const text = attributes.text(name);
    if (text === undefined || pattern.test(text)) return text;
    throw fail(`${name} must be ${expected}`);
  };
  const version = matching("version", /^[1-9]\d{0,8}$/, "a positive integer");
  const algorithm = attributes.algorithm();
  const tls = matching("tls", /^off$/, "`off`, or be omitted");
  // Every request contains the token, so a server on another machine needs TLS.
  if (tls && !isLoopback(new URL(`https://${host}`).hostname))
    throw fail("tls can be `off` only for a server on this machine");
  return {
    origin: new URL(`${tls ? "http" : "https"}://${host}`).origin,
    mount,
    name,
    version: version === undefined ? undefined : Number(version),
    namespace: matching("namespace", /^[\w./-]+$/, "letters, digits, and the characters . _ - /"),
    token: attributes.secretSource("token-source") ?? { env: "VAULT_TOKEN" },
    // An attribute takes precedence over the option only if the URI has it.
    ...(algorithm && { algorithm }),
  };
}

/** Returns the URI that {@link parseTransitUri} parses. */
export function formatTransitUri(key: TransitKeyName): string {
  const { origin, mount, name, version, algorithm, namespace, token } = key;
  const { host, protocol } = new URL(origin);
  const source = formatSecretSource(token);
  const attributes = {
    version,
    algorithm,
    namespace,
    "token-source": source === "env:VAULT_TOKEN" ? undefined : source,
    tls: protocol === "http:" ? "off" : undefined,
  };
  const query = formatAttributes(attributes, "&", "/:");
  return `${SCHEME}://${host}/${mount}/${name}${query && `?${query}`}`;
}
