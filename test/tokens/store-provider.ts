/** An OpenSSL provider whose STORE loader has keys in files, and can hang, fail, be slow, and count PINs: see store-provider.c. */
import type { KeyObject } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeTempDirectory, removeTempDirectory } from "../../softhsm/directory.js";
import { ensureInstalled } from "../../softhsm/install.js";
import { compileLibrary } from "../shim/compile.js";
import { STORE_PROVIDER_DEPENDENCIES } from "./dependencies.js";

/** What the loader does when a key is loaded. */
export type StoreEvent = "slow" | "hang" | "fails";

/** A provider for the schemes `aws-kms:` and `stub:`. */
export interface StoreProvider extends Disposable {
  /** The OpenSSL configuration for `node --openssl-config`. */
  readonly configuration: string;
  /** The environment of that process. */
  readonly env: { readonly STORE_PROVIDER_DIR: string };
  /** Stores a key. A public key isn't one that can be opened. */
  addKey(name: string, key: KeyObject, pin?: string): void;
  /** Lets the loader be slow, hang until `end`, or fail once. */
  begin(name: string, event: StoreEvent): void;
  /** Ends what `begin` began. */
  end(name: string, event: StoreEvent): void;
  /** Returns what the loader did: `open NAME`, `pin NAME`, `wrong NAME`. */
  log(): string[];
}

/** @throws {TokenUnavailable} If OpenSSL's headers can't be installed. */
export async function storeProvider(): Promise<StoreProvider> {
  const { headers } = await ensureInstalled(STORE_PROVIDER_DEPENDENCIES);
  const directory = makeTempDirectory("hardproof-store-");
  const path = (name: string) => join(directory, name);
  compileLibrary("store-provider.c", path("provider.so"), headers);
  writeFileSync(path("openssl.cnf"), configurationOf(path("provider.so")));
  return {
    configuration: path("openssl.cnf"),
    env: { STORE_PROVIDER_DIR: directory },
    addKey: (name, key, pin) => {
      const type = key.type === "public" ? "spki" : "pkcs8";
      writeFileSync(path(`${name}.key`), key.export({ type, format: "der" } as { type: "spki"; format: "der" }));
      if (pin !== undefined) writeFileSync(path(`${name}.pin`), pin);
    },
    begin: (name, event) => writeFileSync(path(`${name}.${event}`), ""),
    end: (name, event) => rmSync(path(`${name}.${event}`)),
    log: () => (existsSync(path("log")) ? readFileSync(path("log"), "utf8").trim().split("\n") : []),
    [Symbol.dispose]: () => removeTempDirectory(directory),
  };
}

const configurationOf = (module: string) => `nodejs_conf = init
[init]
providers = provider_list
[provider_list]
default = default_provider
stub = stub_provider
[default_provider]
activate = 1
[stub_provider]
module = ${module}
activate = 1
`;
