/** Who keeps a program where it is attached, in the tables of `status` and `links`. */
import type { LinkHolders } from "../runtime/links/holders.ts";

/** "the device"; "link 7: node (42) /sys/fs/bpf/x". */
export function heldBy(linkId: number | null, holders: LinkHolders | null): string {
  if (linkId === null) return "the device";
  const names = holderNames(holders);
  return `link ${linkId}${names === "" ? "" : `: ${names}`}`;
}

/** "" when they cannot be seen: processes in other pid namespaces. */
export function holderNames(holders: LinkHolders | null): string {
  if (holders === null) return "";
  return [...holders.pins, ...holders.processes.map(({ pid, command }) => `${command} (${pid})`)].join(" ");
}
