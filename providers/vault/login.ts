/** How a signer gets its token: the caller's token, or a login by AppRole or Kubernetes. */
import type { SecretSource } from "../../src/keystore/secret-source.js";
import { misconfigured } from "../../src/keystore/signer-error.js";

/** A login by AppRole (https://developer.hashicorp.com/vault/docs/auth/approle). */
export interface AppRoleLogin {
  /** The role's id, or where it is stored. */
  readonly roleId: SecretSource;
  /** The secret id, or where it is stored; read for each login. Default: none, for a role with `bind_secret_id=false`. */
  readonly secretId?: SecretSource | undefined;
  /** Where the method is mounted under `auth/`. Default: `approle`. */
  readonly mount?: string | undefined;
  /** The namespace of the method. Default: that of the key. */
  readonly namespace?: string | undefined;
}

/** A login by a service account of Kubernetes (https://developer.hashicorp.com/vault/docs/auth/kubernetes). */
export interface KubernetesLogin {
  /** The name of the role. */
  readonly role: string;
  /**
   * The token of the service account, or where it is stored; read for each login, because Kubernetes renews it. Default:
   * `/var/run/secrets/kubernetes.io/serviceaccount/token`.
   */
  readonly jwt?: SecretSource | undefined;
  /** Where the method is mounted under `auth/`. Default: `kubernetes`. */
  readonly mount?: string | undefined;
  /** The namespace of the method. Default: that of the key. */
  readonly namespace?: string | undefined;
}

/** The options of which at most one is set. */
export interface LoginOptions {
  /**
   * The token, or where it is stored; read for each request. Default: `VAULT_TOKEN` or `BAO_TOKEN`, or else the file
   * `~/.vault-token` of `vault login`.
   */
  token?: SecretSource | undefined;
  /** Log in by AppRole. */
  appRole?: AppRoleLogin | undefined;
  /** Log in by a service account of Kubernetes. */
  kubernetes?: KubernetesLogin | undefined;
}

/** Where the token comes from. */
export type Login =
  | { readonly kind: "token"; readonly token: SecretSource | undefined }
  | ({ readonly kind: "approle" } & AppRoleLogin)
  | ({ readonly kind: "kubernetes" } & KubernetesLogin);

/** A login that Hardproof makes. */
export type OwnLogin = Exclude<Login, { kind: "token" }>;

const SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/** Where the token of the service account is. */
export function jwtSource({ jwt = { file: SERVICE_ACCOUNT_TOKEN } }: KubernetesLogin): SecretSource {
  return jwt;
}

/** The path of the login method, without a slash at either end. */
export function loginPath({ kind, mount = kind }: OwnLogin): string {
  return `auth/${mount}/login`;
}

/**
 * Checks the options.
 *
 * @throws {SignerError} With code `misconfigured` if more than one is set, or one isn't valid.
 */
export function loginOf({ token, appRole, kubernetes }: LoginOptions): Login {
  if ([token, appRole, kubernetes].filter((option) => option !== undefined).length > 1)
    throw misconfigured("vault: Set only one of token, appRole and kubernetes.");
  if (token !== undefined) checkSource(token, "token");
  if (appRole !== undefined) return appRoleLogin(appRole);
  if (kubernetes !== undefined) return kubernetesLogin(kubernetes);
  return { kind: "token", token };
}

/**
 * Checks a mount path or a namespace.
 *
 * @returns The path without a slash at its end.
 * @throws {SignerError} With code `misconfigured` if it could change the meaning of the request's path.
 */
export function checkPath(path: string, name: string): string {
  const trimmed = typeof path === "string" ? path.replace(/\/$/, "") : "";
  if (trimmed.split("/").every((segment) => /^(?!\.\.?$)[\w.-]+$/.test(segment))) return trimmed;
  throw misconfigured(`vault: ${name} must be a path of letters, digits, and the characters . _ - /`);
}

function appRoleLogin(login: AppRoleLogin): Login {
  checkSource(login?.roleId, "appRole.roleId");
  if (login.secretId !== undefined) checkSource(login.secretId, "appRole.secretId");
  return { kind: "approle", ...login, ...checkPaths(login, "appRole") };
}

function kubernetesLogin(login: KubernetesLogin): Login {
  if (typeof login?.role !== "string" || login.role === "") throw misconfigured("vault: kubernetes.role is missing.");
  if (login.jwt !== undefined) checkSource(login.jwt, "kubernetes.jwt");
  return { kind: "kubernetes", ...login, ...checkPaths(login, "kubernetes") };
}

function checkPaths({ mount, namespace }: AppRoleLogin | KubernetesLogin, name: string) {
  return {
    mount: mount === undefined ? undefined : checkPath(mount, `${name}.mount`),
    namespace: namespace === undefined ? undefined : checkPath(namespace, `${name}.namespace`),
  };
}

/** A caller in JavaScript may pass anything. The message doesn't contain it: it may be a secret. */
function checkSource(source: SecretSource, name: string): void {
  if (typeof source === "string" ? source !== "" : typeof source === "function") return;
  const reference: unknown = Object(source);
  const isReference = (key: "env" | "file") => typeof Reflect.get(Object(reference), key) === "string";
  if (isReference("env") || isReference("file")) return;
  throw misconfigured(`vault: ${name} must be a string, a function, { env } or { file }.`);
}
