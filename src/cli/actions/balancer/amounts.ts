/** Numbers of packets and bytes, short enough for a column. */

/** "0", "999", "12.3 k", "1.20 M", "3.40 G" */
export function shortCount(value: number): string {
  if (value < 1e4) return `${Math.round(value)}`;
  if (value < 1e6) return `${(value / 1e3).toFixed(1)} k`;
  return value < 1e9 ? `${(value / 1e6).toFixed(2)} M` : `${(value / 1e9).toFixed(2)} G`;
}
