/** The tokens and logins of the Vault emulator: leases, renewals, AppRole with secret ids of limited use, Kubernetes. */
import { randomBytes } from "node:crypto";
import { TransitError } from "./vault-keys.js";

/** The terms of new tokens. */
export interface TokenTerms {
  /** Seconds. 0 for a token that never expires. */
  ttl: number;
  renewable: boolean;
  /** Seconds after which renewals can't extend the token. 0 for no limit. */
  maxTtl: number;
}

interface Token extends TokenTerms {
  readonly issuedAt: number;
  expiresAt: number;
}

/** What a role of AppRole or Kubernetes accepts. */
interface Role {
  readonly name: string;
  /** The role id, or the service account's token. */
  readonly secret: string;
}

/** All tokens of the server. */
export class VaultTokens {
  /** The terms of tokens from logins. */
  terms: TokenTerms = { ttl: 3600, renewable: true, maxTtl: 0 };
  readonly appRole: Role = { name: "agent", secret: "f1af4455-ed35-85a5-463e-42794ca97233" };
  readonly kubernetes: Role = {
    name: "agent",
    secret: `eyJhbGciOiJSUzI1NiJ9.${randomBytes(24).toString("base64url")}.AA`,
  };
  /** Secret ids and how often each can be used. */
  readonly secretIds = new Map<string, number>();
  readonly #tokens = new Map<string, Token>();
  /** A token that never expires. */
  readonly root = this.issue({ ttl: 0, renewable: false, maxTtl: 0 });

  /** Issues a token. */
  issue(terms: TokenTerms): string {
    const value = `hvs.${randomBytes(18).toString("base64url")}`;
    const now = performance.now();
    this.#tokens.set(value, { ...terms, issuedAt: now, expiresAt: expiryOf(now, terms.ttl) });
    return value;
  }

  /** Creates a secret id for the role of AppRole. */
  addSecretId(uses = Number.POSITIVE_INFINITY): string {
    const secretId = randomBytes(18).toString("hex");
    this.secretIds.set(secretId, uses);
    return secretId;
  }

  revoke(value: string): void {
    this.#tokens.delete(value);
  }

  isValid(value: string | undefined): value is string {
    const token = this.#tokens.get(value ?? "");
    return token !== undefined && performance.now() < token.expiresAt;
  }

  /** The tokens that are still valid, without the root token. */
  get valid(): string[] {
    return [...this.#tokens.keys()].filter((value) => value !== this.root && this.isValid(value));
  }

  /** Returns the `data` of `auth/token/lookup-self`. It contains the token itself. */
  lookUp(value: string): object {
    const { renewable, ttl } = this.#token(value);
    return { id: value, renewable, ttl: ttl === 0 ? 0 : this.#left(value), policies: ["default"], type: "service" };
  }

  /** Returns the `auth` of `auth/token/renew-self`. */
  renew(value: string): object {
    const token = this.#token(value);
    if (!token.renewable) throw new TransitError("lease is not renewable");
    const end = token.maxTtl === 0 ? Number.POSITIVE_INFINITY : token.issuedAt + token.maxTtl * 1000;
    token.expiresAt = Math.min(expiryOf(performance.now(), token.ttl), end);
    return this.#auth(value);
  }

  /** Returns the `auth` of a login, as the method `approle` or `kubernetes` checks it. */
  logIn(method: string, body: Readonly<Record<string, unknown>>): object {
    if (method === "approle") this.#useSecretId(body);
    else if (method === "kubernetes") this.#checkServiceAccount(body);
    else throw new TransitError(`no handler for route "auth/${method}/login". route entry not found.`, 404);
    return this.#auth(this.issue(this.terms));
  }

  #useSecretId({ role_id, secret_id }: Readonly<Record<string, unknown>>): void {
    if (!secret_id) throw new TransitError("missing secret_id");
    const uses = this.secretIds.get(String(secret_id));
    if (role_id !== this.appRole.secret || uses === undefined) throw new TransitError("invalid role or secret ID");
    // OpenBao quotes a secret id that another login used up in the meantime.
    if (uses <= 0) throw new TransitError(`invalid secret_id ${JSON.stringify(secret_id)}`);
    this.secretIds.set(String(secret_id), uses - 1);
  }

  #checkServiceAccount({ role, jwt }: Readonly<Record<string, unknown>>): void {
    if (!jwt) throw new TransitError("missing jwt");
    if (role !== this.kubernetes.name) throw new TransitError(`invalid role name ${JSON.stringify(role)}`);
    if (jwt !== this.kubernetes.secret) throw new TransitError("permission denied", 403);
  }

  #auth(value: string): object {
    const { renewable } = this.#token(value);
    const terms = { lease_duration: this.#left(value), renewable, token_type: "service" };
    return { client_token: value, accessor: "2VzX9XXTp3Kc4TEHHH1htFpW", policies: ["default"], ...terms };
  }

  /** Whole seconds, rounded up so that a lease of one second isn't 0, which would mean that it never expires. */
  #left(value: string): number {
    return Math.ceil((this.#token(value).expiresAt - performance.now()) / 1000);
  }

  #token(value: string): Token {
    const token = this.#tokens.get(value);
    if (token && this.isValid(value)) return token;
    throw new TransitError("permission denied", 403);
  }
}

function expiryOf(now: number, ttl: number): number {
  return ttl === 0 ? Number.POSITIVE_INFINITY : now + ttl * 1000;
}
