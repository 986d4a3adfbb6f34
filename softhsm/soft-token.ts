/** A token in SoftHSM, and its keys. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AlgorithmName, SignerError } from "../src/index.js";
import { type KeyOptions, prepareKey, type SoftHsmKey } from "./key-options.js";
import { type KeyHalf, type KeyName, searchTemplates } from "./key-templates.js";
import { keyUri } from "./key-uri.js";
import type { Maker } from "./maker.js";
import { misconfigured } from "./misconfigured.js";
import type { PreparedToken } from "./token-options.js";

/** Where a token is made, and by what. */
export interface TokenPlace {
  readonly module: string;
  readonly maker: Maker;
  readonly directory: string;
  readonly configuration: string;
  readonly isolate: boolean;
}

/** The environment variable with which a library finds the token. A type alias, so that it is a `Record<string, string>`. */
export type SoftHsmEnvironment = {
  /** Path of SoftHSM's configuration file. */
  readonly SOFTHSM2_CONF: string;
};

/**
 * Options of `openSigner`, `createKey`, `listKeys` and `Pkcs11Signer` with which the library finds the token. A type alias,
 * because an interface isn't assignable to the options of all providers.
 */
export type SoftHsmAccess = {
  /** Where the library finds the token. */
  readonly environment: SoftHsmEnvironment;
  /** Whether the library must run in a separate process. */
  readonly isolate: boolean;
};

/** Options of `Pkcs11Signer` for a key on the token. */
export interface SoftHsmSignerOptions extends SoftHsmAccess {
  /** Path of the library. */
  readonly module: string;
  /** The token. */
  readonly token: {
    /** Its label. */
    readonly label: string;
    /** Its serial number. */
    readonly serial: string;
  };
  /** The key. */
  readonly key: KeyName;
  /** The user PIN. */
  readonly pin: {
    /** Path of a file with the PIN. */
    readonly file: string;
  };
  /** The algorithm, which an RSA key needs. */
  readonly algorithm: AlgorithmName | undefined;
}

/** A token that has been made. */
export interface MadeToken extends PreparedToken {
  readonly serial: string;
}

/** A token. `util.inspect` doesn't show its PINs. */
export class SoftToken {
  /** Path of the library. */
  readonly module: string;
  /** The token's label. */
  readonly token: string;
  /** The token's serial number, as the library reports it. */
  readonly serial: string;
  /** The environment variable with which another process finds the token. */
  readonly env: SoftHsmEnvironment;
  /**
   * Whether the library must run in a separate process (the option `isolate` of signers): this process uses SoftHSM with
   * another configuration, or is a worker thread or a test of Jest, whose environment variables no library sees.
   */
  readonly isolate: boolean;
  readonly #place: TokenPlace;
  readonly #pins: { readonly pin: string; readonly soPin: string };
  readonly #pinFile: string;
  readonly #keys: SoftHsmKey[];

