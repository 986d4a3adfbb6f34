/** Finds the name that was probably meant. */

/** Letters. A shorter text is the start of many names. */
const MIN_START = 3;

/** Returns the known name that starts with the text, or is at most two edits away, if there is one. */
export function similarName(typed: string, known: readonly string[]): string | undefined {
  const longer = known.find((name) => typed.length >= MIN_START && name.startsWith(typed));
  if (longer !== undefined) return longer;
  const candidates = known.map((name) => ({ name, distance: editDistance(typed, name) }));
  const [nearest] = candidates.sort((a, b) => a.distance - b.distance);
  return nearest && nearest.distance <= Math.min(2, nearest.name.length / 2) ? nearest.name : undefined;
}

/** The number of insertions, deletions, replacements and swaps of neighbours that turn one text into the other. */
function editDistance(from: string, to: string): number {
  let [before, current]: [number[], number[]] = [[], Array.from({ length: to.length + 1 }, (_, index) => index)];
  for (let row = 1; row <= from.length; row += 1) {
    const next = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replace = (current[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      const swap = swapped ? (before[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      next.push(Math.min((current[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1, replace, swap));
    }
    [before, current] = [current, next];
  }
  return current[to.length] ?? 0;
}
