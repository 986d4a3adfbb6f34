/** The caller's token: from an option, the environment, a file or a function. */
import { homedir } from "node:os";
import { join } from "node:path";
import { SignerError } from "../../src/errors.js";
import { readSecret, type SecretSource } from "../../src/keystore/secret-source.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { addressOf } from "./address.js";
import { fromEnvironment, variableOf } from "./environment.js";
import type { VaultServer } from "./http.js";
import { Lease } from "./lease.js";
import { lookUp, renew, type TokenHolder, type Tokens } from "./tokens.js";

/**
 * Reads the token for each request, because an agent may replace it. A token of an option or of the environment is also
 * renewed; one from a file or a function is renewed by what provides it.
 */
export class CallerTokens implements Tokens {
  readonly #holder: TokenHolder;
  readonly #source: SecretSource | undefined;
  #lease: Lease | undefined;
  /** The token whose terms were looked up. */
  #known: string | undefined;
  #closed = false;

  constructor(server: VaultServer, namespace: string | undefined, source: SecretSource | undefined) {
    this.#holder = { server, namespace };
    this.#source = source;
  }

  async current(): Promise<string> {
    const source = this.#source ?? defaultSource(this.#holder.server.address);
    const token = await readToken(source);
    if (isRenewedHere(source) && token !== this.#known) void this.#watch(token);
    return token;
  }

  accepted(): void {}

  /** The source may contain another token by now. */
  async replace(rejected: string): Promise<string | undefined> {
    const token = await this.current();
    return token === rejected ? undefined : token;
  }

  denied(): void {}

  get problem(): string {
    if (!this.#lease?.isOver) return "The token is invalid, expired or revoked, or its policies don't allow it.";
    const reason = this.#lease.renewable ? "could not be renewed" : "isn't renewable, or not any more";
    return `The token has expired. It ${reason}. Provide a new one, or log in by appRole or kubernetes.`;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#lease?.stop();
  }

  /** Doesn't delay the request. If the policies don't allow the look-up, the token isn't renewed. */
  async #watch(token: string): Promise<void> {
    this.#known = token;
    this.#lease?.stop();
    this.#lease = undefined;
    const terms = await lookUp(this.#holder, token).catch(() => undefined);
    if (!terms || this.#closed || this.#known !== token) return;
    this.#lease = new Lease(token, terms, () => renew(this.#holder, token));
  }
}

function isRenewedHere(source: SecretSource): boolean {
  return typeof source === "string" || (typeof source === "object" && "env" in source);
}

/** Where the commands `vault` and `bao` find it. It belongs to their server, so a URI can't send it to another one. */
function defaultSource(address: string): SecretSource {
  if (fromEnvironment("ADDR") !== undefined && addressOf(undefined) !== address) {
    const remedy = "Set the option token (in a URI: token-source), or log in by appRole or kubernetes.";
    throw misconfigured(
      `The default token belongs to the server of ${variableOf("ADDR")}, which is another one. ${remedy}`,
    );
  }
  if (fromEnvironment("TOKEN") !== undefined) return { env: variableOf("TOKEN") };
  return { file: join(homedir(), ".vault-token") };
}

async function readToken(source: SecretSource): Promise<string> {
  const note = "Nothing was sent. Set the option token, VAULT_TOKEN or BAO_TOKEN, or log in by appRole or kubernetes.";
  const token = (await readSecret(source, { name: "Vault token", note })).trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new SignerError("pin-required", `The Vault token contains characters that a header can't have. ${note}`);
}
