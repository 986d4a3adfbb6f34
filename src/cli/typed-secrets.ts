/**
 * Secrets of key stores that the user types: the PIN of a token, the passphrase of a file. The store decides whether it needs
 * one, so the command first works without. It asks only at a terminal, and once for each token or file.
 */
import { isHardproofError } from "./exit-codes.js";
import type { Io } from "./io.js";
import { readHiddenLine } from "./terminal/hidden-line.js";

/** The option of `openSigner`, `createKey` and others that has the secret. Empty if the user wasn't asked. */
export type SecretOption = Readonly<Partial<Record<"pin" | "passphrase", () => Promise<string>>>>;

/** The attributes by which a URI says where its secret is. */
const HAS_SOURCE = /[?&](?:pin-source|pin-value|passphrase-source)=/i;
/** By this, the library says that the secret is missing and not that it can't be used. */
const NEEDS_SECRET = /\bthe option (?:pin|passphrase)\b/;

/** Asks for secrets, and remembers them until the command ends. */
export class TypedSecrets {
  readonly #io: Io;
  readonly #canAsk: boolean;
  /** By token or file. */
  readonly #typed = new Map<string, Promise<string>>();
  /** Settles when the last prompt has ended. */
  #lastQuestion: Promise<unknown> = Promise.resolve();

  /** @param isJson - Whether the command prints JSON: a program doesn't type. */
  constructor(io: Io, isJson: boolean) {
    this.#io = io;
    this.#canAsk = !isJson && io.stdin.isTTY === true && io.stderr.isTTY === true;
  }

  /**
   * Runs work with a key. If the store then says that it needs a secret, asks for it, and runs the work once more.
   *
   * @param uri - The key's URI, as the user typed it.
   * @param work - Passes the option on to the library.
   * @throws What the work throws; {@link Interruption} after Ctrl-C.
   */
  async with<T>(uri: string, work: (secret: SecretOption) => Promise<T>): Promise<T> {
    try {
      return await work({});
    } catch (error) {
      const secret = await this.askFor(uri, error);
      if (secret === undefined) throw error;
      return work(secret);
    }
  }

  /** Returns whether the user can be asked, and the URI doesn't say where the secret is. */
  canAskFor(uri: string): boolean {
    return this.#canAsk && !HAS_SOURCE.test(uri);
  }

  /** Returns the secret that the error says is missing, or `undefined` if it says something else, or the user can't be asked. */
  async askFor(uri: string, error: unknown): Promise<SecretOption | undefined> {
    if (!this.canAskFor(uri) || !needsSecret(error)) return undefined;
    await this.#ask(uri);
    return this.option(uri);
  }

  /** Returns an option by which the library gets the secret. If the user wasn't asked before, it asks when the library reads it. */
  option(uri: string): SecretOption {
    return { [isFile(uri) ? "passphrase" : "pin"]: () => this.#ask(uri) };
  }

  #ask(uri: string): Promise<string> {
    const owner = ownerOf(uri);
    return this.#typed.get(owner) ?? this.#askOwner(owner, isFile(uri));
  }

  /** Two questions at the same time would share one line. */
  #askOwner(owner: string, isPassphrase: boolean): Promise<string> {
    const [question, name] = isPassphrase
      ? [`Passphrase of ${owner}.`, "The passphrase"]
      : [`PIN of ${owner}. A wrong PIN spends a try.`, "The PIN"];
    const typed = this.#lastQuestion.then(() => readHiddenLine(question, name, this.#io));
    this.#typed.set(owner, typed);
    this.#lastQuestion = typed.catch(() => undefined);
    return typed;
  }
}

function isFile(uri: string): boolean {
  return uri.startsWith("file:");
}

function needsSecret(error: unknown): boolean {
  return isHardproofError(error) && error.code === "pin-required" && NEEDS_SECRET.test(error.message);
}

/** The scheme, or two of them: `openssl:pkcs11:`. */
const SCHEMES = /^((?:[^:;=]*:)+)(.*)$/s;
/** The attributes of a URI that name one of the token's keys. */
const KEY_ATTRIBUTE = /^(?:object|id|type)=/;

/** Returns what the secret belongs to: a key's URI without the key, in the form in which all keys of a token have the same. */
function ownerOf(uri: string): string {
  const [path = "", query = ""] = uri.split("?");
  const [, scheme = "", rest = ""] = SCHEMES.exec(path) ?? [];
  const attributes = rest.split(";").filter((attribute) => !KEY_ATTRIBUTE.test(attribute));
  const [library] = query.split("&").filter((attribute) => /^module-(?:name|path)=/.test(attribute));
  return scheme + attributes.sort().join(";") + (library === undefined ? "" : `?${library}`);
}
