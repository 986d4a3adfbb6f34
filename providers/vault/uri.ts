/**
 * URIs of transit keys: `vault://HOST[:PORT]/MOUNT/NAME?version=&algorithm=&namespace=&…`. Without a host, the server is that
 * of `VAULT_ADDR`. They contain where a secret is stored, but never a secret.
 */
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import type { SecretSource } from "../../src/keystore/secret-source.js";
import {
  type Attributes,
  formatAttributes,
  formatSecretSource,
  isLoopback,
  readAttributes,
  splitUri,
  type UriFailure,
} from "../../src/keystore/uri.js";
import type { Login, LoginOptions } from "./login.js";
import { KEY_NAME } from "./transit.js";

/** The scheme of the URIs. */
export const SCHEME = "vault";

/** The parts of a URI. What it doesn't have isn't a member. */
export interface VaultUri extends LoginOptions {
  /** The name of the key, or an empty string for a whole engine. */
  name: string;
  mount: string;
  address?: string;
  version?: number;
  algorithm?: AlgorithmName;
  namespace?: string;
}

/** What a URI contains. */
export interface UriParts {
  readonly name: string;
  readonly mount: string;
  readonly address: string;
  readonly version?: number | undefined;
  readonly algorithm?: AlgorithmName | undefined;
  readonly namespace?: string | undefined;
  readonly login: Login;
}

const LOGIN_NAMES = ["role-id", "role-id-source", "secret-id-source", "role", "jwt-source"];
const NAMES = [
  "version",
  "algorithm",
  "namespace",
  "tls",
  "token-source",
  ...LOGIN_NAMES,
  "login-mount",
  "login-namespace",
];

/**
 * Parses the URI of a key or an engine.
 *
 * @throws {SignerError} With code `misconfigured`. The message never contains a value, which may be a misplaced token.
 */
export function parseVaultUri(uri: string): VaultUri {
  const { path, query, fail } = splitUri(uri, SCHEME);
  const [, host, mount = "", name = ""] = /^\/\/([^/]*)(?:\/(.*))?\/([^/]*)$/.exec(path.text) ?? [];
  if (host === undefined) throw fail("The URI must have the form vault://HOST/MOUNT/NAME or vault:///MOUNT/NAME");
  if (!mount.split("/").every((segment) => /^(?!\.\.?$)[\w.-]+$/.test(segment)) || (name && !KEY_NAME.test(name)))
    throw fail("The path must be MOUNT/NAME, of letters, digits, and the characters . _ -");
  const attributes = readAttributes(query, "&", NAMES, fail);
  const { matching } = readerOf(attributes, fail);
  const version = matching("version", /^[1-9]\d{0,8}$/, "a positive integer");
  const algorithm = attributes.algorithm();
  const namespace = matching("namespace", PATH, PATH_FORMAT);
  const address = addressIn(host, matching("tls", /^off$/, "`off`, or be omitted"), fail);
  return {
    name,
    mount,
    ...(address !== undefined && { address }),
    ...(version !== undefined && { version: Number(version) }),
    ...(algorithm && { algorithm }),
    ...(namespace !== undefined && { namespace }),
    ...loginIn(attributes, fail),
  };
}

/** Returns the URI that {@link parseVaultUri} parses, always with the host. It never contains a secret. */
export function formatVaultUri({ name, mount, address, version, algorithm, namespace, login }: UriParts): string {
  const { host, protocol } = new URL(address);
  const tls = protocol === "http:" ? "off" : undefined;
  const query = formatAttributes({ version, algorithm, namespace, tls, ...loginAttributes(login) }, "&", "/:");
  return `${SCHEME}://${host}/${mount}/${name}${query && `?${query}`}`;
}

const PATH = /^(?!\.\.?(?:\/|$))[\w.-]+(?:\/(?!\.\.?(?:\/|$))[\w.-]+)*$/;
const PATH_FORMAT = "a path of letters, digits, and the characters . _ - /";

function readerOf(attributes: Attributes, fail: UriFailure) {
  const matching = (name: string, pattern: RegExp, expected: string): string | undefined => {
    const text = attributes.text(name);
    if (text === undefined || pattern.test(text)) return text;
    throw fail(`${name} must be ${expected}`);
  };
  return { matching };
}

/** Every request contains a token, so a server on another machine needs TLS. */
function addressIn(host: string, tls: string | undefined, fail: UriFailure): string | undefined {
  if (host === "" && tls) throw fail("tls needs a host. Without one, the address is that of VAULT_ADDR");
  if (host === "") return undefined;
  if (host.includes("@")) throw fail("The URI must not contain a user name or password");
  const address = `${tls ? "http" : "https"}://${host}`;
  if (!URL.canParse(address)) throw fail("The host isn't valid");
  const { hostname, origin } = new URL(address);
  if (tls && !isLoopback(hostname)) throw fail("tls can be `off` only for a server on this machine");
  return origin;
}

function loginIn(attributes: Attributes, fail: UriFailure): LoginOptions {
  const has = (name: string) => attributes.bytes(name) !== undefined;
  const { matching } = readerOf(attributes, fail);
  const token = attributes.secretSource("token-source");
  const role = attributes.text("role");
  const roleId = attributes.secretSource("role-id-source") ?? attributes.text("role-id");
  if (
    [token, role, roleId].filter((login) => login !== undefined).length > 1 ||
    (has("role-id") && has("role-id-source"))
  )
    throw fail("Only one of token-source, role-id, role-id-source and role can be set");
  const secretId = attributes.secretSource("secret-id-source");
  const jwt = attributes.secretSource("jwt-source");
  if (secretId && roleId === undefined) throw fail("secret-id-source needs role-id or role-id-source");
  if (jwt && role === undefined) throw fail("jwt-source needs role");
  const mount = matching("login-mount", PATH, PATH_FORMAT);
  const namespace = matching("login-namespace", PATH, PATH_FORMAT);
  const place = { ...(mount && { mount }), ...(namespace && { namespace }) };
  if (roleId !== undefined) return { appRole: { roleId, ...(secretId && { secretId }), ...place } };
  if (role !== undefined) return { kubernetes: { role, ...(jwt && { jwt }), ...place } };
  if (mount || namespace) throw fail("login-mount and login-namespace need role, role-id or role-id-source");
  return token ? { token } : {};
}

/** A role's id isn't a secret. A secret that the caller passed by value or by a function isn't part of the URI. */
function loginAttributes(login: Login): Record<string, string | undefined> {
  if (login.kind === "token") return { "token-source": sourceOf(login.token) };
  const place = { "login-mount": login.mount, "login-namespace": login.namespace };
  if (login.kind === "kubernetes") return { role: login.role, "jwt-source": sourceOf(login.jwt), ...place };
  const { roleId, secretId } = login;
  return {
    "role-id": typeof roleId === "string" ? roleId : undefined,
    "role-id-source": sourceOf(roleId),
    "secret-id-source": sourceOf(secretId),
    ...place,
  };
}

function sourceOf(source: SecretSource | undefined): string | undefined {
  return typeof source === "object" ? formatSecretSource(source) : undefined;
}
