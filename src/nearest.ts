/** What somebody who mistyped a word meant. */

/**
 * The nearest of the words that there are; null when none is near: a wrong guess misleads more than no guess. `share`: how much of the word may be
 * mistyped.
 */
export function nearest(word: string, known: readonly string[], share = 0.4): string | null {
  const most = Math.max(1, Math.floor(word.length * share));
  const lengthApart = (each: string) => Math.abs(each.length - word.length);
  const [best] = known
    .map((each) => ({
      each,
      steps: each.startsWith(word) && word.length > 1 ? 0 : distance(word.toLowerCase(), each.toLowerCase()),
    }))
    .filter(({ steps }) => steps <= most)
    .toSorted((left, right) => left.steps - right.steps || lengthApart(left.each) - lengthApart(right.each));
  return best?.each ?? null;
}

/** "Did you mean list? ", or nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const meant = nearest(word, known);
  return meant === null ? "" : `Did you mean ${meant}? `;
}

/** Letters to insert, delete, exchange, or swap with their neighbour (Damerau and Levenshtein). */
function distance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= from.length; row++) {
    const line = [row];
    for (let column = 1; column <= to.length; column++) {
      const above = rows[row - 1] ?? [];
      const same = from[row - 1] === to[column - 1];
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      line.push(
        Math.min(
          (above[column] ?? 0) + 1,
          (line[column - 1] ?? 0) + 1,
          (above[column - 1] ?? 0) + (same ? 0 : 1),
          swapped ? (rows[row - 2]?.[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    rows.push(line);
  }
  return rows.at(-1)?.at(-1) ?? 0;
}
