/** The JWS algorithms that resource servers list in their challenges (RFC 9449 §7.1), by origin. */
import { DPoPError } from "../errors.js";
import type { AlgorithmName } from "../jose/algorithms.js";
import { algorithmNamed, nameFor } from "../jose/find-algorithm.js";
import { LruMap } from "../lru-map.js";
import { displayUrl } from "../oauth/http.js";

const MAX_ORIGINS = 256;
const MAX_SHOWN = 200; // characters of a server's list in an error

/** Caches the lists that contain the key's algorithm, by one of its names. */
export class ListedAlgorithms {
  readonly #lists = new LruMap<string, readonly string[]>(MAX_ORIGINS);

  /** Returns the last list of the server, for its next proof. A list without the key's algorithm was for another key. */
  get(url: URL, alg: AlgorithmName): readonly string[] | undefined {
    const list = this.#lists.get(url.origin);
    return nameFor(algorithmNamed(alg), list) === undefined ? undefined : list;
  }

  /**
   * Caches the list of a challenge.
   *
   * @param alg - The algorithm of the key that signed the proof.
   * @returns Whether the server accepts the key's algorithm, as far as the list says.
   */
  remember(url: URL, list: readonly string[] | undefined, alg: AlgorithmName): boolean {
    if (list === undefined) return true;
    if (nameFor(algorithmNamed(alg), list) === undefined) return false;
    this.#lists.set(url.origin, list);
    return true;
  }

  /** Creates the error for a server whose list lacks the key's algorithm. */
  unsupported(url: URL, list: readonly string[] | undefined, alg: AlgorithmName): DPoPError {
    const supported = (list ?? []).join(", ").slice(0, MAX_SHOWN);
    const message = `${displayUrl(url)} doesn't support proofs with ${alg}. It supports: ${supported}.`;
    return new DPoPError("misconfigured", `${message} Use a key for one of them.`);
  }
}
