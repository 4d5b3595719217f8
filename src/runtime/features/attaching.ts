/** In which ways programs can be attached and run: tried out in a network namespace of its own that nobody sees, and that is gone afterwards. */
import { WirescriptError } from "../../errors.ts";
import { BPF, Fd, linkCreateTcx, linkCreateXdp, programTestRun, XDP_FLAGS } from "../../sys/bpf.ts";
import { inPassingNamespace } from "../../sys/namespaces.ts";
import { addClsact, addVethPair, getLink, setXdp } from "../../sys/netlink/index.ts";
import { offer, takes } from "./programs.ts";

export interface Attaching {
  /** XDP behind the driver, by netlink, as `ip` attaches it (Linux 4.12). */
  xdpSkb: boolean;
  /** XDP in the driver, tried on a veth (Linux 4.19). */
  xdpNativeOnVeth: boolean;
  /** XDP by bpf_link (Linux 5.9). */
  xdpLink: boolean;
  /** Frames in several buffers (Linux 5.18). */
  xdpFrags: boolean;
  /** Programs in entries of device maps (Linux 5.8) and CPU maps (Linux 5.9). */
  xdpInDevmap: boolean;
  xdpInCpumap: boolean;
  /** Test runs (Linux 4.12), and such on live packets (Linux 5.18). */
  testRun: boolean;
  testRunLive: boolean;
  /** TC by bpf_link (Linux 6.6), and by the clsact qdisc (Linux 4.5). */
  tcx: boolean;
  clsact: boolean;
}

const LOOPBACK = 1;
const BPF_XDP_DEVMAP = 33;
const BPF_XDP_CPUMAP = 35;

/** Needs root. @throws WirescriptError NO_PRIVILEGES */
export function probeAttaching(): Attaching {
  const xdp = { type: BPF.BPF_PROG_TYPE_XDP };
  const program = offer({ ...xdp, expectedAttachType: BPF.BPF_XDP });
  const classifier = offer({ type: BPF.BPF_PROG_TYPE_SCHED_CLS });
  const withXdp = (work: (fd: Fd<"program">) => void) => program instanceof Fd && works(() => work(program));
  try {
    return inPassingNamespace(() => ({
      xdpSkb: withXdp((fd) => {
        setXdp({ ifindex: LOOPBACK, fd: fd.number, mode: "skb", replace: false });
        setXdp({ ifindex: LOOPBACK, fd: -1, mode: "skb" });
      }),
      xdpNativeOnVeth: withXdp((fd) => {
        addVethPair({ name: "probe0", peerName: "probe1" });
        setXdp({ ifindex: getLink("probe0").ifindex, fd: fd.number, mode: "native" });
      }),
      xdpLink: withXdp((fd) => linkCreateXdp(fd, LOOPBACK, XDP_FLAGS.XDP_FLAGS_SKB_MODE).close()),
      xdpFrags: takes({ ...xdp, expectedAttachType: BPF.BPF_XDP, flags: BPF.BPF_F_XDP_HAS_FRAGS }),
      xdpInDevmap: takes({ ...xdp, expectedAttachType: BPF_XDP_DEVMAP }),
      xdpInCpumap: takes({ ...xdp, expectedAttachType: BPF_XDP_CPUMAP }),
      testRun: withXdp((fd) => void programTestRun({ program: fd, packet: new Uint8Array(64), repeat: 1 })),
      // The program returns XDP_ABORTED: the packet goes nowhere.
      testRunLive: withXdp((fd) => {
        programTestRun({ program: fd, packet: new Uint8Array(64), repeat: 1, flags: BPF.BPF_F_TEST_XDP_LIVE_FRAMES });
      }),
      tcx:
        classifier instanceof Fd &&
        works(() => linkCreateTcx({ program: classifier, ifindex: LOOPBACK, direction: "ingress" }).close()),
      clsact: works(() => addClsact(LOOPBACK)),
    }));
  } finally {
    for (const fd of [program, classifier]) if (fd instanceof Fd) fd.close();
  }
}

function works(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof WirescriptError) return false;
    throw error;
  }
}
