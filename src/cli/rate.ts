/** Amounts per second, short enough for a column. */

/** "0", "3.4", "12", "3.4 k", "1.20 M" */
export function shortRate(value: number): string {
  if (value < 1000) return value.toFixed(value < 10 && value > 0 ? 1 : 0);
  return value < 1e6 ? `${(value / 1e3).toFixed(1)} k` : `${(value / 1e6).toFixed(2)} M`;
}
