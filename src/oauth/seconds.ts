/** Numbers of seconds in the responses of servers, such as `expires_in` (RFC 6749 §5.1, RFC 8628 §3.2). */

/** Reads a number of seconds. Some servers send it as a string. Returns `null` for anything else. */
export function secondsOf(value: unknown): number | null {
  const number = typeof value === "string" && /^\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) && number >= 0 ? number : null;
}