  /** @internal Use `softHsm` or `addToken`. */
  constructor(place: TokenPlace, { label, pin, soPin, keys, serial }: MadeToken) {
    this.module = place.module;
    this.token = label;
    this.serial = serial;
    this.env = { SOFTHSM2_CONF: place.configuration };
    this.isolate = place.isolate;
    this.#place = place;
    this.#pins = { pin, soPin };
    this.#pinFile = join(place.directory, `pin-${serial}`);
    this.#keys = keys.map(({ key }) => key);
    writeFileSync(this.#pinFile, pin, { mode: 0o600 });
  }

  /** The user PIN. */
  get pin(): string {
    return this.#pins.pin;
  }

  /** The PIN of the security officer. */
  get soPin(): string {
    return this.#pins.soPin;
  }

  /** The keys that the token was made with, and those of {@link addKey}. */
  get keys(): readonly SoftHsmKey[] {
    return this.#keys;
  }

  /**
   * The first key.
   *
   * @throws {SignerError} With code `key-not-found` if the token was made without a key.
   */
  get key(): SoftHsmKey {
    const [key] = this.#keys;
    if (key) return key;
    throw new SignerError("key-not-found", `The token "${this.token}" was made without a key.`);
  }

  /** Pass it to `openSigner`, `createKey` and `listKeys` with a URI of this token. */
  get access(): SoftHsmAccess {
    return { environment: this.env, isolate: this.isolate };
  }

  /**
   * Returns the URI of a key, with the token's serial number, the path of the library, and a file with the PIN.
   *
   * @param key - A label, or a label and an id, also of a key that doesn't exist yet. Default: the first key.
   * @throws {SignerError} With code `ambiguous-key` if several keys of the token have this label.
   */
  uri(key?: string | KeyName): string {
    const { token: label, serial, module } = this;
    return keyUri({ label, serial, module, pinFile: this.#pinFile }, this.#select(key));
  }

  /**
   * Returns the options of `Pkcs11Signer` for a key.
   *
   * @param key - As for {@link uri}.
   */
  signerOptions(key?: string | KeyName): SoftHsmSignerOptions {
    const { label, id, algorithm } = this.#select(key);
    return {
      ...this.access,
      module: this.module,
      token: { label: this.token, serial: this.serial },
      key: { label, id },
      pin: { file: this.#pinFile },
      algorithm,
    };
  }

  /**
   * Generates or imports one more key pair.
   *
   * @throws {SignerError} With code `misconfigured` if an option is invalid.
   */
  async addKey(options: KeyOptions): Promise<SoftHsmKey> {
    const { key, request } = prepareKey(options, this.#keys);
    await this.#place.maker.run("addKeys", { ...this.#address(), keys: [request] });
    this.#keys.push(key);
    return key;
  }

  /**
   * Deletes a key pair, as when a key is lost. All keys that match are deleted.
   *
   * @param key - A label, or a label, an id, or both.
   * @param options - `only` deletes one half of the pair.
   * @throws {SignerError} With code `key-not-found`.
   */
  async deleteKey(key: string | KeyName, options: { readonly only?: KeyHalf } = {}): Promise<void> {
    const name = nameOf(key);
    const templates = searchTemplates(name, options.only ? [options.only] : ["private", "public"]);
    const count = await this.#place.maker.run("deleteObjects", { ...this.#address(), templates });
    if (count === 0) throw new SignerError("key-not-found", `The token "${this.token}" has no such key.`);
    if (options.only === undefined) this.#forget(name);
  }

  #select(key: string | KeyName = this.key): KeyName & { readonly algorithm?: AlgorithmName | undefined } {
    const name = nameOf(key);
    const found = this.#keys.filter((candidate) => matches(candidate, name));
    if (found.length > 1)
      throw new SignerError("ambiguous-key", `The token "${this.token}" has several such keys. Select one by its id.`);
    return found[0] ?? name;
  }

  #forget(name: KeyName): void {
    this.#keys.splice(0, Number.POSITIVE_INFINITY, ...this.#keys.filter((key) => !matches(key, name)));
  }

  #address() {
    return { configuration: this.#place.configuration, serial: this.serial, pin: this.pin };
  }
}

/** Makes a token, and returns its serial number. */
export function makeToken(place: TokenPlace, { keys, ...token }: PreparedToken): Promise<string> {
  const requests = keys.map(({ request }) => request);
  return place.maker.run("makeToken", { configuration: place.configuration, ...token, keys: requests });
}

/** @throws {SignerError} With code `misconfigured` for a name that would select every key. */
function nameOf(key: string | KeyName): KeyName {
  const { label, id } = typeof key === "string" ? { label: key } : Object(key);
  const isText = (value: unknown) => typeof value === "string" && value !== "" && !/\p{Cs}/u.test(value);
  const isValid = [label, id].every((value) => value === undefined || isText(value)) && (label ?? id) !== undefined;
  if (isValid && /^([0-9a-f]{2})*$/i.test(id ?? "")) return { label, id: id?.toLowerCase() };
  throw misconfigured("Select a key by its label, or by { label, id } with a hexadecimal id.");
}

function matches(key: SoftHsmKey, { label, id }: KeyName): boolean {
  return (label ?? key.label) === key.label && (id ?? key.id) === key.id;
}
