/** Scenarios with software that others wrote, and how they are reported. */

/**
 * Runs one scenario, and reports it.
 *
 * @param title - What should happen.
 * @param work - Returns what was seen. A rejection is a failure.
 */
export type Scenario = (title: string, work: () => Promise<string>) => Promise<void>;

/** Counts of the scenarios so far. */
export interface Results {
  passed: number;
  failed: number;
}

/** Creates a function that prints each scenario with a ✓ or a ✗, and counts them. */
export function reporter(results: Results): Scenario {
  return async (title, work) => {
    try {
      const seen = await work();
      results.passed += 1;
      console.log(`✓ ${title}: ${seen}`);
    } catch (error) {
      results.failed += 1;
      console.log(`✗ ${title}: ${String(error)}`);
    }
  };
}

/** @throws {Error} With what was seen, unless the condition holds. */
export function check(condition: boolean, seen: string): asserts condition {
  if (!condition) throw new Error(seen);
}
