/** How work grows with its input: what a clock says of one machine means nothing on another, the quotient of two sizes does. */

/** Processor time of `work` on an input `times` as large, by that of `size`; the first round, which compiles the code, does not count. */
export function growth(work: (size: number) => void, size: number, times: number): number {
  const timed = (of: number): number => {
    const start = process.cpuUsage();
    work(of);
    const { user, system } = process.cpuUsage(start);
    return user + system;
  };
  timed(size);
  const small = Math.min(...Array.from({ length: 5 }, () => timed(size)));
  const large = Math.min(...Array.from({ length: 2 }, () => timed(size * times)));
  return large / small;
}
