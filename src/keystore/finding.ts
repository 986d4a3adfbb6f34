/** The results of `Provider.diagnose`. */

/** The result of one check. It never contains a secret. */
export interface Finding {
  /** What was checked, in one or two words: `PIN`. */
  readonly check: string;
  /** Whether the check passed. `null` if it doesn't apply, could not be made, or is for the operator to decide. */
  readonly ok: boolean | null;
  /** What the check found. */
  readonly found: string;
  /** What the operator should do. */
  readonly remedy?: string;
}
