/** How a provider maps the errors of its store: a table of names, and a row for names that it doesn't list. */
import type { SignerErrorCode } from "../errors.js";

/** What a store's error means: the code of the `SignerError`, and a sentence on what to do. */
export type ErrorRow = readonly [code: SignerErrorCode, remedy: string];

/**
 * The errors of a store by their names in the store: exception names, status codes, return values.
 *
 * @example
 * ```ts
 * const ERRORS = new ErrorTable({ NotFound: ["key-not-found", "Check the name."] }, ["unavailable", "Try again."]);
 * const [code, remedy] = ERRORS.get("NotFound");
 * ```
 */
export class ErrorTable {
  readonly #rows: ReadonlyMap<string, ErrorRow>;
  readonly #fallback: ErrorRow;

  /**
   * @param rows - The store's names and what each of them means.
   * @param fallback - The row of every other name.
   */
  constructor(rows: Readonly<Record<string, ErrorRow>>, fallback: ErrorRow) {
    this.#rows = new Map(Object.entries(rows));
    this.#fallback = fallback;
  }

  /** Returns whether the table lists the name. */
  has(name: string): boolean {
    return this.#rows.has(name);
  }

  /** Returns the row of the name, or the fallback. */
  get(name: string): ErrorRow {
    return this.#rows.get(name) ?? this.#fallback;
  }
}
