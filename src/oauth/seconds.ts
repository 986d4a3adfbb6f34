/** Numbers of seconds in responses. */

/** Returns a number of seconds, 0 or more. Some servers send it as a string. `null` for anything else. */
export function parseSeconds(value: unknown): number | null {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) && number >= 0 ? number : null;
}
