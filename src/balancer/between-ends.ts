/**
 * What is between the entries that two lists begin and end with alike. States that follow each other share the objects of services that nobody
 * has changed, so of ten thousand services a change of one leaves that one, without looking into the others.
 */
export function betweenEnds<T>(left: readonly T[], right: readonly T[]): { left: readonly T[]; right: readonly T[] } {
  const shorter = Math.min(left.length, right.length);
  let first = 0;
  while (first < shorter && left[first] === right[first]) first++;
  let last = 0;
  while (last < shorter - first && left.at(-1 - last) === right.at(-1 - last)) last++;
  return { left: left.slice(first, left.length - last), right: right.slice(first, right.length - last) };
}
