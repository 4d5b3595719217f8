/** Whether two values that JSON can say are the same; the order of fields does not count. */
export function isSame(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  const [before, after] = [Object.entries(left), Object.entries(right)];
  if (before.length !== after.length) return false;
  const other = new Map(after);
  return before.every(([name, value]) => other.has(name) && isSame(value, other.get(name)));
}
