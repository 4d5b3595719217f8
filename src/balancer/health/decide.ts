/**
 * Which backends are taken away because of their health. Checks err too: they must not take so many away that the others break down, and when all
 * fail, the fault is more likely the check's than everybody's. Pure.
 */

export interface Member {
  identity: string;
  /** When its checks began to fail; null while they do not. In any unit. */
  failingSince: number | null;
}

export interface Decision {
  /** Who gets no connections. */
  out: ReadonlySet<string>;
  /** All fail, and all get connections nevertheless. */
  failOpen: boolean;
}

/**
 * `members` are those that would get connections if they were well. At least the share `minimumUp` of them stays; of more that fail, those that
 * have failed for longest go, so that who is out does not come back because another one fails.
 */
export function decide(members: readonly Member[], minimumUp: number): Decision {
  const failing = members.filter(({ failingSince }) => failingSince !== null);
  if (failing.length === 0) return { out: new Set(), failOpen: false };
  if (failing.length === members.length) return { out: new Set(), failOpen: true };
  // 3 × (1 - 0.9) is a little less than 0.3 for a computer, and 10 × (1 - 0.7) a little less than 3.
  const most = Math.floor(members.length * (1 - minimumUp) + 1e-9);
  const longestFirst = failing.toSorted(
    (a, b) => (a.failingSince ?? 0) - (b.failingSince ?? 0) || (a.identity < b.identity ? -1 : 1),
  );
  return { out: new Set(longestFirst.slice(0, most).map(({ identity }) => identity)), failOpen: false };
}
