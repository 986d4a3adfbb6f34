/** Lists in error messages, which must be short enough to read. */

/** The most names in one message. */
export const MAX_NAMES = 10;

/**
 * Returns at most ten of the names, and the number of the others.
 *
 * @param total - The number of all, if `names` are only the first of them.
 */
export function listSome(names: readonly string[], total = names.length): string {
  const list = names.slice(0, MAX_NAMES).join(", ");
  return total > MAX_NAMES ? `${list} and ${total - MAX_NAMES} more` : list;
}
