/**
 * Whether the kernel would take a program in native mode on a veth of this size. Asked of a pair of the same sizes in a namespace that nobody sees
 * and that ends at once, so that the answer is the kernel's own and nothing is changed.
 */
import { BPF, Fd, programLoad } from "../../sys/bpf.ts";
import { SyscallError } from "../../sys/errno.ts";
import { inPassingNamespace } from "../../sys/namespaces.ts";
import { addVethPair, getLink, setLinkMtu, setXdp } from "../../sys/netlink/index.ts";

/** Below it no kernel minds: a page less headroom and what describes the buffer. */
const FINE = 3000;
/** `r0 = XDP_PASS; exit` */
const PASS = Uint8Array.of(0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);

/** The kernel's words; null when it would take one. */
export function refusalOnVeth(mtu: number, peerMtu: number): string | null {
  if (mtu <= FINE && peerMtu <= FINE) return null;
  const loaded = programLoad({
    name: "doctor_pass",
    type: BPF.BPF_PROG_TYPE_XDP,
    expectedAttachType: BPF.BPF_XDP,
    flags: 0,
    license: "Dual MIT/GPL",
    instructions: PASS,
  });
  if (!(loaded instanceof Fd)) return null;
  using program = loaded;
  return inPassingNamespace(() => {
    addVethPair({ name: "near", peerName: "far" });
    const near = getLink("near").ifindex;
    setLinkMtu(near, mtu);
    setLinkMtu(getLink("far").ifindex, peerMtu);
    try {
      setXdp({ ifindex: near, fd: program.number, mode: "native" });
      return null;
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      return error.why ?? error.errnoName;
    }
  });
}
