/** Step-up: one source of tokens for each wider scope that a resource server asked for (RFC 6750 §3.1). */
import { OAuthError } from "../errors.js";
import { LruMap } from "../lru-map.js";
import { assertObject } from "../oauth/assert.js";
import { joinWords, type WordList } from "../oauth/space-delimited.js";
import type { GetTokenOptions, TokenSource } from "./token-source.js";

/** A scope in any form: separated by spaces, a list, or none. */
export type Scope = WordList | null | undefined;

/** The grant whose scope can be widened. */
export interface ScopedGrant {
  readonly grantType: string;
  readonly scope?: Scope;
  /** Whether the grant can be requested again. Default: only `client_credentials`. */
  readonly repeatable?: boolean | undefined;
}

const MAX_SCOPES = 32;

/** A source for the scope of its grant, with further sources for wider scopes. */
export class ScopedTokenSource<Source extends TokenSource = TokenSource> implements TokenSource {
  readonly #grant: ScopedGrant;
  readonly #source: Source;
  readonly #create: (scope: string) => Source;
  readonly #wider = new LruMap<string, Source>(MAX_SCOPES);

  /**
   * @param source - The source for the grant's own scope.
   * @param create - Creates a source for another scope.
   */
  constructor(grant: ScopedGrant, source: Source, create: (scope: string) => Source) {
    this.#grant = grant;
    this.#source = source;
    this.#create = create;
  }

  async token(options: GetTokenOptions = {}) {
    return this.sourceFor(options).token(options);
  }

  async renew(rejected: Parameters<TokenSource["renew"]>[0], options: GetTokenOptions = {}) {
    return this.sourceFor(options).renew(rejected, options);
  }

  /**
   * Returns the source for the grant's own scope and those of the options.
   *
   * @throws {OAuthError} With code `misconfigured` if the scope is wider, and the grant can't be requested again.
   */
  sourceFor(options: GetTokenOptions = {}): Source {
    const own = scopesOf(this.#grant.scope);
    const { scope } = assertObject(options, "The options of a token source's call");
    const added = scopesOf(scope).filter((each) => !own.includes(each));
    if (added.length === 0) return this.#source;
    this.#assertRepeatable(added);
    const key = added.sort().join(" ");
    const source = this.#wider.get(key) ?? this.#create([...own, ...added].join(" "));
    this.#wider.set(key, source);
    return source;
  }

  #assertRepeatable(added: string[]): void {
    if (isRepeatable(this.#grant)) return;
    const { grantType } = this.#grant;
    const problem = `The scope ${added.join(" ")} needs a new login: ${grantType} can't be repeated`;
    const message = `${problem}, and a refresh token can't get more scope than its login (RFC 6749 §6).`;
    throw new OAuthError("misconfigured", message, { error: "insufficient_scope" });
  }
}

/** Whether the grant can be requested again. */
export function isRepeatable({ grantType, repeatable = grantType === "client_credentials" }: ScopedGrant): boolean {
  return repeatable;
}

/** Returns each scope once, in order. */
function scopesOf(scope: Scope): string[] {
  const words = joinWords(scope)?.split(" ") ?? [];
  return [...new Set(words.filter(Boolean))];
}
