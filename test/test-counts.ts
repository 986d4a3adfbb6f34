/** What `node --test` prints at its end. */

/** Returns how many tests passed, failed and were skipped. */
export function testCounts(output: string): Record<"pass" | "fail" | "skipped", number> {
  const count = (what: string) => Number(new RegExp(`^\\S+ ${what} (\\d+)$`, "m").exec(output)?.[1]);
  return { pass: count("pass"), fail: count("fail"), skipped: count("skipped") };
}
