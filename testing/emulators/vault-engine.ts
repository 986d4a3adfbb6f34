/** The server of the Vault emulator behind its HTTP API: the keys of its transit engine, its tokens, and what they may do. */
import { signatureOf, type VaultFault } from "./vault-faults.js";
import { describeKey, generateVersion, isKeyType, type KeyType, TransitError, type TransitKey } from "./vault-keys.js";
import { type Routed, tokenOf, type VaultCall } from "./vault-requests.js";
import { VaultTokens } from "./vault-tokens.js";

/** The state of a server. Its methods throw `TransitError`s. */
export class VaultEngine {
  readonly keys = new Map<string, TransitKey>();
  readonly tokens = new VaultTokens();
  readonly deniedPaths = new Set<string>();
  readonly namespaces = new Set<string>();

  addKey(name: string, type: KeyType = "ecdsa-p256", settings: Record<string, unknown> = {}): TransitKey {
    const key = { type, settings, versions: [generateVersion(type, settings)] };
    this.keys.set(name, key);
    return key;
  }

  rotate(name: string): void {
    const key = this.keys.get(name);
    key?.versions.push(generateVersion(key.type, key.settings));
  }

  /** Checks the namespace and the token of a request. */
  authorize({ operation, path }: Routed, { headers }: VaultCall): void {
    const namespace = headers["x-vault-namespace"];
    if (namespace !== undefined && !this.namespaces.has(String(namespace)))
      throw new TransitError("namespace not found", 404);
    if (operation === "login" || operation === "health") return;
    const token = tokenOf(headers);
    if (!this.tokens.isValid(token)) throw new TransitError("permission denied", 403);
    if (operation === "unknown") throw new TransitError(`no handler for route "${path}". route entry not found.`, 404);
    if (token !== this.tokens.root && this.deniedPaths.has(path))
      throw new TransitError("1 error occurred:\n\t* permission denied\n\n", 403);
  }

  /** Returns the body of the response. `undefined` if it has none. */
  operate(routed: Routed, { headers }: VaultCall, fault: VaultFault | undefined): object | undefined {
    const { operation, name, body } = routed;
    const token = tokenOf(headers) ?? "";
    const key = this.keys.get(name);
    switch (operation) {
      case "list":
        if (this.keys.size === 0) throw new TransitError("", 404);
        return { data: { keys: [...this.keys.keys()] } };
      case "create":
        return this.#create(name, body);
      case "configure":
        if (key === undefined) throw new TransitError(`no existing key named ${name} could be found`);
        Object.assign(key.settings, body);
        return undefined;
      case "delete":
        this.#deleteKey(name);
        return undefined;
      case "sign":
        return { data: signatureOf(key, routed, fault) };
      case "login":
        return { auth: this.tokens.logIn(name, body) };
      case "lookup":
        return { data: this.tokens.lookUp(token) };
      case "renew":
        return { auth: this.tokens.renew(token) };
      case "revoke":
        this.tokens.revoke(token);
        return undefined;
      case "capabilities":
        return this.#capabilitiesOf(body.paths, token);
      case "health":
        return { initialized: true, sealed: false, standby: false, version: "2.7.2" };
      default:
        if (key === undefined) throw new TransitError("", 404);
        return { data: describeKey(fault === "other-name" ? `${name}-2` : name, key) };
    }
  }

  #create(name: string, { type = "aes256-gcm96", ...settings }: Routed["body"]): object {
    const exists = this.keys.get(name);
    if (!isKeyType(type) || type === "managed_key") throw new TransitError(`unknown key type ${type}`);
    const key = exists ?? this.addKey(name, type, settings);
    return { data: describeKey(name, key), warnings: exists ? [`key ${name} already existed`] : null };
  }

  #deleteKey(name: string): void {
    const refused = `error deleting policy ${name}: `;
    const key = this.keys.get(name);
    if (key === undefined) throw new TransitError(`${refused}could not delete key; not found`);
    if (key.settings.deletion_allowed !== true)
      throw new TransitError(`${refused}deletion is not allowed for this key`);
    this.keys.delete(name);
  }

  #capabilitiesOf(paths: unknown, token: string): object {
    const capabilities = Array.isArray(paths)
      ? paths.map((path) => [
          path,
          [token === this.tokens.root ? "root" : this.deniedPaths.has(path) ? "deny" : "update"],
        ])
      : [];
    return { data: Object.fromEntries(capabilities) };
  }
}
