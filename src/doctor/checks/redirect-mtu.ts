/** What comes in may be larger than what the redirect's target sends. A router asks first (bpf_fib_lookup tells), a redirector does not. */
import { ip, nameOf, placeOf, word } from "../shell.ts";
import type { Device } from "../snapshot/index.ts";
import { nativeOn, perSubject, programsOn } from "./check.ts";

export const redirectMtu = perSubject("redirect-mtu", ({ device, targets }) => {
  if (nativeOn(device) === null || programsOn(device).some(({ routes }) => routes)) return [];
  const { mtu } = device.link;
  return targets.flatMap((target) => {
    const ends =
      target.device === null ? [] : target.device.peer === null ? [target.device] : [target.device, target.device.peer];
    const small = ends.filter(({ link }) => link.mtu < mtu);
    const [first] = small;
    if (first === undefined) return [];
    const raise = ({ network, link }: Device): string => ip(network, `link set dev ${word(link.name)} mtu ${mtu}`);
    return [
      {
        place: placeOf(first),
        what: `Packets of ${nameOf(device)} may be too large for ${nameOf(first)}, where they are redirected to.`,
        evidence: `MTU of ${nameOf(device)}: ${mtu}; ${small.map((each) => `of ${nameOf(each)}: ${each.link.mtu}`).join("; ")}. ${target.source} sends there.`,
        why: "XDP_REDIRECT fragments nothing and sends no ICMP error: a packet that is larger than the target's MTU is dropped (EMSGSIZE), smaller ones go through.",
        fix: { command: small.map(raise).join(" && "), safe: small.every(({ link }) => link.kind === "veth") },
      },
    ];
  });
});
