/** What `diagnose` reports: one check and its result. */

/** The result of one check. Never holds a secret. */
export interface Finding {
  /** What was checked, in a word or two: `PIN`. */
  readonly check: string;
  /** `null` if the check doesn't apply, or could not be made. */
  readonly ok: boolean | null;
  readonly found: string;
  /** What to do about it. */
  readonly remedy?: string;
}
