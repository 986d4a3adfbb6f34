/** A token source whose key can change while it is used: each token stays with the key that it is bound to. */
import type { DPoPProver } from "../dpop/prover.js";
import { misconfigured } from "../oauth/assert.js";
import { Token } from "../oauth/token/token.js";
import { isRepeatable, type ScopedTokenSource } from "./scoped-token-source.js";
import type { TokenRenewalOptions } from "./token-renewal.js";
import type { CachingTokenSource, GetTokenOptions, TokenSource, TokenSourceOptions } from "./token-source.js";

/** Options of {@link RotatableTokenSource.rotate}. */
export interface RotateOptions {
  /** A token that is bound to the new key, from a new login. Required if the refresh token is bound to the old key. */
  token?: Token | undefined;
}

/** A source of access tokens whose key can change. See {@link tokenSource}. */
export interface RotatableTokenSource extends TokenSource {
  /** Returns the prover of the key that a token of this source is bound to. */
  proverFor(token: Token): DPoPProver | undefined;
  /**
   * Gives the source another key, while calls go on. The current token is used until it is due for renewal or is rejected. Then
   * a token for the new key is requested: by the grant if it can be repeated, otherwise by the refresh token.
   *
   * Call it after the source has returned a token. Keep the signer of the old prover open until the current token has
   * expired, and its calls have ended.
   *
   * @param prover - Makes the proofs with the new key.
   * @throws {OAuthError} With code `misconfigured`, before anything has changed, if the source has no prover, the
   *   client can't use this one (see `OAuthClient.assertProver`), or a new login is necessary: the grant can't be
   *   repeated, and there is no refresh token, or it is bound to the old key because the client is public (RFC 9449
   *   §5). Pass the token of the login then.
   */
  rotate(prover: DPoPProver, options?: RotateOptions): Promise<void>;
}

/** The tokens of one key. */
interface Generation {
  readonly prover: DPoPProver | undefined;
  readonly source: ScopedTokenSource<CachingTokenSource>;
}

/** Old keys whose tokens are still used. A token of an older one would have to outlive two rotations. */
const MAX_PREVIOUS = 2;

/** Sources with one key each, of which the first requests tokens, and the others only return those that they have. */
export class RotatingTokenSource implements RotatableTokenSource {
  readonly #options: TokenSourceOptions;
  readonly #create: (options: TokenRenewalOptions) => Generation["source"];
  readonly #provers = new WeakMap<Token, DPoPProver>();
  #current: Generation;
  #previous: readonly Generation[] = [];

  constructor(options: TokenSourceOptions, create: (options: TokenRenewalOptions) => Generation["source"]) {
    this.#options = options;
    this.#create = create;
    this.#current = { prover: options.prover, source: create(options) };
  }

  async token(options: GetTokenOptions = {}): Promise<Token> {
    const previous = this.#previousToken(options);
    const { prover, source } = this.#current;
    if (previous === undefined) return this.#remember(prover, await source.token(options));
    if (previous.isDue) source.token(options).catch(() => undefined);
    return previous.token;
  }

  async renew(rejected: string | Token, options: GetTokenOptions = {}): Promise<Token> {
    for (const previous of this.#previous) previous.source.sourceFor(options).reject(rejected);
    const { prover, source } = this.#current;
    return this.#remember(prover, await source.renew(rejected, options));
  }

  proverFor(token: Token): DPoPProver | undefined {
    return this.#provers.get(token);
  }

  async rotate(prover: DPoPProver, { token }: RotateOptions = {}): Promise<void> {
    if (typeof prover?.makeProof !== "function") throw misconfigured("prover must be a DPoPProver.");
    if (this.#current.prover === undefined) throw misconfigured("A source without a prover has no key to rotate.");
    this.#options.client.assertProver?.(prover);
    // A refresh in flight may spend the refresh token that is handed over.
    while (this.#current.source.sourceFor().inFlight)
      await this.#current.source.sourceFor().inFlight?.catch(() => undefined);
    const shared = { token: token ?? this.#handOver(this.#current.prover), isShared: true };
    const source = this.#create({ ...this.#options, prover, ...shared });
    this.#previous = [this.#current, ...this.#previous].slice(0, MAX_PREVIOUS);
    this.#current = { prover, source };
  }

  /** Returns the valid token of the latest previous key, unless there is one for the current key. */
  #previousToken(options: GetTokenOptions) {
    if (this.#previous.length === 0 || this.#current.source.sourceFor(options).cached) return undefined;
    for (const { prover, source } of this.#previous) {
      const { cached } = source.sourceFor(options);
      if (cached === undefined) continue;
      this.#remember(prover, cached.token);
      return cached;
    }
    return undefined;
  }

  #remember(prover: DPoPProver | undefined, token: Token): Token {
    if (prover) this.#provers.set(token, prover);
    return token;
  }

  /** Returns the refresh token as part of a token of the old key, of which a source with another key uses nothing else. */
  #handOver({ jkt }: DPoPProver): Token | undefined {
    if (isRepeatable(this.#options)) return undefined;
    const state = this.#current.source.sourceFor().refreshState;
    if (state.refreshToken == null) throw loginNeeded("There is no refresh token for the new key.");
    const { client, clientSecret } = this.#options;
    if (!(client.isConfidential?.(clientSecret) ?? clientSecret != null))
      throw loginNeeded("The refresh token of a public client is bound to its key (RFC 9449 §5).");
    return new Token({ access_token: "", cnf: { jkt } }, "", state);
  }
}

function loginNeeded(problem: string) {
  return misconfigured(
    `${problem} Log in with the new key, and pass the token of the login: rotate(prover, { token }).`,
  );
}
