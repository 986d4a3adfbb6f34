/** The server under test: the emulator, or the Vault or OpenBao that the environment names. */
import { randomBytes } from "node:crypto";
import type { VaultSignerOptions } from "hardproof/vault";
import { type VaultEmulator, vaultEmulator } from "../../../testing/emulators/vault.js";
import type { KeyType } from "../../../testing/emulators/vault-keys.js";

/** A server, and what the tests need to prepare it. */
export interface VaultTarget {
  /** Set if the server is the emulator, which can fail by order. */
  readonly emulator: VaultEmulator | undefined;
  /** Options of `VaultSigner`. */
  readonly options: VaultSignerOptions & { address: string; token: string };
  /** Whether the server has keys of this type. */
  has(type: KeyType): boolean;
  /**
   * Creates a key.
   *
   * @returns Its name.
   */
  createKey(type?: KeyType, settings?: Readonly<Record<string, unknown>>): Promise<string>;
  rotate(name: string): Promise<void>;
  /** Changes the settings of a key. */
  configure(name: string, settings: Readonly<Record<string, unknown>>): Promise<void>;
  /** Prepares a role of AppRole whose tokens live for `ttl` seconds, and may read and sign with every key. */
  appRole(ttl: number): Promise<{ roleId: string; secretId: string }>;
  /** Deletes the keys. */
  close(): Promise<void>;
}

const {
  HARDPROOF_TEST_VAULT_ADDR: address,
  HARDPROOF_TEST_VAULT_TOKEN: token = "",
  HARDPROOF_TEST_VAULT_MOUNT: mount = "transit",
} = process.env;

/** Uses the server that the environment names, or starts the emulator. */
export async function vaultTarget(): Promise<VaultTarget> {
  return address === undefined ? emulated(await vaultEmulator()) : service(address);
}

const newName = () => `hardproof-test-${randomBytes(6).toString("hex")}`;

function emulated(emulator: VaultEmulator): VaultTarget {
  const { tokens, keys } = emulator;
  return {
    emulator,
    options: { address: emulator.address, token: tokens.root },
    has: () => true,
    createKey: async (type, settings) => {
      const name = newName();
      emulator.addKey(name, type, { ...settings });
      return name;
    },
    rotate: async (name) => emulator.rotate(name),
    configure: async (name, settings) => void Object.assign(keys.get(name)?.settings ?? {}, settings),
    appRole: async (ttl) => {
      tokens.terms = { ttl, renewable: true, maxTtl: 0 };
      return { roleId: tokens.appRole.secret, secretId: tokens.addSecretId() };
    },
    close: () => emulator.close(),
  };
}

/** A test may have deleted the key. */
const DELETED = [400];

function service(address: string): VaultTarget {
  const created: string[] = [];
  const call = async (method: string, path: string, body?: object, allowed: readonly number[] = []) => {
    const headers = { "x-vault-token": token, "x-vault-request": "true" };
    const init = { method, headers, body: body ? JSON.stringify(body) : null };
    const response = await fetch(`${address}/v1/${path}`, init);
    const text = await response.text();
    if (!response.ok && !allowed.includes(response.status)) throw new Error(`${method} ${path}: ${text}`);
    return text === "" ? {} : JSON.parse(text);
  };
  return {
    emulator: undefined,
    options: { address, token, mount },
    has: (type) => type !== "ml-dsa",
    createKey: async (type = "ecdsa-p256", settings = {}) => {
      const name = newName();
      await call("POST", `${mount}/keys/${name}`, { type, ...settings });
      created.push(name);
      return name;
    },
    rotate: (name) => call("POST", `${mount}/keys/${name}/rotate`),
    configure: async (name, { soft_deleted, ...settings }) => {
      if (soft_deleted === true) await call("DELETE", `${mount}/keys/${name}/soft-delete`);
      if (Object.keys(settings).length > 0) await call("POST", `${mount}/keys/${name}/config`, settings);
    },
    appRole: async (ttl) => {
      const policy = `path "${mount}/keys/*" { capabilities = ["read"] } path "${mount}/sign/*" { capabilities = ["update"] }`;
      await call("POST", "sys/policies/acl/hardproof-test", { policy });
      await call("POST", "sys/auth/approle", { type: "approle" }, [400]); // it may be enabled already
      const role = "auth/approle/role/hardproof-test";
      await call("POST", role, { token_policies: "hardproof-test", token_ttl: ttl, token_max_ttl: 3600 });
      const { role_id: roleId } = (await call("GET", `${role}/role-id`)).data;
      const { secret_id: secretId } = (await call("POST", `${role}/secret-id`)).data;
      return { roleId, secretId };
    },
    close: async () => {
      for (const name of created) {
        await call("POST", `${mount}/keys/${name}/config`, { deletion_allowed: true }, DELETED);
        await call("DELETE", `${mount}/keys/${name}`, undefined, DELETED);
      }
    },
  };
}
